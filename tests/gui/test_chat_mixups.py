"""What a person writes is neither lost nor sent where it does not belong, whatever happens meanwhile."""

import asyncio
import sqlite3
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.gui.chat.words import Action, Notice
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_openai import FakeOpenAI
from tests.gui.test_chat_joined import added, attach, picture, remote
from tests.gui.test_chat_page import SLOW, Desk, actions, desk, shown_ids

__all__ = ["desk"]


@pytest.fixture
def server():
    with FakeOpenAI() as made:
        yield made


class Held:
    """The thread of the file of conversations is busy until ``free``."""

    def __init__(self, here):
        self._free = threading.Event()
        archive = here.page.conversations.archive
        asyncio.run_coroutine_threadsafe(archive.run(lambda _store: self._free.wait(30)), here.loop)

    def free(self):
        self._free.set()


@pytest.fixture
def held(bridge):
    made = []

    def hold(here):
        here.loop = bridge._loop
        made.append(Held(here))
        return made[-1]

    yield hold
    for one in made:
        one.free()


def finish(here, bridge):
    """As the window does when it closes."""
    here.page.put_away()
    ended = []
    bridge.submit(lambda _report: here.page.finish(), ended.append)
    here.until(lambda: bool(ended))


def drafts(home):
    """conversation → text of what is kept of it."""
    store = Conversations(home / "conversations.sqlite3")
    store.open()
    found = {one: store.draft(one).text for one in (None, *(talk.id for talk in store.all()))}
    settings = [talk.settings for talk in store.all()]
    store.close()
    return found, settings


def asked(here):
    return [message.text for message in here.controller.messages if message.role == "user"]


def escape(here):
    here.page.activateWindow()
    QTest.keyClick(here.parts.composer.edit, Qt.Key.Key_Escape)


def test_what_failed_beside_an_answer_offers_nothing_that_asks_again(desk, tmp_path):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    bad = tmp_path / "no conversations.json"
    bad.write_text("[]", encoding="utf-8")
    here.page.conversations.import_file(bad)
    here.until(lambda: here.parts.notice.notice is not None)
    assert actions(here.parts.notice) == ["close"] and here.parts.notice.notice.tone == "bad"


def test_trying_again_sends_nothing_where_nothing_is_written(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.page.acts.do("again")
    assert here.controller.answering is None and here.kept() == []
    here.parts.composer.set_text("now")
    here.page.acts.do("again")
    here.until(lambda: len(here.kept()) == 2 and here.controller.answering is None)
    assert asked(here) == ["now"]


def test_trying_again_does_not_lose_the_text_while_an_answer_is_written(desk):
    here = desk(*SLOW)
    here.load()
    here.send("one")
    here.until(here.begun)
    here.parts.list.new.click()
    here.parts.composer.set_text("two")
    here.page.acts.do("again")
    assert here.parts.composer.text() == "two"
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)


def test_that_a_question_is_edited_is_said_as_long_as_it_is(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    here.parts.transcript.act("edit", shown_ids(here)[0])
    here.parts.composer.set_text("first, in other words")
    here.parts.transcript.act("again", shown_ids(here)[3])
    here.until(lambda: here.controller.answering is None and len(here.controller.messages) == 4)
    assert "leave" in actions(here.parts.notice)
    here.page.notices.say(Notice("info", "made: written to a file", actions=(Action("close", "Close"),)))
    here.parts.notice.press("close")
    assert "leave" in actions(here.parts.notice)
    here.parts.notice.press("leave")
    assert here.parts.composer.text() == "" and here.parts.notice.notice is None


def test_escape_stops_the_answer_before_it_leaves_the_editing(desk):
    here = desk(*SLOW)
    here.load()
    here.send("first")
    here.until(here.begun)
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)
    ids = shown_ids(here)
    here.parts.transcript.act("edit", ids[0])
    here.parts.composer.set_text("half an edit")
    here.parts.transcript.act("again", ids[1])
    here.until(here.begun)
    here.page._escape()
    here.until(lambda: here.controller.answering is None)
    assert here.parts.composer.text() == "half an edit"
    here.page._escape()
    here.until(lambda: here.parts.composer.text() == "")


