"""The demo in the chat tab: when it loads by itself and when not, what is said meanwhile, where it is named. Real demo,
fake engines."""

import pytest
from PySide6.QtWidgets import QPushButton

from autoglm_desktop import i18n
from autoglm_desktop.core import demo
from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.gui.badge import Badge
from autoglm_desktop.gui.chat.demo import COMING, INSTALLING, MISSING, READY
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store import paths
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.store.demo import Demo
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4
from autoglm_desktop.texts import demo as texts
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services
from tests.gui.made_checks import MACHINES, made_check

REMOTE = ConversationSettings(endpoint="made")
TIMEOUT_MS = 60_000


class Desk:
    """A chat page as the window has it: told of its engine, the check and what arrives; a badge beside it."""

    def __init__(self, qtbot, bridge, home, mode, cache):
        self.qtbot, self.home = qtbot, home
        self.services = made_services(home, *mode)
        self.services.library.demo = Demo(paths.resources() / "demo_model", cache)
        self.session = Session(self.services, made_prepare)
        self.model = SessionModel(bridge, self.session)
        self.page = ChatPage(bridge, self.services, self.model, Conversations(home / "conversations.sqlite3"))
        self.badge = Badge(self.model)
        self.start, self.empty = self.page.demo, self.page.parts.empty
        for widget in (self.page, self.badge):
            qtbot.addWidget(widget)

    @property
    def state(self):
        return self.model.state

    def until(self, done):
        self.qtbot.waitUntil(done, timeout=TIMEOUT_MS)

    def show(self, engine=READY):
        self.page.show()
        self.until(lambda: self.page.conversations.is_open and self.start.look is not None)
        self.start.set_engine(engine)

    def install(self, name="made.gguf"):
        path = self.services.library.models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tiny_glm4(path)
        return Target("made model", path)

    def rest(self):
        """Until nothing that was begun is under way."""
        self.until(
            lambda: not self.start._looking and self.start._making is None and self.model._load is None
        )

    def ready(self):
        self.until(lambda: self.state.phase == "ready")

    def said(self):
        empty = self.empty
        labels = (empty.title, empty.text, empty.best.head, empty.best.text)
        return " ".join(one.text() for one in labels if one.isVisibleTo(empty)).replace("\u00a0", " ")

    def buttons(self):
        """What can be pressed in the place of an empty conversation."""
        return [one.text() for one in self.empty.findChildren(QPushButton) if one.isVisibleTo(self.empty)]

    def ask(self, text):
        self.page.parts.composer.set_text(text)
        self.page.parts.composer.edit.submitted.emit()
        self.until(lambda: self.page.controller.answering is None and len(self.page.controller.messages) > 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Its GGUF file is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(qtbot, bridge, tmp_path, cache):
    desks = []

    def make(*mode):
        desks.append(Desk(qtbot, bridge, tmp_path / "数据 home", mode or ("ok",), cache))
        return desks[-1]

    yield make

    async def last():
        for made in desks:
            await made.session.close()
            await made.page.finish()

    bridge.close(last)


def test_it_loads_by_itself_and_answers_where_no_model_is_installed(desk):
    here = desk("ok", "--reply", "made: yes")
    here.show()
    here.ready()
    assert here.state.target.is_demo and here.badge.demo.isVisibleTo(here.badge)
    assert here.badge.demo.text() == "Demo" and texts.told()[:20] in here.badge.demo.toolTip()
    assert "Demo" in here.page.parts.header.who.name.text()
    assert "very small model" in here.said() and "system check is done" in here.said()
    for question in texts.questions():
        assert question in here.buttons()
    here.ask(texts.questions()[0])
    answer = here.page.controller.messages[-1]
    assert (answer.text, answer.facts.model) == ("made: yes", demo.NAME)


def test_nothing_loads_before_the_page_is_shown(desk):
    here = desk()
    here.start.set_engine(READY)
    here.start.look_again()
    here.until(lambda: here.start.look is not None)
    here.rest()
    assert here.start.look.wanted and here.state.target is None


def test_nothing_loads_while_its_engine_is_missing(desk):
    here = desk()
    here.show(MISSING)
    here.rest()
    assert here.state.target is None and here.start.coming == ""
    assert "Choose a model" in here.buttons() and "Try the demo" in here.buttons()
    here.start.set_engine(READY)  # "Install now" has worked
    here.ready()
    here.start.set_engine(MISSING)  # of another engine, which the user wanted as well
    assert here.state.target.is_demo and "Try the demo" not in here.buttons()


def test_while_the_engine_is_being_installed_the_page_says_so_and_then_it_loads(desk):
    here = desk()
    here.show(INSTALLING)
    here.rest()
    assert here.state.target is None and "being installed" in here.said()
    assert here.buttons() == [], "nothing is to be chosen yet"
    assert not here.page.parts.composer.send.isEnabled()
    here.start.set_engine_stage("fetch")
    assert "being installed" in here.said()
    here.start.set_engine_stage("self_test")
    assert "being loaded" in here.said()
    here.start.set_engine(READY)
    here.ready()


def test_a_model_that_came_while_the_engine_was_installed_is_not_pushed_aside(desk):
    here = desk()
    here.show(INSTALLING)
    here.install()
    here.start.set_engine(READY)
    here.rest()
    assert here.state.target is None
    here.until(lambda: not here.start.look.alone)
    assert "Choose a model" in here.buttons()


def test_a_model_that_is_loaded_meanwhile_wins(desk):
    here = desk()
    here.show(INSTALLING)
    here.model.load(here.install())
    here.start.set_engine(READY)
    here.ready()
    here.rest()
    assert here.state.target.name == "made model" and not here.badge.demo.isVisibleTo(here.badge)


def test_a_remote_conversation_loads_nothing(desk):
    here = desk()
    here.show(COMING)
    here.page.controller.change_settings(REMOTE)
    here.start.set_engine(READY)
    here.rest()
    assert here.state.target is None and "demo" not in here.said()
    here.page.controller.change_settings(ConversationSettings())
    here.ready()
    assert here.state.target.is_demo


def test_with_models_installed_it_is_offered_and_waits_for_the_click(desk):
    here = desk()
    here.install()
    here.show()
    here.rest()
    assert here.state.target is None
    assert here.buttons() == ["Choose a model", "Try the demo"]
    here.empty.try_demo.click()
    here.ready()
    assert here.state.target.is_demo
    assert "A model is installed" in here.said() and "Choose a model" in here.buttons()


def test_what_is_freed_stays_so_until_the_next_message(desk):
    here = desk("ok", "--reply", "made: fine")
    here.show()
    here.ready()
    here.model.free()
    here.until(lambda: here.state.phase == "idle")
    here.page.hide()
    here.page.show()
    here.rest()
    assert here.state.phase == "idle"
    here.ask("hello")
    assert here.page.controller.messages[-1].text == "made: fine"


def test_another_model_takes_over_and_only_old_answers_name_the_demo(desk):
    here = desk("ok", "--reply", "made: fine")
    here.show()
    here.ready()
    here.ask("hello")
    here.model.load(here.install())
    here.until(lambda: here.state.phase == "ready" and here.state.target.name == "made model")
    here.ask("hello again")
    assert not here.badge.demo.isVisibleTo(here.badge)
    assert here.page.parts.header.who.name.text() == "This machine · made model"
    models = [one.facts.model for one in here.page.controller.messages if one.role == "assistant"]
    assert models == [demo.NAME, "made model"]


def test_a_load_that_fails_says_so_as_any_other(desk):
    here = desk("crash-load")
    here.show()
    here.until(lambda: here.state.phase == "failed")
    notice = here.page.parts.notice.notice
    assert notice is not None and [one.name for one in notice.actions] == ["load", "models"]
    assert here.empty.title.text() == "The demo is not running"
    here.rest()
    assert here.state.phase == "failed", "it is not tried for ever"


def test_a_file_that_cannot_be_made_is_said(desk):
    here = desk()
    folder = here.home / "made demo"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"made: cut off")
    here.services.library.demo = Demo(folder, here.services.cache)
    here.show()
    here.until(lambda: here.page.parts.notice.notice is not None)
    assert "demo" in here.page.parts.notice.notice.text
    assert here.state.target is None and "Choose a model" in here.buttons()


