"""What /metrics tells."""

import math
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoglm_desktop.core.protocol import Done, MemoryUse, Timings, Usage
from autoglm_desktop.host.supervisor import Try
from autoglm_desktop.service.metrics import MOST_TRIES, Metrics
from autoglm_desktop.usecases.serve_gate import Asking, Gate
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import READY, TARGET, FakeSession

CHAT = "/v1/chat/completions"


def samples(metrics):
    """The page as a Prometheus reads it: (name, labels) → value."""
    page, kind = metrics.page()
    assert kind.startswith("text/plain; version=")
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(page.decode())
        for one in family.samples
    }


def value(metrics, name, **labels):
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def made(state=READY):
    session, gate = FakeSession(state=state), Gate()
    return session, gate, Metrics(session, gate)


NAMES = {
    "autoglm_prompt_tokens_total", "autoglm_completion_tokens_total", "autoglm_cached_tokens_total",
    "autoglm_requests_dropped_messages_total", "autoglm_first_token_seconds_count", "autoglm_tokens_per_second",
    "autoglm_queue_waiting", "autoglm_queue_answering", "autoglm_model_loaded",
}  # fmt: skip


def test_the_names_that_the_dashboard_uses_are_there_from_the_start():
    _, _, metrics = made()
    assert {name for name, _ in samples(metrics)} >= NAMES


def test_requests_are_counted_and_timed():
    _, _, metrics = made()
    for seconds in (0.2, 4.0, 100.0):
        metrics.request("POST", CHAT, 200, seconds)
    metrics.request("POST", CHAT, 429, 0.01)
    name = "autoglm_http_request_duration_seconds"
    of = {"method": "POST", "route": CHAT, "status": "200"}
    assert value(metrics, f"{name}_count", **of) == 3
    assert math.isclose(value(metrics, f"{name}_sum", **of), 104.2)
    buckets = {
        dict(labels)["le"]: count
        for (found, labels), count in samples(metrics).items()
        if found == f"{name}_bucket" and dict(labels)["status"] == "200"
    }
    assert list(buckets) == ["0.1", "0.3", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "+Inf"]
    assert (buckets["0.1"], buckets["0.3"], buckets["5.0"], buckets["60.0"], buckets["+Inf"]) == (
        0,
        1,
        2,
        2,
        3,
    )


def test_answers_are_counted():
    _, _, metrics = made()
    metrics.answered(Done("r", Usage(700, 30, 600, 2), Timings(0.4, 900.0, 12.5), "stop"))
    metrics.answered(Done("r", Usage(10, 5), Timings(), "length"))
    assert value(metrics, "autoglm_prompt_tokens_total") == 710
    assert value(metrics, "autoglm_completion_tokens_total") == 35
    assert value(metrics, "autoglm_cached_tokens_total") == 600
    assert value(metrics, "autoglm_requests_dropped_messages_total") == 2
    assert value(metrics, "autoglm_first_token_seconds_count") == 1  # the other one is not known: not 0
    assert value(metrics, "autoglm_tokens_per_second") == 12.5


@pytest.mark.parametrize(
    ("state", "loaded"), [(READY, 1), (SessionState("idle", TARGET), 0), (SessionState(), 0)]
)
def test_whether_a_model_is_loaded(state, loaded):
    assert value(made(state)[2], "autoglm_model_loaded") == loaded


def test_memory_by_device_where_it_is_known():
    session, _, metrics = made()
    assert not any(name == "autoglm_engine_memory_bytes" for name, _ in samples(metrics))
    session.state = replace(READY, memory=MemoryUse(6_000, {"gpu:0": 500}))
    assert value(metrics, "autoglm_engine_memory_bytes", device="ram") == 6_000
    assert value(metrics, "autoglm_engine_memory_bytes", device="gpu:0") == 500


def test_the_queue():
    _, gate, metrics = made()
    for _ in range(3):
        gate.ticket(Asking(CHAT, "127.0.0.1"))
    assert value(metrics, "autoglm_queue_waiting") == 2 and value(metrics, "autoglm_queue_answering") == 1


FIRST = Try("gguf-gpu", "out_of_memory", "…", 1.0, at=1.0)
SECOND = Try("gguf-cpu", "crashed", "…", 1.0, at=2.0, planned={"ram": 5})
THIRD = Try("gguf-gpu", "out_of_memory", "…", 1.0, at=9.0)
WORKED = Try("gguf-cpu-safe", None, "", 1.0, at=3.0)


def falls(metrics):
    return {
        dict(labels)["kind"]: count
        for (name, labels), count in samples(metrics).items()
        if name == "autoglm_ladder_falls_total"
    }


def test_falls_are_counted_once_each_by_kind():
    session, _, metrics = made(replace(READY, tries=(FIRST,)))
    assert falls(metrics) == {"out_of_memory": 1}
    loading = SessionState("loading", TARGET, tries=(FIRST, SECOND))
    for state in (
        loading,
        loading,
        replace(READY, tries=(FIRST, SECOND, WORKED)),
        SessionState("idle", TARGET),
    ):
        session.show(state)
    session.show(replace(loading, tries=(FIRST, SECOND, THIRD)))  # shown again after it was gone
    assert falls(metrics) == {"out_of_memory": 2, "crashed": 1}


def test_a_service_that_ended_no_longer_counts():
    session, _, metrics = made()
    metrics.forget()
    assert session.listeners == []


def test_tries_are_not_remembered_for_ever():
    session, _, metrics = made()
    for number in range(MOST_TRIES * 2):
        session.show(SessionState("loading", TARGET, tries=(replace(FIRST, at=float(number)),)))
    assert falls(metrics) == {"out_of_memory": MOST_TRIES * 2}
    assert len(metrics._falls._seen) == MOST_TRIES


def test_two_services_count_for_themselves():
    one, other = made()[2], made()[2]
    one.request("GET", "/health", 200, 0.1)
    name = "autoglm_http_request_duration_seconds_count"
    of = {"method": "GET", "route": "/health", "status": "200"}
    assert value(one, name, **of) == 1 and value(other, name, **of) is None
