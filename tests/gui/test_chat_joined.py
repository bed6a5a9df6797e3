"""The chat tab with all its parts: who answers, pictures, drafts, search, pins, files."""

import asyncio
import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QImage

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.phone_actions import Place, Tap
from autoglm_desktop.gui.chat.page import ChatPage
from autoglm_desktop.gui.session_model import SessionModel
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases.plan import prepare
from autoglm_desktop.usecases.remote_servers import Draft, servers_of
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import Session
from tests.fakes.fake_openai import Behaviour, FakeOpenAI
from tests.gui.test_chat_page import SLOW, Desk, actions, desk, shown_ids

__all__ = ["desk"]


@pytest.fixture
def server():
    with FakeOpenAI() as made:
        yield made


def added(home, server, name="Büro 服务器"):
    """A server that the user has entered before the window was opened."""
    servers = servers_of(create_services(home))
    saved = asyncio.run(servers.save(Draft(name, server.url, model="made-model")))
    return saved.endpoint


def remote(here, endpoint, **values):
    here.until(lambda: here.page.endpoints.all != ())
    here.controller.change_settings(ConversationSettings(endpoint=endpoint.id, **values))


def picture(tmp_path, width=1080, height=2400) -> Path:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.darkCyan)
    path = tmp_path / "截图 shot.png"
    assert image.save(str(path))
    return path


def attach(here, path):
    here.page.writing.attachments.give([path])
    here.until(lambda: here.page.writing.attachments.ready and bool(here.page.writing.attachments.items))