@pytest.mark.parametrize("place", [0, 2])
def test_an_edited_question_that_is_deleted_leaves_its_text(desk, place):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    ids = shown_ids(here)
    here.parts.composer.set_text("a draft")
    here.parts.transcript.act("edit", ids[2])
    here.parts.composer.set_text("second, in other words")
    here.parts.transcript.act("delete", ids[place])
    here.until(lambda: shown_ids(here) == ids[:place])
    here.parts.composer.edit.submitted.emit()
    here.until(lambda: len(here.controller.messages) == place + 2 and here.controller.answering is None)
    assert "second, in other words" in asked(here)[-1]
    here.until(lambda: "a draft" in asked(here)[-1] or here.parts.composer.text() == "a draft")


def test_what_was_written_on_a_question_waits_in_its_conversation(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.until(lambda: here.page.conversations.all != ())
    talk = here.controller.current.id
    here.parts.composer.set_text("a draft")
    here.parts.transcript.act("edit", shown_ids(here)[0])
    here.parts.composer.set_text("half an edit")
    here.parts.list.new.click()
    assert here.parts.composer.text() == ""
    here.controller.open_conversation(talk)
    here.until(lambda: set(here.parts.composer.text().split("\n")) == {"half an edit", "a draft"})
    here.ask("second")
    assert asked(here) == ["first", "second"]


def test_a_question_that_is_stopped_before_it_is_kept_comes_back(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    thread = held(here)
    here.send("long thought about")
    here.parts.composer.set_text("typed on")
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)
    assert here.parts.composer.text() == "long thought about\ntyped on"
    thread.free()


def test_what_is_typed_before_the_draft_has_come_goes_behind_it(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    talk = here.controller.current.id
    here.parts.composer.set_text("a draft")
    here.parts.list.new.click()
    here.until(lambda: here.page.writing.drafts._unwritten == {} and here.page.conversations.all != ())
    thread = held(here)
    here.controller.open_conversation(talk)
    QTest.keyClicks(here.parts.composer.edit, "more")
    thread.free()
    here.until(lambda: here.parts.composer.text() == "a draft\nmore")


def test_closing_keeps_what_was_written_on_a_question(desk, qtbot, bridge, tmp_path):
    here = Desk(qtbot, bridge, tmp_path, ("ok", "--reply", "fine"))
    here.load()
    here.ask("first")
    talk = here.controller.current.id
    here.parts.composer.set_text("a draft")
    here.parts.transcript.act("edit", shown_ids(here)[0])
    here.parts.composer.set_text("half an edit")
    finish(here, bridge)
    assert drafts(tmp_path)[0][talk] == "half an edit\na draft"
    ended = []
    bridge.submit(lambda _report: here.session.close(), ended.append)
    here.until(lambda: bool(ended))


def test_closing_keeps_a_question_that_is_not_kept_yet_and_settings(qtbot, bridge, tmp_path, server, held):
    endpoint = added(tmp_path, server)
    here = Desk(qtbot, bridge, tmp_path, ("ok",))
    remote(here, endpoint)
    here.ask("first")
    talk = here.controller.current.id
    thread = held(here)
    here.send("second")
    here.page.dialogs.open_settings()
    here.page.dialogs.settings.prompt.text.setPlainText("made: be brief")
    here.page.put_away()
    threading.Timer(0.2, thread.free).start()  # closing waits for it

    bridge.close(here.page.finish)
    kept, settings = drafts(tmp_path)
    assert kept[talk] == "second" and settings[0].system == "made: be brief"
    here.page.dialogs.settings.close()


def test_a_list_that_was_read_before_does_not_bring_old_settings_back(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.until(lambda: here.page.conversations.all != ())
    talk = here.controller.current.id
    thread = held(here)
    here.page.conversations.read()
    here.controller.change_settings(ConversationSettings(system="made: new"))
    here.parts.list.new.click()
    here.controller.open_conversation(talk)
    assert here.controller.settings.system == "made: new"
    seen = []
    here.page.conversations.listed.connect(lambda: seen.append(here.controller.settings.system))
    thread.free()
    here.until(lambda: len(seen) == 2)
    assert seen == ["made: new", "made: new"]


def test_settings_of_a_conversation_that_is_not_begun_wait_for_it(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.new.click()
    here.controller.change_settings(ConversationSettings(system="made: long thought about"))
    here.controller.open_conversation(here.page.conversations.all[0].id)
    assert here.controller.settings == ConversationSettings()
    here.parts.list.new.click()
    assert here.controller.settings.system == "made: long thought about"
    here.ask("second")
    assert here.controller.current.settings.system == "made: long thought about"
    here.parts.list.new.click()
    assert here.controller.settings == ConversationSettings(), "they are the begun one's"


def test_a_hit_in_another_version_waits_until_the_answer_is_written(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    old = shown_ids(here)
    here.parts.transcript.act("edit", old[0])
    here.ask("in other words")
    here.mode = SLOW
    ended = []
    here.model.load(here.model.state.target).ended.connect(lambda: ended.append(True))
    here.until(lambda: bool(ended))
    here.send("on")
    here.until(here.begun)
    ids = shown_ids(here)
    here.parts.list.hit_chosen.emit(here.controller.current.id, old[0])
    here.until(lambda: shown_ids(here) == ids and here.parts.transcript.chat.live is not None)
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)
    assert asked(here) == ["in other words", "on"]


def test_a_server_that_is_gone_does_not_name_the_model_of_this_machine(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    here.load()
    remote(here, endpoint)
    here.page.endpoints.show([])
    said = here.parts.composer.edit.placeholderText() + here.parts.empty.text.text()
    assert "tiny" not in said and not here.parts.composer.send.isEnabled()
    here.page.endpoints._known = False  # the list of servers cannot be read
    here.page._refresh()
    here.parts.composer.set_text("one")
    assert not here.parts.composer.send.isEnabled()


def test_that_a_picture_leaves_this_machine_is_said_beside_anything_else(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    remote(here, endpoint)
    here.ask("one")
    here.page.endpoints.show([Endpoint(endpoint.id, "far", "https://example.org/v1", "m")])
    attach(here, picture(tmp_path))
    said = Notice("info", "made: written to a file", actions=(Action("close", "Close"),))
    here.page.notices.say(said)
    assert "example.org" in here.parts.notice.details.text()
    assert actions(here.parts.notice) == ["close", "without"]
    here.parts.notice.press("close")
    here.model._show(SessionState("loading", here.model.state.target))
    assert "example.org" in here.parts.notice.details.text()
    here.model._show(SessionState())
    here.page.writing.attachments.clear()
    here.parts.transcript.act("edit", shown_ids(here)[0])
    attach(here, picture(tmp_path, 300, 200))
    assert "example.org" in here.parts.notice.details.text() and "leave" in actions(here.parts.notice)


def test_a_deleted_conversation_is_open_again_when_that_is_undone(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    here.parts.composer.set_text("a draft")
    talk = here.controller.current.id
    here.until(lambda: here.page.conversations.all != ())
    here.parts.header.act.emit("delete")
    here.until(lambda: here.parts.notice.notice is not None)
    here.parts.notice.press("undo_conversation")
    here.until(lambda: here.controller.current is not None and asked(here) == ["one"])
    assert here.controller.current.id == talk and here.parts.notice.notice is None
    here.until(lambda: here.parts.composer.text() == "a draft")


def test_renaming_unfolds_the_list(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    here.until(lambda: here.page.conversations.all != ())
    here.parts.splitter.setSizes([0, 1000])
    here.parts.header.act.emit("rename")
    assert here.parts.splitter.sizes()[0] > 0 and here.parts.list.list.editing


def test_trouble_of_a_picture_part_leads_to_the_models(desk):
    here = desk()
    here.page.writing.failed.emit(AppError("vision_none", name="made"))
    assert actions(here.parts.notice) == ["models", "close"]


def test_a_deletion_can_be_undone_while_a_model_is_loaded(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    here.until(lambda: here.page.conversations.all != ())
    here.model._show(SessionState("loading", here.model.state.target))
    here.parts.header.act.emit("delete")
    here.until(lambda: here.page.conversations.all == ())
    assert "undo_conversation" in actions(here.parts.notice)
    here.model._show(SessionState("ready", here.model.state.target))
    here.model._show(SessionState("loading", here.model.state.target))
    assert "undo_conversation" in actions(here.parts.notice), "it is no failure that loading mends"
    here.parts.notice.press("undo_conversation")
    here.until(lambda: len(here.page.conversations.all) == 1)


def test_a_draft_that_comes_late_does_not_take_a_picture_that_is_being_read(desk, tmp_path, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    talk = here.controller.current.id
    here.parts.composer.set_text("a draft")
    here.parts.list.new.click()
    here.until(lambda: here.page.writing.drafts._unwritten == {} and here.page.conversations.all != ())
    attachments = here.page.writing.attachments
    here.controller.open_conversation(talk)
    attachments.give([picture(tmp_path)])
    assert not attachments.ready
    here.until(lambda: attachments.ready and here.parts.composer.text() == "a draft")
    assert len(attachments.pictures()) == 1


def test_what_was_found_in_a_conversation_that_is_gone_opens_nothing_else(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    here.until(lambda: here.page.conversations.all != ())
    current = here.controller.current
    here.parts.list.hit_chosen.emit(current.id + 1, 1)
    assert here.controller.current == current
    assert "deleted" in here.parts.notice.text.text() and actions(here.parts.notice) == ["close"]


@pytest.mark.parametrize("name", ["again", "continue"])
def test_an_answer_that_cannot_be_begun_leaves_the_conversation_as_it_was(desk, name):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.ask("second")
    ids = shown_ids(here)
    with sqlite3.connect(here.home / "conversations.sqlite3") as database:
        for change in ("INSERT", "UPDATE"):
            full = f"CREATE TRIGGER made_{change} BEFORE {change} ON messages BEGIN SELECT RAISE(FAIL, 'full'); END"
            database.execute(full)
    database.close()
    here.parts.transcript.act(name, ids[1])
    here.until(lambda: here.controller.answering is None and here.parts.notice.notice is not None)
    here.until(lambda: shown_ids(here) == ids)
    assert "second" in here.text() and here.parts.notice.notice.tone == "bad"


def test_a_question_that_is_sent_before_the_draft_has_come_leaves_the_draft(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    talk = here.controller.current.id
    here.parts.composer.set_text("a draft")
    here.parts.list.new.click()
    here.until(lambda: here.page.writing.drafts._unwritten == {} and here.page.conversations.all != ())
    thread = held(here)
    here.controller.open_conversation(talk)
    here.send("second")
    here.parts.list.new.click()
    thread.free()
    here.until(lambda: here.controller.answering is None and len(here.kept()) == 4)
    here.controller.open_conversation(talk)
    here.until(lambda: here.parts.composer.text() == "a draft")
    assert asked(here) == ["first", "second"]


def test_a_question_that_comes_back_elsewhere_goes_before_the_newest_draft(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    talk = here.controller.current.id
    here.parts.list.new.click()
    here.until(lambda: not here.page.writing._waiting and here.page.conversations.all != ())
    thread = held(here)
    here.controller.draft_returned.emit(talk, "not kept", ())
    here.page.writing.drafts.keep(talk, "newer")
    thread.free()
    here.until(lambda: here.page.writing.unsent == [])
    here.controller.open_conversation(talk)
    here.until(lambda: here.parts.composer.text() == "not kept\nnewer")


def test_a_question_is_shown_once_where_it_was_read_before_it_was_told(desk, held):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("first")
    here.until(lambda: here.page.conversations.all != ())
    talk = here.controller.current.id
    thread = held(here)
    here.send("second")
    queue = here.page.conversations.archive._thread._work_queue
    here.until(lambda: queue.qsize() > 0)  # it is to be kept after that
    here.parts.list.new.click()
    here.controller.open_conversation(talk)
    thread.free()
    seen = []
    here.controller.messages_changed.connect(lambda: seen.append(asked(here)))
    here.until(lambda: here.controller.answering is None)
    assert ["first", "second"] in seen and all(one.count("second") <= 1 for one in seen)


def test_an_example_goes_behind_what_is_written(desk):
    here = desk()
    here.parts.empty.suggested.emit("an example")
    assert here.parts.composer.text() == "an example"
    here.parts.composer.set_text("half a question")
    here.parts.empty.suggested.emit("an example")
    assert here.parts.composer.text() == "half a question\nan example"