def test_an_installation_without_it_is_as_before(desk):
    here = desk()
    here.services.library.demo = Demo(here.home / "missing", here.services.cache)
    here.show()
    here.rest()
    assert here.state.target is None and here.buttons() == ["Choose a model"]
    assert "demo" not in here.said().lower()


@pytest.mark.parametrize(
    ("machine", "said", "offered"),
    [
        ("large", "AutoGLM-Phone-9B · ", "Show it"),
        ("unknown", "No model of the catalogue is known to fit", "Use a remote server"),
    ],
)
def test_it_points_to_the_best_real_model(desk, qtbot, machine, said, offered):
    here = desk()
    here.show()
    here.ready()
    here.start.set_check(made_check(MACHINES[machine](), here.services))
    assert said in here.said() and offered in here.buttons()
    if machine == "large":
        with qtbot.waitSignal(here.page.model_wanted) as caught:
            here.empty.best.show_button.click()
        assert caught.args == ["autoglm-phone-9b"]
    else:
        with qtbot.waitSignal(here.page.check_wanted):
            here.empty.best.check.click()


def test_a_speed_that_is_not_known_is_said(desk):
    here = desk()
    here.show()
    here.ready()
    here.start.set_check(made_check(MACHINES["small"](), here.services))
    assert here.start.best.verdict is None and "speed not known yet" in here.said()


def test_it_is_called_demo_in_chinese_too(desk):
    i18n.set_language("zh_CN")
    here = desk()
    here.show()
    here.ready()
    assert here.badge.demo.text() == texts.word()
    assert texts.word() in here.page.parts.header.who.name.text()
