"""The window over real engines that fail: what was said stays, and the next message goes on with less."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest

from autoglm_desktop import i18n
from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import Target
from tests.engine.faulty import Faults, plan, preparing, services_with

pytestmark = [
    pytest.mark.usefixtures("needs_llama"),
    pytest.mark.skipif(os.name != "posix", reason="POSIX signals"),
]
LADDER = (plan("gguf-cpu", 1024), plan("gguf-cpu-safe", 1024))


class Desk:
    """A chat page over a session whose engines meet faults."""

    def __init__(self, qtbot, bridge, home, model, *faults):
        self.faults = Faults(*faults)
        self.session = Session(services_with(home, self.faults), preparing(LADDER), hung_after_s=1.0)
        self.model = SessionModel(bridge, self.session)
        services = services_with(home, self.faults)
        self.page = ChatPage(bridge, services, self.model, Conversations(home / "conversations.sqlite3"))
        self.page.controller.change_settings(ConversationSettings(temperature=0.0, max_tokens=8))
        self.page.resize(1000, 700)
        qtbot.addWidget(self.page)
        self.page.show()
        self.until = lambda done: qtbot.waitUntil(done, timeout=60_000)
        self.until(lambda: self.page.conversations.is_open)
        self.states = []
        self.model.changed.connect(self.states.append)
        ended = []
        self.model.load(Target("tiny", model)).ended.connect(lambda: ended.append(True))
        self.until(lambda: bool(ended) and self.model.state.phase in ("ready", "failed"))

    def ask(self, text):
        self.page.parts.composer.set_text(text)
        self.page.parts.composer.edit.submitted.emit()
        self.until(lambda: self.page.controller.answering is None)

    def text(self):
        return self.page.parts.transcript.document().toPlainText()

    def walk(self):
        """(state, how it went) of the rows above the composer."""
        notice = self.page.parts.notice.notice
        return [(line.state, line.said) for line in notice.walk] if notice is not None else []


@pytest.fixture
def desk(qtbot, qapp, tiny_model, tmp_path):
    i18n.set_language("en")
    bridge, made = Bridge(), []

    def make(*faults):
        model = tmp_path / "模型 小.gguf"
        model.write_bytes(tiny_model.read_bytes())
        made.append(Desk(qtbot, bridge, tmp_path, model, *faults))
        return made[-1]

    yield make

    async def last():
        for one in made:
            await one.session.close()
            await one.page.finish()

    bridge.close(last)


def test_after_out_of_memory_the_answer_stays_and_the_next_message_goes_on_with_less(desk):
    here = desk("oom@token:3")
    before = here.model.state.plan
    here.ask("你好 first")
    cut = here.page.controller.messages[-1]
    assert cut.finish_reason == "failed" and cut.text and cut.text in here.text()
    notice = here.page.parts.notice.notice
    assert notice.tone == "bad" and "memory ran out while the model answered" in notice.text
    assert "settings that need less" in notice.text
    here.ask("second")
    answer = here.page.controller.messages[-1]
    assert answer.finish_reason in ("stop", "length") and answer.text and cut.text in here.text()
    after = here.model.state.plan
    assert (after.rung, after.context) == (before.rung, before.context // 2)
    here.until(lambda: here.model.state.phase == "ready")
    assert [tried.phase for tried in here.model.state.tries] == ["generate", None]
    ((state, said),) = here.walk()
    assert state == "failed" and "not enough memory" in said and "while it answered" in said


def test_each_try_is_seen_while_the_ladder_is_walked(desk):
    here = desk("abort@warm_up")
    assert here.model.state.plan.rung == "gguf-cpu-safe"
    trying = [state for state in here.states if state.step is not None and state.step.failed is None]
    first, last = trying[0], trying[-1]
    assert first.tries == () and [plan.rung for plan in first.ahead] == ["gguf-cpu-safe"]
    assert [tried.kind for tried in last.tries] == ["crashed"] and last.ahead == ()
    assert {plan.rung for plan in here.model.state.ladder} >= {"gguf-cpu-safe"}


def test_freeing_ends_an_answer_at_once_and_keeps_it(desk):
    here = desk("hang-locked@token:3")
    here.page.parts.composer.set_text("你好")
    here.page.parts.composer.edit.submitted.emit()
    here.until(
        lambda: here.page.controller.answering is not None and bool(here.page.controller.answering.parts)
    )
    here.model.free()
    here.until(lambda: here.page.controller.answering is None and here.model.state.phase == "idle")
    assert here.page.controller.messages[-1].text and here.model.state.unloaded == "freed"
    assert here.page.parts.notice.notice.tone == "warn"
    here.ask("again")
    assert here.page.controller.messages[-1].finish_reason in ("stop", "length")


def test_a_locked_rung_that_fails_is_unlocked_by_its_button(desk):
    here = desk(None, "abort@warm_up")
    here.model.load_with("gguf-cpu")
    here.until(lambda: here.model.state.phase == "failed")
    notice = here.page.parts.notice.notice
    assert "unlock it" in notice.text and notice.actions[0].name == "unlock"
    here.page.parts.notice.press("unlock")
    here.until(lambda: here.model.state.phase == "ready")
    assert here.model.state.locked is None and here.model.state.plan.rung == "gguf-cpu-safe"
