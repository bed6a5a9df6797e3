"""The chat tab end to end: page → session → an engine process → tokens in the window and on disk."""

import dataclasses
import sqlite3

import psutil
import pytest
from PySide6.QtCore import Qt

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store import gguf_tiny
from autoglm_desktop.store.conversations import Conversations, Facts
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_engine import fake_command

SLOW = ("ok", "--tokens", 400, "--delay", 0.02)


class Desk:
    """A chat page with an engine of the wished kind, and what a person does with it."""

    def __init__(self, qtbot, bridge, home, mode):
        self.qtbot, self.home = qtbot, home
        self.mode = mode  # of the engines that are started from now on
        services = dataclasses.replace(
            create_services(home), command=lambda python: fake_command(*self.mode)(python)
        )
        self.session = Session(services, prepare)
        self.model = SessionModel(bridge, self.session)
        self.page = ChatPage(bridge, services, self.model, Conversations(home / "conversations.sqlite3"))
        self.parts, self.controller = self.page.parts, self.page.controller
        self.page.resize(1000, 700)
        qtbot.addWidget(self.page)
        self.page.show()
        self.until(lambda: self.page.conversations.is_open)

    def until(self, done):
        self.qtbot.waitUntil(done, timeout=30_000)

    def load(self, *mode):
        """Load a model; with ``mode`` by an engine that passed its self-test and now behaves like that."""
        file = self.home / "tiny 小.gguf"
        gguf_tiny.write_tiny_glm4(file)
        for wanted in (self.mode, mode) if mode else (self.mode,):
            self.mode = wanted
            ended = []
            self.model.load(Target("tiny 小", file)).ended.connect(lambda ended=ended: ended.append(True))
            self.until(lambda ended=ended: bool(ended))
        self.until(lambda: self.model.state.phase in ("ready", "failed"))

    def send(self, text):
        self.parts.composer.set_text(text)
        self.parts.composer.edit.submitted.emit()

    def ask(self, text):
        self.send(text)
        self.until(lambda: self.controller.answering is None)

    def text(self):
        return self.parts.transcript.document().toPlainText()

    def begun(self, parts=3):
        answering = self.controller.answering
        return answering is not None and len(answering.parts) >= parts

    def kept(self):
        """(role, text, finish_reason) as they are on disk, without what was deleted and can be brought back."""
        with sqlite3.connect(self.home / "conversations.sqlite3") as database:
            rows = database.execute(
                "SELECT role, text, finish_reason FROM messages AS m WHERE deleted IS NULL AND EXISTS"
                " (SELECT 1 FROM conversations WHERE id = m.conversation AND deleted IS NULL) ORDER BY id"
            ).fetchall()
        database.close()
        return rows


@pytest.fixture
def desk(qtbot, bridge, tmp_path):
    desks = []

    def make(*mode, home=tmp_path):
        desks.append(Desk(qtbot, bridge, home, mode or ("ok",)))
        return desks[-1]

    yield make

    async def last():
        for made in desks:
            await made.session.close()
            await made.page.finish()

    bridge.close(last)


