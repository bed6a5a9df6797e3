"""Where else the demo stands: the Models page, the Service page, the notices, the way to a model of the catalogue."""

import dataclasses
from pathlib import Path

import pytest

from autoglm_desktop.core import demo
from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.core.protocol import Progress
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.gui.chat import vision_notice, words
from autoglm_desktop.gui.contents import Contents
from autoglm_desktop.gui.downloads_model import DownloadsModel
from autoglm_desktop.gui.main_window import CHAT, MODELS, MainWindow
from autoglm_desktop.gui.models.page import ModelsPage
from autoglm_desktop.gui.service import trial_words
from autoglm_desktop.gui.service import words as service_words
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.host.install import InstallProgress
from autoglm_desktop.host.supervisor import Step, Try
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.store.demo import Demo
from autoglm_desktop.usecases import agent_trial
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.session import Session, SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_downloads import FakeActions, FakeQueue
from tests.gui.made_checks import MACHINES, made_check, made_services

TIMEOUT_MS = 60_000
TARGET = Target(demo.NAME, Path("/made/AutoGLM-Desktop-Demo-F16.gguf"), demo.ID, whole=True)
LOADING = SessionState("loading", TARGET, step=Step(RungPlan("gguf-cpu"), Progress("load", 0.4)))
CRASH = Try("gguf-cpu", "crashed", "SIGSEGV", 0.4)


@pytest.fixture
def page(qtbot, bridge, tmp_path):
    """The Models page on a machine without any model file."""
    services = made_services(tmp_path / "数据 home", "ok")
    session = Session(services, prepare)
    model = SessionModel(bridge, session)
    downloads = DownloadsModel(bridge, FakeQueue())
    made = ModelsPage(bridge, services, model, downloads, actions=FakeActions(services.home).actions())
    qtbot.addWidget(made)
    made.model, made.services = model, services
    made.resize(1000, 600)
    made.show()
    qtbot.waitUntil(lambda: made.listed is not None, timeout=TIMEOUT_MS)
    yield made
    bridge.close(session.close)


def test_it_stands_apart_from_the_users_files(page):
    row = page.here.demo
    assert page.rows == [] and row.isVisible()
    assert "nothing to download" in row.facts.text() and "MiB" in row.facts.text()
    assert "load the demo below" in page.drop.text.text()
    assert row.act_button.text() == "Load and chat" and not row.pill.isVisible()


def test_it_is_loaded_by_its_button(qtbot, page):
    row = page.here.demo
    with qtbot.waitSignal(page.chat_wanted, timeout=TIMEOUT_MS):
        row.act_button.click()
    qtbot.waitUntil(lambda: page.model.state.phase == "ready", timeout=TIMEOUT_MS)
    assert page.model.state.target.is_demo
    assert row.pill.text() == "Loaded" and row.act_button.text() == "Chat"


def test_its_failures_are_said(qtbot, page):
    row = page.here.demo
    page.model.changed.emit(SessionState("failed", TARGET, error=TargetError("demo_missing", path="made")))
    assert row.error.text() and row.act_button.text() == "Try again"
    page.services.library.demo = Demo(page.services.home / "gone", page.services.cache)
    row.act_button.click()
    qtbot.waitUntil(lambda: bool(page.notices.shown), timeout=TIMEOUT_MS)
    assert "demo" in page.notices.shown[0].text
    page.refresh()
    qtbot.waitUntil(row.isHidden, timeout=TIMEOUT_MS)
    assert "demo" not in page.drop.text.text()


def test_a_model_of_the_catalogue_is_unfolded_and_brought_into_view(qtbot, page):
    page.set_check(made_check(MACHINES["gaming"](), page.services))
    qtbot.waitUntil(lambda: page.cards[0].entry.recommended is not None, timeout=TIMEOUT_MS)
    last = page.cards[-1]
    assert not last.opened
    page.reveal.show(last.entry.model.id)
    qtbot.waitUntil(lambda: last.opened, timeout=TIMEOUT_MS)
    bar = page.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() > 0, timeout=TIMEOUT_MS)
    assert not last.visibleRegion().isEmpty()


def test_in_the_window_it_waits_for_its_engine_and_leads_to_the_best_model(qtbot, bridge, tmp_path):
    services = made_services(tmp_path / "数据 home", "ok")
    session = Session(services, prepare)
    conversations = Conversations(tmp_path / "made.sqlite3")
    downloads = DownloadsModel(bridge, FakeQueue())
    made = Contents(bridge, services, SessionModel(bridge, session), conversations, downloads)
    frame = MainWindow()
    qtbot.addWidget(frame)
    frame.fill(made)
    frame.show_page(CHAT)
    frame.show()
    qtbot.waitUntil(lambda: made.chat.demo.look is not None, timeout=TIMEOUT_MS)
    assert made.chat._session.is_untouched
    made.banner.start()
    qtbot.waitUntil(lambda: made.chat._session.state.phase == "ready", timeout=TIMEOUT_MS)
    assert made.chat._session.state.target.is_demo
    made.system.checked.emit(made_check(MACHINES["large"](), services))
    made.chat.parts.empty.best.show_button.click()
    assert frame.pages.currentIndex() == MODELS
    card = lambda: next(one for one in made.models.cards if one.entry.model.phone)  # noqa: E731
    qtbot.waitUntil(lambda: made.models.cards != [] and card().opened, timeout=TIMEOUT_MS)

    async def last():
        await session.close()
        await made.after_session()

    bridge.close(last)


def test_the_service_calls_it_demo_and_the_agent_is_refused():
    ready = SessionState("ready", TARGET)
    assert service_words.model_line(ready).text.startswith("Demo · ")
    assert "Demo is being loaded" in service_words.model_line(LOADING).text
    assert service_words.model_line(SessionState("idle", TARGET)).text.startswith("Demo is not loaded")
    for state in (ready, LOADING, SessionState("idle", TARGET)):
        assert agent_trial.obstacle(state).code == "trial_demo"
    assert "trial_demo" in trial_words.HARD and trial_words.ACTS["trial_demo"][0] == "models"


def test_its_short_load_is_quiet_unless_somebody_waits_or_something_failed():
    assert words.state_notice(LOADING, waiting=False, tries_seen=0) is None
    assert words.state_notice(LOADING, waiting=True, tries_seen=0) is not None
    failed = dataclasses.replace(LOADING, tries=(CRASH,))
    assert words.state_notice(failed, waiting=False, tries_seen=0) is not None
    installs = dataclasses.replace(
        LOADING, phase="installing", install=InstallProgress("build", None, "made")
    )
    assert words.state_notice(installs, waiting=False, tries_seen=0) is not None
    other = dataclasses.replace(LOADING, target=Target("made", Path("/made.gguf")))
    assert words.state_notice(other, waiting=False, tries_seen=0) is not None
    error = SessionState("failed", TARGET, error=AppError("engine_no_network", name="llama-cpu"))
    assert words.state_notice(error, waiting=False, tries_seen=0) is not None


def test_a_picture_is_told_to_be_nothing_for_it():
    state = SessionState("ready", TARGET)
    seeing = TargetError("vision_none", name=demo.NAME)
    notice = vision_notice.notice_for(state, seeing, None, pictures=True)
    assert notice.text == f"{demo.NAME} is a text model: it cannot look at pictures."
    assert [one.name for one in notice.actions] == ["models", "without"]