def test_a_server_answers_where_the_user_wants_it(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    assert not here.parts.composer.send.isEnabled() and server.asked == [], "none is chosen by itself"
    remote(here, endpoint, temperature=0.25, system="Be brief.")
    here.ask("Who are you?")
    assert [row[1] for row in here.kept()] == ["Who are you?", "made: Hello, 你好!"]
    body = server.chats[-1]
    assert body["temperature"] == 0.25 and body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert here.controller.messages[-1].facts.endpoint == "Büro 服务器"
    assert "Büro 服务器" in here.text() and here.model.state.phase == "idle"
    assert here.controller.current.settings.endpoint == endpoint.id


def test_what_leaves_the_machine_is_marked(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    away = endpoint.__class__(endpoint.id, "far", "https://example.org/v1", "m")
    here = desk()
    remote(here, endpoint)
    here.page.endpoints.show([away])
    assert "far" in here.parts.header.who.name.text()
    assert "example.org" in here.parts.empty.text.text()
    who = here.parts.header.who
    assert "example.org" in who.toolTip() and who.place.property("role") == "warn"
    assert who.mark.isVisibleTo(here.page)


def test_a_server_that_was_removed_is_not_replaced_by_anything(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    here.load()
    remote(here, endpoint)
    here.ask("one")
    here.page.endpoints.show([])
    assert actions(here.parts.notice) == ["settings"]
    here.parts.composer.set_text("two")
    assert not here.parts.composer.send.isEnabled()
    assert len(server.chats) == 1 and len(here.kept()) == 2


def test_continuing_asks_a_server_in_words(desk, tmp_path):
    with FakeOpenAI(Behaviour(finish="length")) as server:
        endpoint = added(tmp_path, server)
        here = desk()
        remote(here, endpoint)
        here.ask("one")
        here.parts.transcript.act("continue", here.controller.messages[-1].id)
        here.until(lambda: len(here.kept()) == 4 and here.controller.answering is None)
        assert "go on" in here.kept()[2][1] and len(server.chats) == 2


def test_a_server_is_stopped_without_the_engine(desk, tmp_path):
    with FakeOpenAI(Behaviour(hold=2)) as server:
        endpoint = added(tmp_path, server)
        here = desk()
        remote(here, endpoint)
        here.send("one")
        here.until(lambda: here.begun(1))
        here.parts.composer.stop.click()
        here.until(lambda: here.controller.answering is None)
        role, text, reason = here.kept()[-1]
        assert (role, reason) == ("assistant", "cancelled") and text.startswith("made: ")
        assert server.hung_up.wait(10)


def test_a_picture_goes_with_the_question_and_stays_in_the_transcript(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    remote(here, endpoint)
    attach(here, picture(tmp_path))
    here.ask("What is this?")
    content = server.chats[-1]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,")
    question = here.controller.messages[0]
    assert [(one.width, one.height) for one in question.pictures] == [(1080, 2400)]
    assert here.parts.transcript.chat.entries[0].pictures[0].path.is_file()
    assert here.page.writing.attachments.items == () and here.parts.composer.text() == ""


def test_a_dropped_picture_is_taken_anywhere_on_the_page(desk, tmp_path):
    here = desk()
    mime = QMimeData()
    mime.setImageData(QImage(str(picture(tmp_path, 300, 200))))
    assert here.parts.composer.take(mime)
    here.until(lambda: here.page.writing.attachments.pictures() != ())
    assert [(one.width, one.height) for one in here.page.writing.attachments.pictures()] == [(300, 200)]


def test_a_model_without_vision_is_said_before_sending(desk, tmp_path):
    here = desk()
    here.load()
    attach(here, picture(tmp_path))
    here.until(lambda: here.parts.notice.notice is not None)
    assert "without" in actions(here.parts.notice) and "picture" in here.parts.notice.text.text()
    here.parts.notice.press("without")
    assert here.page.writing.attachments.items == () and here.parts.notice.notice is None


def test_an_edited_question_keeps_its_pictures(desk, tmp_path, server):
    endpoint = added(tmp_path, server)
    here = desk()
    remote(here, endpoint)
    attach(here, picture(tmp_path, 640, 480))
    here.ask("one")
    here.parts.transcript.act("edit", here.controller.messages[0].id)
    here.until(lambda: here.page.writing.attachments.pictures() != ())
    here.ask("two")
    assert [one.width for one in here.controller.messages[0].pictures] == [640]
    assert here.page.writing.attachments.items == ()
    here.parts.transcript.act("edit", here.controller.messages[0].id)
    here.page.writing.attachments.clear()
    here.ask("three")
    assert here.controller.messages[0].pictures == ()


def test_drafts_come_back_with_their_pictures(qtbot, bridge, tmp_path, server):
    endpoint = added(tmp_path, server)
    first = Desk(qtbot, bridge, tmp_path, ("ok",))
    remote(first, endpoint)
    first.ask("one")
    talk = first.controller.current.id
    first.parts.composer.set_text("half a question")
    attach(first, picture(tmp_path, 640, 480))
    first.parts.list.new.click()
    first.parts.composer.set_text("another one")
    done = []
    bridge.submit(lambda _report: first.page.finish(), done.append)
    first.until(lambda: bool(done))

    second = Desk(qtbot, bridge, tmp_path, ("ok",))
    second.until(lambda: second.parts.composer.text() == "another one")
    second.until(lambda: second.page.conversations.all != ())
    second.controller.open_conversation(talk)
    second.until(lambda: second.parts.composer.text() == "half a question")
    assert [one.width for one in second.page.writing.attachments.pictures()] == [640]
    second.parts.list.new.click()
    second.until(lambda: second.parts.composer.text() == "another one")
    ended = []
    bridge.submit(lambda _report: second.page.finish(), ended.append)
    second.until(lambda: bool(ended))


def test_what_was_sent_is_no_draft_any_more(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("sent")
    here.parts.list.new.click()
    here.until(lambda: here.page.writing.drafts._unwritten == {})
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.chosen.emit(here.page.conversations.all[0].id)
    here.until(lambda: here.controller.messages != ())
    assert here.parts.composer.text() == ""


def test_a_place_that_was_found_is_shown_in_its_version(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("设置在哪里")
    first = shown_ids(here)[0]
    here.parts.transcript.act("edit", first)
    here.ask("something else")
    here.parts.list.new.click()
    here.parts.list.field.setText("设置")
    here.until(lambda: here.parts.list.found.isVisibleTo(here.page))
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.hit_chosen.emit(here.page.conversations.all[0].id, first)
    here.until(lambda: shown_ids(here)[:1] == [first])
    assert here.parts.transcript.focused == first


def test_pinned_and_deleted_conversations(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    for text in ("one", "two"):
        here.parts.list.new.click()
        here.ask(text)
    here.until(lambda: [talk.title for talk in here.page.conversations.all] == ["two", "one"])
    here.parts.list.pinned.emit(here.page.conversations.all[1].id, True)
    here.until(lambda: [talk.title for talk in here.page.conversations.all] == ["one", "two"])
    here.parts.header.act.emit("delete")
    here.until(lambda: actions(here.parts.notice) == ["undo_conversation", "close"])
    assert [talk.title for talk in here.page.conversations.all] == ["one"] and here.controller.current is None
    here.parts.notice.press("undo_conversation")
    here.until(lambda: [talk.title for talk in here.page.conversations.all] == ["one", "two"])


def test_conversations_go_to_files_and_come_back(desk, tmp_path):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.ask("one")
    talk = here.controller.current.id
    text, whole = tmp_path / "talk.md", tmp_path / "all.json"
    here.page.conversations.export(talk, "markdown", text)
    here.until(lambda: here.parts.notice.notice is not None)
    assert "fine" in text.read_text(encoding="utf-8") and str(text) in here.parts.notice.text.text()
    here.page.conversations.export_all(whole)
    here.until(lambda: "1 conversation is written" in here.parts.notice.text.text())
    assert len(json.loads(whole.read_text(encoding="utf-8"))["conversations"]) == 1
    here.page.conversations.import_file(whole)
    here.until(lambda: len(here.page.conversations.all) == 2)
    here.page.conversations.import_file(text)
    here.until(lambda: here.parts.notice.notice.tone == "bad")
    assert "Traceback" not in here.parts.notice.text.text()


def test_settings_belong_to_their_conversation(desk, tmp_path):
    here = desk("ok", "--reply", "fine")
    here.load()
    here.page.dialogs.open_settings()
    dialog = here.page.dialogs.settings
    here.controller.change_settings(ConversationSettings(system="made: one"))
    here.ask("one")
    assert here.controller.settings.system == "made: one"
    here.parts.list.new.click()
    assert here.controller.settings == ConversationSettings() and dialog.settings().system == ""
    here.until(lambda: here.page.conversations.all != ())
    here.parts.list.chosen.emit(here.page.conversations.all[0].id)
    assert dialog.settings().system == "made: one"
    store = Conversations(tmp_path / "conversations.sqlite3")
    store.open()
    assert store.all()[0].settings.system == "made: one"
    store.close()
    dialog.close()


def test_the_meter_follows_what_is_written(desk):
    here = desk("ok", "--reply", "fine")
    here.load()
    uses = []
    here.page.writing.measured.connect(uses.append)
    here.until(lambda: bool(uses) and uses[-1].context is not None)
    empty = uses[-1]
    here.parts.composer.set_text("word " * 200)
    here.until(lambda: uses[-1].draft > 100)
    assert uses[-1].used > empty.used and uses[-1].context == empty.context
    here.ask("hello")
    here.until(lambda: uses[-1].exact and uses[-1].history > 0)


def test_a_second_question_waits_while_an_answer_is_written(desk):
    here = desk(*SLOW)
    here.load()
    here.send("one")
    here.until(here.begun)
    here.send("two")
    assert here.parts.composer.text() == "two" and len(here.kept()) == 2
    here.controller.stop()
    here.until(lambda: here.controller.answering is None)


def test_the_phone_step_is_done_by_who_answers_the_conversation(desk, tmp_path):
    words = ("<think>made</think>", '<answer>do(action="Tap", element=[500,250])</answer>')
    with FakeOpenAI(Behaviour(words=words)) as server:
        endpoint = added(tmp_path, server)
        here = desk()
        remote(here, endpoint)
        here.page.dialogs.open_phone()
        view = here.page.dialogs.phone.view
        assert "Büro 服务器" in view.parts.who.text()
        view.controller.choose(picture(tmp_path, 540, 1200))
        here.until(lambda: view.controller.preview is not None)
        view.parts.task.setPlainText("打开设置")
        view.run()
        here.until(lambda: view.controller.result is not None)
        assert view.controller.result.step.action == Tap(Place(500, 250))
        body = server.chats[-1]
        assert body["temperature"] == 0.0 and body["frequency_penalty"] == 0.2
        assert [part["type"] for part in body["messages"][1]["content"]] == ["image_url", "text"]
        assert here.model.state.phase == "idle"
        here.parts.list.new.click()
        here.until(lambda: view.controller.remote is None)
        assert "stays on this machine" in view.parts.invitation.text()
        here.page.dialogs.phone.close()


def test_what_is_set_and_a_server_does_not_know_is_said_once(desk, tmp_path):
    with FakeOpenAI(Behaviour(unknown=("top_k", "min_p"))) as server:
        endpoint = added(tmp_path, server)
        here = desk()
        remote(here, endpoint)
        here.ask("one")
        assert here.parts.notice.notice is None, "the program's own settings are nobody's loss"
        here.controller.change_settings(ConversationSettings(endpoint=endpoint.id, top_k=5))
        here.ask("two")
        assert "top_k" in here.parts.notice.text.text() and "min_p" not in here.parts.notice.text.text()
        here.parts.notice.press("close")
        here.ask("three")
        assert here.parts.notice.notice is None
        refused = [body for body in server.chats if "top_k" in body or "min_p" in body]
        assert len(refused) == 1, "asked once with what it refuses"


def test_a_page_that_was_never_shown_ends_quietly(qtbot, bridge, tmp_path):
    services = create_services(tmp_path)
    session = Session(services, prepare)
    conversations = Conversations(tmp_path / "conversations.sqlite3")
    page = ChatPage(bridge, services, SessionModel(bridge, session), conversations)
    qtbot.addWidget(page)
    page.put_away()
    with qtbot.waitSignal(bridge.submit(lambda _report: page.finish()).finished, timeout=30_000):
        pass
    assert not (tmp_path / "conversations.sqlite3").exists()
