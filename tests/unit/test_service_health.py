"""What /health tells, with the key and without it."""

import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import MemoryUse
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.host.supervisor import LadderFailed
from autoglm_desktop.service.health import health_of, memory_of
from autoglm_desktop.usecases.serve import ServeOptions, gate_for
from autoglm_desktop.usecases.serve_gate import Asking
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import READY, TARGET, FakeSession

DIED = EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu")


def told(*states, details=True, asking=0):
    """The health after the session went through ``states``."""
    session = FakeSession(state=states[0])
    gate = gate_for(session, ServeOptions())
    for state in states[1:]:
        session.show(state)
    for number in range(asking):
        gate.ticket(Asking("/predict", f"10.0.0.{number}"))
    return health_of(session, gate, details=details)


IDLE = SessionState("idle", TARGET, unloaded="idle")
LOADING = SessionState("loading", TARGET)
FAILED = SessionState("failed", TARGET, error=EngineError("nothing_fits", reason=None))


@pytest.mark.parametrize(
    ("states", "up"),
    [
        ((READY,), True),
        ((replace(READY, phase="generating"),), True),
        ((IDLE,), True),
        ((READY, SessionState("failed", TARGET, error=DIED)), True),
        ((READY, LOADING), True),
        ((LOADING,), False),
        ((SessionState(),), False),
        ((LOADING, FAILED), False),
        ((FAILED,), False),
    ],
)
def test_up_or_down(states, up):
    health = told(*states)
    assert health.body["status"] == ("UP" if up else "DOWN") and health.status == (200 if up else 503)


def test_when_to_ask_again():
    assert told(READY).retry_s is None and told(LOADING).retry_s == 5 and told(LOADING, FAILED).retry_s == 60


def test_without_the_key_only_that():
    health = told(READY, details=False, asking=2)
    assert set(health.body) == {"status", "timestamp"}
    assert datetime.datetime.fromisoformat(health.body["timestamp"]).tzinfo is not None


def test_with_it_the_engine_the_model_the_queue_and_the_memory():
    plan = RungPlan("gguf-cpu", "Q4_K_M", context=4096)
    state = replace(READY, plan=plan, memory=MemoryUse(6_160, {"gpu:0": 12}), tokens_per_s=9.5)
    body = json.loads(json.dumps(told(state, asking=2).body))
    assert body["engine"] == {
        "name": "llama-cpu", "phase": "ready", "rung": "gguf-cpu", "backend": "llama.cpp", "build": "fake",
        "tokens_per_s": 9.5, "error": None,
    }  # fmt: skip
    assert body["model"] == {"name": "autoglm-phone-9b", "variant": "Q4_K_M", "context": 4096}
    queue = body["queue"]
    assert (queue["answering"], queue["waiting"], queue["bound"]) == (1, 1, 64)
    assert [(one["state"], one["position"]) for one in queue["requests"]] == [
        ("answering", 0),
        ("waiting", 1),
    ]
    assert body["memory"] == {"ram": 6_160, "gpu:0": 12}


def test_what_is_not_known_is_none_or_left_out():
    body = told(SessionState()).body
    assert body["model"] is None and body["memory"] == {} and body["engine"]["rung"] is None
    assert memory_of(MemoryUse(None, {"gpu:0": 5})) == {"gpu:0": 5}


def test_neither_addresses_nor_paths_are_told():
    error = LadderFailed(
        "no_rung_worked", (), path="/home/somebody/models/secret.gguf", detail="/home/somebody: no"
    )
    private = replace(TARGET, file=Path("/home/somebody/secret.gguf"))
    body = json.dumps(told(LOADING, SessionState("failed", private, error=error), asking=2).body)
    assert "somebody" not in body and "10.0.0." not in body and "error" in body
