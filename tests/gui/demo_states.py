"""States of the demo for tests.gui.render, in the whole window. Numbers in them are made up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QTimer

from autoglm_desktop.core import demo
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import MemoryUse, Progress, Proof
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.core.units import MIB
from autoglm_desktop.gui.chat.demo import COMING, INSTALLING
from autoglm_desktop.gui.contents import Contents
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.host.supervisor import Step
from autoglm_desktop.texts import demo as texts
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.gui.made_checks import MACHINES, made_check

SYSTEM, MODELS, CHAT, SERVICE = range(4)
Act = Callable[[Contents], None]
Until = Callable[[Callable[[], bool]], None]
TARGET = Target(demo.NAME, Path("/made/AutoGLM-Desktop-Demo-F16.gguf"), demo.ID, whole=True)
PLAN = RungPlan("gguf-cpu", "F16")
PROOF = Proof(
    "llama.cpp", "made build", devices=("made CPU",), gpu_layers=0, total_layers=4, context=4096, kv_type="f16",
    threads=2, memory={"ram": {"weights": 8 * MIB}},
)  # fmt: skip
READY = SessionState(
    "ready", TARGET, plan=PLAN, proof=PROOF, memory=MemoryUse(resident_bytes=61 * MIB), tokens_per_s=412.0
)


def show(until: Until, state: SessionState, machine: str | None = "gaming") -> Act:
    """The session in a state, on a machine that was checked (None: not yet)."""

    def act(made: Contents) -> None:
        start = made.chat.demo
        start.look_again()
        until(lambda: start.look is not None)
        start.best, start.is_checked = None, False
        if machine is not None:
            start.set_check(made_check(MACHINES[machine](), made.models._services))
        made.chat._session._show(state)
        start.changed.emit()

    return act


def waits(until: Until, engine: str) -> Act:
    def act(made: Contents) -> None:
        until(lambda: made.chat.demo.look is not None)
        made.chat.demo.set_engine(engine)
        if engine == INSTALLING:
            made.banner._progress(InstallProgress("build", 0.42, "made: ggml-cpu/ops.cpp"))

    return act


def answered(until: Until) -> Act:
    """A question and its answer by the (fake) engine, asked by the first suggestion."""

    def act(made: Contents) -> None:
        made.chat.demo.load()
        until(lambda: made.chat._session.state.phase == "ready" and made.chat.conversations.is_open)
        made.chat.parts.composer.sent.emit(texts.questions()[0])
        until(lambda: len(made.chat.controller.messages) == 2 and made.chat.controller.answering is None)

    return act


def on_models(until: Until) -> Act:
    def act(made: Contents) -> None:
        show(until, READY)(made)
        QTimer.singleShot(0, made.models, lambda: made.models.ensureWidgetVisible(made.models.here.demo))

    return act


def demo_states(until: Until) -> dict[str, tuple[int, Act]]:
    """Name → the page and what brings it into the state."""
    loading = SessionState("loading", TARGET, step=Step(PLAN, Progress("load", 0.42)))
    failed = dataclasses.replace(
        SessionState("failed", TARGET),
        error=EngineError(
            "no_rung_worked", path="/made/AutoGLM-Desktop-Demo-F16.gguf", detail="made: no memory"
        ),
    )
    return {
        "demo-installing": (CHAT, waits(until, INSTALLING)),
        "demo-coming": (CHAT, waits(until, COMING)),
        "demo-loading": (CHAT, show(until, loading)),
        "demo-ready": (CHAT, show(until, READY)),
        "demo-unchecked": (CHAT, show(until, READY, None)),
        "demo-laptop": (CHAT, show(until, READY, "laptop")),
        "demo-small": (CHAT, show(until, READY, "small")),
        "demo-unknown": (CHAT, show(until, READY, "unknown")),
        "demo-files-arrived": (CHAT, show(until, READY)),
        "demo-freed": (CHAT, show(until, SessionState("idle", TARGET, unloaded="freed"))),
        "demo-failed": (CHAT, show(until, failed)),
        "demo-files-offered": (CHAT, show(until, SessionState())),
        "demo-answered": (CHAT, answered(until)),
        "demo-models": (MODELS, on_models(until)),
        "demo-service": (SERVICE, show(until, READY)),
    }