def engines():
    """Engine processes of this test run."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "fake_engine.py" in " ".join(child.cmdline())
    ]


def actions(card):
    return [action.name for action in card.notice.actions] if card.notice is not None else []


def test_without_a_model_it_says_where_to_get_one(desk, qtbot):
    here = desk()
    assert here.parts.empty.choose.isVisibleTo(here.page)
    assert not here.parts.composer.send.isEnabled()
    here.send("hello")
    assert here.parts.composer.text() == "hello", "nothing typed is lost"
    with qtbot.waitSignal(here.page.models_wanted):
        here.parts.empty.choose.click()


def test_a_question_and_its_answer(desk):
    here = desk("ok", "--reply", "A **bold** answer.\n\n- with a list")
    here.load()
    assert not here.parts.empty.choose.isVisibleTo(here.page)
    here.ask("What do you say?")
    shown = here.text()
    assert shown.startswith("What do you say?\nEdit\nA bold answer.\nwith a list\n")
    assert "33 tokens · " in shown and "tokens/s" in shown and "GGUF on the CPU" in shown
    assert here.kept() == [
        ("user", "What do you say?", None),
        ("assistant", "A **bold** answer.\n\n- with a list", "stop"),
    ]
    assert here.parts.composer.text() == "" and here.parts.header.title.text() == "What do you say?"
    here.until(lambda: [talk.title for talk in here.page.conversations.all] == ["What do you say?"])


def test_what_was_thought_is_collapsed_and_marks_are_not_seen(desk):
    here = desk("ok", "--reply", "<think>let me see</think><answer>**Yes**</answer><|user|>")
    here.load()
    here.ask("Well?")
    lines = here.text().split("\n")
    assert lines[:2] == ["Well?", "Edit"] and lines[2].startswith("▸ Thought") and lines[3] == "Yes"
    assert "let me see" not in here.text() and "<" not in here.text()
    last = here.controller.messages[-1]
    here.parts.transcript.act("think", last.id)
    assert "let me see" in here.text()


def shown_ids(here):
    return [message.id for message in here.controller.messages]


def test_a_question_is_edited_and_both_versions_stay(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    first = here.controller.messages[0].id
    here.parts.composer.set_text("half written")
    here.parts.transcript.act("edit", first)
    assert here.parts.composer.text() == "first" and actions(here.parts.notice) == ["leave"]
    here.ask("in other words")
    assert [message.text for message in here.controller.messages] == ["in other words", "fine"]
    here.until(lambda: here.parts.composer.text() == "half written")
    assert here.parts.notice.notice is None
    assert "‹ 2/2 ›" in here.text()
    here.parts.transcript.act("older", here.controller.messages[0].id)
    here.until(lambda: len(here.controller.messages) == 4)
    assert here.text().startswith("first\n‹ 1/2 ›") and "second" in here.text()
    here.parts.transcript.act("older", first)
    here.parts.transcript.act("newer", first)
    here.until(lambda: len(here.controller.messages) == 2)
    assert here.text().startswith("in other words\n‹ 2/2 ›")


def test_editing_can_be_left(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.parts.composer.set_text("half written")
    here.parts.transcript.act("edit", here.controller.messages[0].id)
    here.parts.notice.acted.emit("leave")
    here.until(lambda: here.parts.composer.text() == "half written")
    assert here.parts.notice.notice is None
    here.ask("second")
    assert [message.text for message in here.controller.messages] == ["first", "fine", "second", "fine"]


def test_any_answer_is_answered_again(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    ids = shown_ids(here)
    here.parts.transcript.act("again", ids[1])
    here.until(lambda: here.controller.answering is None and len(here.controller.messages) == 2)
    assert [message.text for message in here.controller.messages] == [
        "first",
        "fine",
    ] and "‹ 2/2 ›" in here.text()
    here.parts.transcript.act("older", here.controller.messages[1].id)
    here.until(lambda: shown_ids(here) == ids)


def test_messages_are_deleted_from_here_on_and_come_back(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    ids = shown_ids(here)
    here.parts.transcript.act("delete", ids[2])
    here.until(lambda: shown_ids(here) == ids[:2])
    here.until(lambda: actions(here.parts.notice) == ["undo", "close"])
    assert "second" not in here.text()
    here.parts.notice.acted.emit("undo")
    here.until(lambda: shown_ids(here) == ids)
    assert "second" in here.text() and here.parts.notice.notice is None


def test_nothing_is_changed_while_an_answer_is_written(desk):
    here = desk(*SLOW)
    here.load()
    here.send("hello")
    here.until(here.begun)
    ids = shown_ids(here)
    for name in ("edit", "again", "delete", "older"):
        here.parts.transcript.act(name, ids[0])
    assert shown_ids(here) == ids and here.parts.composer.text() == ""
    assert here.parts.notice.notice is None
    here.parts.composer.stop.click()


def test_tokens_are_seen_while_they_come(desk):
    here = desk(*SLOW)
    here.load()
    here.send("hello")
    here.until(lambda: "你问的是" in here.text())
    assert here.controller.answering is not None
    assert here.parts.composer.stop.isVisibleTo(here.page)


def test_stop_is_seen_at_once_and_the_rest_is_kept(desk):
    here = desk(*SLOW)
    here.load()
    here.send("hello")
    here.until(here.begun)
    here.parts.composer.stop.click()
    assert not here.parts.composer.stop.isEnabled()
    frozen = here.text()
    here.until(lambda: here.controller.answering is None)
    assert "Stopped by you." in here.text()
    assert here.text().startswith(frozen.rstrip())
    _question, (_role, text, reason) = here.kept()
    assert reason == "cancelled" and 3 <= len(text) < 400
    here.send("and again?")
    here.until(here.begun)
    assert "Stopped by you." in here.text()
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)


def test_stop_before_the_first_token(desk):
    here = desk()
    here.load("ok", "--first", 60)
    here.send("hello")
    here.until(lambda: here.model.state.phase == "generating")
    here.parts.composer.stop.click()
    here.until(lambda: here.controller.answering is None)
    assert "Stopped by you before it began." in here.text()
    assert here.model.state.phase in ("ready", "generating")


def test_a_question_that_waits_for_the_phone_agents_answer_is_stopped_alone(desk):
    """The service's answer, which is written meanwhile, is somebody else's."""
    here = desk("ok", "--tokens", 60, "--delay", 0.02)
    here.load()
    theirs, ended = [], []
    job = here.model.stream([Message("user", "of the agent")], Sampling(max_tokens=60), theirs.append)
    job.ended.connect(lambda: ended.append(True))
    here.until(lambda: bool(theirs))
    here.send("hello")
    here.until(lambda: here.controller.answering is not None)
    here.parts.composer.stop.click()
    here.until(lambda: here.controller.answering is None)
    here.until(lambda: bool(ended))
    assert theirs[-1].finish_reason != "cancelled"


def test_an_engine_that_dies_leaves_what_it_said(desk):
    here = desk()
    here.load("crash-generate", 5)
    here.ask("hello")
    assert here.kept()[1] == ("assistant", "你问的是「", "failed")
    assert "你问的是「" in here.text() and "Not finished: the engine failed." in here.text()
    assert here.parts.notice.isVisibleTo(here.page)
    assert actions(here.parts.notice) == ["continue", "again", "models"]
    assert "ended unexpectedly" in here.parts.notice.text.text()


def test_continuing_starts_the_engine_again(desk):
    here = desk()
    here.load("crash-generate", 5)
    here.ask("hello")
    here.mode = ("ok",)
    here.parts.notice.press("continue")
    here.until(lambda: here.kept()[-1][2] == "stop" and here.controller.answering is None)
    assert [row[0] for row in here.kept()] == ["user", "assistant"], "in the same message"
    text = here.kept()[1][1]
    assert text.startswith("你问的是「") and len(text) > len("你问的是「") and text.strip() in here.text()
    assert here.controller.messages[-1].finish_reason == "stop"
    assert here.parts.notice.notice is None or here.parts.notice.notice.tone != "bad"


def test_trying_again_replaces_the_answer(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("hello")
    here.parts.transcript.acted.emit("again", here.controller.messages[-1].id)
    here.until(lambda: here.controller.answering is None)
    assert here.kept() == [("user", "hello", None), *[("assistant", "fine", "stop")] * 2], "two versions"
    assert here.text().count("fine") == 1


def test_no_rung_works(desk, qtbot):
    here = desk()
    here.load("crash-load")
    assert here.model.state.phase == "failed"
    assert "load" in actions(here.parts.notice) and "models" in actions(here.parts.notice)
    with qtbot.waitSignal(here.page.models_wanted):
        here.parts.notice.press("models")


def test_what_failed_before_is_told_and_can_be_closed(desk):
    here = desk()
    here.load("crash-unless-safe")
    assert here.model.state.plan.rung == "gguf-cpu-safe"
    (row,) = here.parts.notice.walk.list.rows
    assert row.mark.accessibleName() == "did not work" and "SIGSEGV" in row.said.text()
    assert f"context {here.model.state.tries[0].context:,}" in row.numbers.text()
    here.parts.notice.press("close")
    assert not here.parts.notice.isVisibleTo(here.page)


def test_a_question_waits_for_the_model(desk):
    here = desk("ok", "--reply", "done")
    file = here.home / "tiny.gguf"
    gguf_tiny.write_tiny_glm4(file)
    here.model.load(Target("tiny", file))
    here.until(lambda: here.model.state.phase in ("loading", "installing", "ready"))
    here.send("early")
    here.until(lambda: here.controller.answering is None and here.controller.messages != ())
    assert here.kept()[1] == ("assistant", "done", "stop")


def test_stop_while_the_model_is_still_loading(desk):
    here = desk()
    here.load()
    here.mode = ("hang",)
    here.model.load(here.model.state.target)
    here.until(lambda: here.model.state.phase == "loading")
    here.send("early")
    here.until(lambda: len(here.kept()) == 2)
    assert here.parts.notice.notice.actions[0].name == "cancel"
    here.parts.composer.stop.click()
    here.until(lambda: here.controller.answering is None)
    assert here.kept()[1] == ("assistant", "", "cancelled")
    assert here.model.state.phase == "loading", "only the question was taken back"
    here.parts.notice.press("cancel")
    here.until(lambda: here.model.state.phase == "idle")
    assert engines() == []


def test_another_conversation_may_be_read_meanwhile(desk):
    here = desk(*SLOW)
    here.load()
    here.send("first")
    here.until(here.begun)
    first = here.controller.current.id
    here.parts.list.new.click()
    assert here.text() == "" and here.parts.stack.currentIndex() == 1
    assert "first" in here.parts.composer.hint.text()
    here.parts.composer.set_text("a draft")
    here.controller.open_conversation(first)
    here.until(lambda: "你问的是" in here.text())
    assert here.parts.composer.text() == ""
    here.parts.list.new.click()
    here.until(lambda: here.parts.composer.text() == "a draft")
    here.controller.open_conversation(first)
    before = len(here.controller.answering.parts)
    here.until(lambda: here.begun(before + 5) and len(here.text()) > before + 5)
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)


def test_conversations_come_back(desk, bridge, qtbot, tmp_path):
    store = Conversations(tmp_path / "conversations.sqlite3")
    store.open()
    talk = store.create("from before")
    store.append(talk.id, "user", "old question")
    unfinished = store.append(talk.id, "assistant", "")
    store.update_text(unfinished.id, "half an ans")
    store.close()
    here = desk()
    here.until(lambda: here.parts.list.list.model().rowCount() == 2)
    here.parts.list.chosen.emit(talk.id)
    here.until(lambda: "half an ans" in here.text())
    assert "Not finished: the program ended while it was written." in here.text()
    assert "Continue" in here.text() and "Try again" in here.text()


def test_renaming_and_deleting(desk):
    here = desk()
    here.load()
    here.ask("one")
    here.parts.list.renamed.emit(here.controller.current.id, "uno")
    here.until(lambda: here.parts.header.title.text() == "uno")
    here.parts.list.delete_wanted.emit(here.controller.current.id)
    here.until(lambda: here.page.conversations.all == ())
    assert here.text() == "" and here.kept() == [] and here.controller.current is None


def test_deleting_what_is_being_written_stops_it(desk):
    here = desk(*SLOW)
    here.load()
    here.send("one")
    here.until(here.begun)
    here.parts.list.delete_wanted.emit(here.controller.current.id)
    here.until(lambda: here.controller.answering is None and here.page.conversations.all == ())
    assert here.kept() == []


def test_a_long_conversation_begins_with_its_end(desk, tmp_path):
    store = Conversations(tmp_path / "conversations.sqlite3")
    store.open()
    talk = store.create("long")
    for number in range(100):
        store.append(talk.id, "user", f"question-{number:03}.")
        answer = store.append(talk.id, "assistant", f"answer-{number:03}.")
        store.finish(answer.id, answer.text, "stop", Facts())
    store.close()
    here = desk()
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.chosen.emit(talk.id)
    here.until(lambda: "answer-099." in here.text())
    assert "question-000." not in here.text()
    here.parts.transcript.scroll_to_start()
    assert "question-000." in here.text() and "answer-099." not in here.text()
    here.parts.transcript.scroll_to_end()
    assert "answer-099." in here.text()


def test_a_damaged_file_is_said(desk, tmp_path):
    (tmp_path / "conversations.sqlite3").write_bytes(b"rubbish" * 1000)
    here = desk()
    assert here.parts.opening.isVisibleTo(here.page)
    assert "damaged" in here.parts.opening.text.text()
    here.parts.opening.press("close")
    assert not here.parts.opening.isVisibleTo(here.page)


def test_a_question_that_cannot_be_kept_is_given_back(desk):
    here = desk()
    here.load()
    here.ask("first")
    with sqlite3.connect(here.home / "conversations.sqlite3") as database:
        database.execute("DROP TABLE messages")
    database.close()
    here.send("second")
    here.until(lambda: here.controller.answering is None)
    assert here.parts.composer.text() == "second"
    assert here.parts.notice.notice.tone == "bad" and actions(here.parts.notice) == ["close"]


def test_closing_in_the_middle_keeps_the_answer_and_leaves_no_process(desk, bridge):
    here = desk(*SLOW)
    here.load()
    here.send("hello")
    here.until(lambda: here.begun(5))
    assert len(engines()) == 1

    async def last():
        await here.session.close()
        await here.page.finish()

    bridge.close(last)
    assert engines() == []
    _question, (_role, text, reason) = here.kept()
    assert reason == "cancelled" and len(text) >= 5


def test_an_error_of_the_request_is_said(desk):
    here = desk()
    here.load()
    here.ask("x" * 5000)
    assert here.controller.messages[-1].finish_reason == "failed"
    assert actions(here.parts.notice) == ["new"]
    assert isinstance(here.model.state.error, (EngineError, type(None)))
    here.parts.notice.press("new")
    assert here.text() == "" and here.parts.notice.notice is None


def test_a_failure_elsewhere_offers_nothing_that_acts_on_what_is_open(desk):
    here = desk("ok", "--reply", "done")
    here.load()
    here.ask("first")
    first = here.controller.current.id
    here.load("crash-generate", 30, "--delay", 0.02)
    here.parts.list.new.click()
    here.send("second")
    here.until(here.begun)
    here.controller.open_conversation(first)
    here.until(lambda: here.controller.messages != () and here.controller.answering is None)
    notice = here.parts.notice.notice
    assert actions(here.parts.notice) == ["close"] and "second" in notice.details[0]
    here.parts.notice.press("close")
    assert [row[1] for row in here.kept()][:2] == ["first", "done"]


def test_what_is_typed_while_a_new_conversation_is_begun_stays(desk):
    here = desk("ok", "--reply", "done")
    here.load()
    here.send("first")
    here.parts.composer.set_text("typed on")
    here.until(lambda: here.controller.messages != () and here.controller.answering is None)
    assert here.parts.composer.text() == "typed on"
    here.parts.list.new.click()
    assert here.parts.composer.text() == ""


def test_a_new_conversation_has_no_draft_of_a_deleted_one(desk):
    here = desk("ok", "--reply", "done")
    here.load()
    here.ask("first")
    here.until(lambda: here.page.conversations.all != ())
    here.parts.composer.set_text("a draft")
    here.controller.delete(here.controller.current.id)
    here.until(lambda: here.page.conversations.all == ())
    here.parts.composer.set_text("")
    here.ask("second")
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.new.click()
    here.controller.open_conversation(here.page.conversations.all[0].id)
    here.until(lambda: here.controller.messages != ())
    assert here.parts.composer.text() == ""


def test_a_question_that_cannot_be_kept_goes_before_what_was_written_since(desk):
    here = desk()
    here.load()
    here.parts.composer.set_text("typed on")
    here.controller.draft_returned.emit(None, "first", ())
    assert here.parts.composer.text() == "first\ntyped on"
    here.controller.draft_returned.emit(None, "", ())
    assert here.parts.composer.text() == "first\ntyped on"


def test_a_question_that_cannot_be_kept_elsewhere_waits_there(desk):
    here = desk()
    here.load()
    here.ask("one")
    elsewhere = here.controller.current.id
    here.parts.list.new.click()
    here.controller.draft_returned.emit(elsewhere, "not kept", ())
    assert here.parts.composer.text() == ""
    here.controller.open_conversation(elsewhere)
    here.until(lambda: here.parts.composer.text() == "not kept")


def test_the_arrow_keys_go_through_the_conversations_and_a_click_leads_to_writing(desk, qtbot):
    here = desk("ok", "--reply", "done")
    here.load()
    for text in ("first", "second", "third"):
        here.parts.list.new.click()
        here.ask(text)
    rows = here.parts.list.list
    here.until(lambda: rows.model().rowCount() == 4)
    here.page.activateWindow()
    rows.setFocus()
    for title in ("second", "first"):
        qtbot.keyClick(here.page.focusWidget(), Qt.Key.Key_Down)
        here.until(lambda title=title: here.parts.header.title.text() == title)
    assert rows.hasFocus()
    here.page._open(None)  # as by Ctrl+N
    assert here.parts.composer.edit.hasFocus()
    rows.setFocus()
    place = rows.visualRect(rows.model().index(1, 0)).center()
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=place)
    here.until(lambda: here.parts.header.title.text() == "third")
    assert here.parts.composer.edit.hasFocus()
