"""The badge says what was measured, and nothing where nothing is loaded."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt, Signal

from autoglm_desktop.core.engine_tuning import USUAL
from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import MemoryUse, Progress, Proof
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.core.units import GIB
from autoglm_desktop.gui.badge import Badge
from autoglm_desktop.host.supervisor import Step, Try
from autoglm_desktop.usecases.session import SessionState
from autoglm_desktop.usecases.targets import Target

TARGET = Target("AutoGLM-Phone-9B Q4_K_M", Path("/made/model.gguf"))
PLAN = RungPlan("gguf-split", gpu_layers=12)
PROOF = Proof(
    "llama.cpp", "made build", devices=("Made GPU 8 GB", "CPU (made)"), gpu_layers=30, total_layers=41, context=4096,
    memory={"gpu:0": {"weights": 4 * GIB}, "ram": {"weights": 2 * GIB}},
)  # fmt: skip
READY = SessionState(
    "ready", TARGET, plan=PLAN, proof=PROOF, memory=MemoryUse(resident_bytes=3 * GIB), tokens_per_s=12.34
)


class MadeSession(QObject):
    changed = Signal(object)

    def __init__(self):
        super().__init__()
        self.state = SessionState()
        self.calls = []

    idle_minutes = 0
    tuning = USUAL

    def free(self):
        self.calls.append("free")

    def load(self, target):
        self.calls.append(("load", target.name))

    def cancel_load(self):
        self.calls.append("cancel")


@pytest.fixture
def session(qapp):
    return MadeSession()


@pytest.fixture
def badge(qtbot, session):
    made = Badge(session)
    qtbot.addWidget(made)
    made.resize(1280, 44)
    made.show()
    return made


def test_without_a_model_it_says_just_that(badge):
    assert badge.pill.text() == "No model loaded"
    assert badge.detail.text() == "" and badge.name.isHidden() and badge.action.isHidden()


def test_rung_device_memory_and_speed_come_from_the_proof(badge, session):
    """The plan wanted 12 layers on the GPU; the engine reported 30."""
    session.state = READY
    session.changed.emit(READY)
    assert badge.pill.text() == "Ready"
    for part in ("GPU and CPU together", "Made GPU 8 GB: 30 of 41 layers", "12.3 tokens/s"):
        assert part in badge.detail.text()
    assert "12 of" not in badge.detail.text()
    assert badge.action.text() == "Free the GPU"
    badge.action.click()
    assert session.calls == ["free"]


def test_loading_shows_the_rung_and_what_failed_and_can_be_cancelled(badge, session):
    step = Step(RungPlan("gguf-cpu"), Progress("load", 0.4))
    session.changed.emit(SessionState("loading", TARGET, step=step))
    assert "GGUF on the CPU: Loading the weights · 40%" in badge.detail.text()
    failed = Step(RungPlan("gguf-gpu"), failed=Try("gguf-gpu", "out_of_memory", "cudaMalloc failed", 1.0))
    session.changed.emit(SessionState("loading", TARGET, step=failed))
    assert "not enough memory" in badge.detail.text()
    session.state = SessionState("loading", TARGET)
    badge.action.click()
    assert session.calls == ["cancel"]


def test_a_failure_is_one_sentence(badge, session):
    error = EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu")
    session.changed.emit(SessionState("failed", TARGET, error=error))
    assert badge.pill.text() == "Stopped"
    assert "SIGSEGV" in badge.detail.text() and badge.action.isHidden()


def test_long_names_are_shortened_and_the_rest_stays_to_be_seen(badge, session, qtbot):
    name = "很长的模型名字 " * 12
    badge.resize(880, 44)
    session.changed.emit(SessionState("ready", Target(name, Path("/made")), plan=PLAN, proof=PROOF))
    assert badge.minimumSizeHint().width() <= 880
    qtbot.waitUntil(lambda: badge.action.geometry().right() <= badge.width(), timeout=5000)
    assert name.strip() in badge.name.toolTip()


def test_names_from_outside_are_no_markup(badge, session):
    session.changed.emit(SessionState("ready", Target("<b>x</b>", Path("/made")), plan=PLAN, proof=PROOF))
    assert badge.name.text() == "<b>x</b>"
    assert badge.name.sizeHint().width() > badge.fontMetrics().horizontalAdvance("x")


def test_tool_tips_say_names_from_outside_word_for_word(badge, session):
    name = "<b>x</b>" * 60
    tries = (Try("gguf-cpu", "crashed", "<img src='file:///made'>", 0.4),)
    badge.resize(880, 44)
    state = SessionState("ready", Target(name, Path("/made")), plan=PLAN, proof=PROOF, tries=tries)
    session.changed.emit(state)
    badge.name.resize(100, 20)
    assert "&lt;b&gt;" in badge.name.toolTip() and "<b>" not in badge.name.toolTip()
    assert "&lt;img" in badge.pill.toolTip() and "<img" not in badge.pill.toolTip()


def test_on_the_processor_it_is_memory_that_is_freed(badge, session):
    proof = Proof(
        "llama.cpp", "made", devices=("CPU (made)",), gpu_layers=0, memory={"ram": {"weights": GIB}}
    )
    session.changed.emit(SessionState("ready", TARGET, plan=RungPlan("gguf-cpu"), proof=proof))
    assert badge.action.text() == "Free the memory"


def test_the_keys_free_the_memory_also_while_it_answers_and_only_where_a_model_runs(badge, session, qtbot):
    qtbot.keyClick(
        badge, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    assert session.calls == []
    session.state = replace(READY, phase="generating")
    session.changed.emit(session.state)
    qtbot.keyClick(
        badge, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    assert session.calls == ["free"]


@pytest.mark.parametrize(
    ("why", "said"), [("freed", "memory is free"), ("idle", "nobody wrote"), (None, "loads it")]
)
def test_what_is_not_loaded_says_why_and_can_be_loaded(badge, session, why, said):
    session.state = SessionState("idle", TARGET, unloaded=why)
    session.changed.emit(session.state)
    assert badge.pill.text() == "Not loaded" and said in badge.detail.text()
    badge.action.click()
    assert session.calls == [("load", TARGET.name)]


def test_a_lock_is_seen(badge, session):
    session.changed.emit(READY)
    assert badge.lock.isHidden()
    session.changed.emit(replace(READY, locked="gguf-split"))
    assert badge.lock.isVisible() and "until you unlock it" in badge.lock.toolTip()


def test_a_click_opens_what_stands_behind_it(badge, session, qtbot):
    qtbot.mouseClick(badge, Qt.MouseButton.LeftButton)
    assert badge.dialog is None, "there is nothing behind it yet"
    session.state = READY
    session.changed.emit(READY)
    qtbot.mouseClick(badge, Qt.MouseButton.LeftButton)
    assert badge.dialog.isVisible() and badge.dialog.name.text() == TARGET.name
    badge.dialog.close()
    badge.more.click()
    assert badge.dialog.isVisible()
