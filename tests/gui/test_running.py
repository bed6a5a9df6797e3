"""What stands behind the badge: proof, tries, lock, idle unload; the bar of warnings. Values are made up."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QActionGroup, QGuiApplication
from PySide6.QtWidgets import QLabel, QMenu

from autoglm_desktop.core.engine_tuning import USUAL, Tuning
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.protocol import Progress
from autoglm_desktop.gui.running.details import Details
from autoglm_desktop.gui.running.lock_button import lockable
from autoglm_desktop.gui.running.walk_list import WalkArea
from autoglm_desktop.gui.running.warning_bar import WarningBar
from autoglm_desktop.host.supervisor import Step
from autoglm_desktop.texts import walk
from autoglm_desktop.usecases.session import SessionState
from tests.gui import running_states as made


class MadeSession(QObject):
    changed = Signal(object)
    idle_minutes = 7
    tuning = USUAL

    def __init__(self):
        super().__init__()
        self.state = SessionState()
        self.calls = []

    def show(self, state):
        self.state = state
        self.changed.emit(state)

    def __getattr__(self, name):
        return lambda *values: self.calls.append((name, *values))


@pytest.fixture
def session(qapp):
    return MadeSession()


@pytest.fixture
def details(qtbot, session):
    dialog = Details(session)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def shown(widget):
    QGuiApplication.processEvents()
    return [
        label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget) and label.text()
    ]


def test_the_proof_stands_beside_the_plan(details, session):
    session.show(made.READY)
    texts = shown(details.proof)
    for text in (
        "30 of 41",
        "llama.cpp · llama-cuda",
        "10,240 tokens",
        "glm4v Q8_0 on the GPU",
        "18.4 tokens/s",
    ):
        assert text in texts
    at = texts.index("GPU 0")
    assert texts[at : at + 4] == ["GPU 0", "Weights", "4.8 GiB", "4.8 GiB"]
    assert details.walk.isVisible() and [row.line.state for row in details.walk.rows] == [
        "failed",
        "failed",
        "works",
    ]


def test_what_an_engine_did_not_tell_is_unknown_and_never_0(details, session):
    session.show(made.READY_CPU)
    texts = shown(details.proof)
    for name in ("Speed while warming up", "Speed last seen", "The process in RAM", "Picture part"):
        assert texts[texts.index(name) + 1] == "unknown"
    assert "safe mode: without the processor's special kernels" in texts
    assert details.free.text() == "Free the memory"


def test_what_transformers_made_is_told(details, session):
    session.show(made.READY_NF4)
    texts = shown(details.proof)
    assert texts[texts.index("Quantised modules") + 1] == "280"
    assert texts[texts.index("KV cache") + 1] == "unknown"


def test_all_of_it_can_be_copied(details, session):
    session.show(replace(made.READY, locked="gguf-split"))
    details.copy.click()
    text = QGuiApplication.clipboard().text()
    for part in ("AutoGLM-Phone-9B", "Locked: GGUF, GPU and CPU together", "Layers on the GPU: 30 of 41",
                 "GPU 0, Weights: 4.8 GiB (planned 4.8 GiB)", "cudaMalloc failed: out of memory"):  # fmt: skip
        assert part in text


def test_rows_of_the_walk_stay_while_a_load_goes_on(details, session):
    session.show(made.WALKING)
    rows = list(details.walk.rows)
    assert [row.line.state for row in rows] == ["failed", "failed", "trying", "ahead", "ahead"]
    session.show(replace(made.WALKING, step=Step(made.SPLIT, Progress("warm_up", 0.0))))
    assert details.walk.rows == rows and "Warming up" in rows[2].said.text()
    assert not details.free.isVisible() and not details.proof.isVisible()


def test_the_proof_of_a_dead_engine_is_not_shown(details, session):
    session.show(made.READY)
    session.show(replace(made.READY, phase="failed"))
    assert not details.proof.isVisible() and not details.free.isVisible()


def test_only_what_is_here_and_not_too_big_can_be_locked():
    ladder = (made.WHOLE, replace(made.CPU, installed=False), replace(made.SAFE, status="too_big"))
    assert [plan.rung for plan in lockable(replace(made.READY, ladder=ladder))] == ["gguf-split", "gguf-gpu"]


def test_the_rung_that_runs_is_locked_as_it_is_and_another_one_is_loaded(details, session):
    session.show(made.READY)
    details.lock.fill()
    actions = {action.text(): action for action in details.lock.menu().actions() if action.text()}
    assert actions["Try every way, the best first (unlocked)"].isChecked()
    actions["GGUF, GPU and CPU together (runs now)"].trigger()
    assert session.calls == [("lock", "gguf-split")]
    actions["GGUF on the CPU"].trigger()
    assert session.calls[-1] == ("load_with", "gguf-cpu")
    session.show(replace(made.READY, locked="gguf-split"))
    assert details.lock.text() == "Locked: GGUF, GPU and CPU together" and details.locked.isVisible()
    details.lock.choose(None)
    assert session.calls[-1] == ("lock", None)


def test_the_idle_unload_is_chosen_and_an_own_value_is_kept(details, session):
    texts = [details.idle.itemText(index) for index in range(details.idle.count())]
    assert texts[0] == "never by itself" and details.idle.currentText() == "7 minutes without a message"
    details.idle.activated.emit(texts.index("15 minutes without a message"))
    assert session.calls == [("set_idle_minutes", 15)]


@pytest.fixture
def bar(qtbot, session):
    shown_bar = WarningBar(session)
    qtbot.addWidget(shown_bar)
    shown_bar.resize(900, 60)
    return shown_bar


def test_a_warning_says_what_to_do_and_stays_away_once_closed(bar, session):
    assert bar.isHidden()
    session.show(made.WARNED)
    assert bar.isVisible() and "2.4 GiB" in bar.text.text()
    bar.again.click()
    bar.free.click()
    assert [call[0] for call in session.calls] == ["load", "free"]
    bar.close_button.click()
    more = Reason.of("memory_taken", taken_bytes=3_000_000_000, free_bytes=1)
    session.show(replace(made.WARNED, warning=more))
    assert bar.isHidden()
    session.show(replace(made.WARNED, warning=Reason.of("speed_fell", times=9)))
    assert bar.isVisible(), "another one is said"
    session.show(made.WALKING)
    session.show(made.WARNED)
    assert bar.isVisible(), "the model was loaded anew"


def test_a_long_walk_scrolls_and_shows_the_newest(qtbot):
    area = WalkArea()
    qtbot.addWidget(area)
    area.resize(600, 400)
    area.show()
    area.show_lines(tuple(walk.of_try(tried) for tried in made.FAILED.tries * 3))
    bar = area.verticalScrollBar()
    qtbot.waitUntil(
        lambda: area.height() <= 216 and bar.maximum() > 0 and bar.value() == bar.maximum(), timeout=5000
    )
    area.show_lines((walk.of_try(made.CRASHED),))
    qtbot.waitUntil(lambda: bar.maximum() == 0 and area.height() < 216, timeout=5000)


def actions(menu):
    return {action.text(): action for action in menu.actions()}


def test_engine_options_are_set_from_the_menu(details, session):
    session.tuning = Tuning(threads=5)
    button = details.options
    button.fill()
    found = actions(button.menu())
    found["Lock the model in RAM (it is never swapped out)"].trigger()
    threads = actions(found["Threads"].menu())
    assert threads["5 threads"].isChecked() and not threads["One for each fast core"].isChecked()
    threads["One for each fast core"].trigger()
    actions(found["NUMA (several processors)"].menu())["isolate"].trigger()
    found["The usual options"].trigger()
    assert session.calls == [
        ("set_tuning", Tuning(threads=5, memory_lock=True)), ("set_tuning", Tuning()),
        ("set_tuning", Tuning(threads=5, numa="isolate")), ("set_tuning", USUAL),
    ]  # fmt: skip


def test_menus_that_are_filled_again_leave_nothing_behind(details, session, qapp):
    session.show(made.READY)
    counts = set()
    for _ in range(3):
        details.options.fill()
        details.lock.fill()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        counts.add((len(details.options.menu().findChildren(QMenu)),
                    len(details.lock.menu().findChildren(QActionGroup))))  # fmt: skip
    assert counts == {(2, 1)}
