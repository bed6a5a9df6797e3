"""Versions, deleting with a way back, drafts, pins, settings, pictures: as they are kept."""

import io
import os
import sqlite3

import pytest
from PIL import Image

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.store import conversation_deletion, conversation_pictures
from autoglm_desktop.store.conversation_schema import MIGRATIONS
from autoglm_desktop.store.conversations import Conversations, Draft, Facts
from tests.fakes.made_clock import Clock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "数据 folder" / "conversations.sqlite3"


@pytest.fixture
def store(path):
    made = Conversations(path, Clock())
    made.open()
    yield made
    made.close()


def talk_of(store, *texts):
    """A conversation with questions and answers in turn."""
    talk = store.create("t")
    return talk, [store.append(talk.id, ("user", "assistant")[n % 2], text) for n, text in enumerate(texts)]


def shown(store, talk):
    return [message.text for message in store.messages(talk.id)]


def png(colour="red", size=(3, 2)):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


def test_another_answer_and_another_question_are_versions(store, path):
    talk, (q1, a1, q2, a2) = talk_of(store, "q1", "a1", "q2", "a2")
    again = store.add(talk.id, q1.id, "assistant", "a1 again")
    assert again.versions == (a1.id, again.id)
    assert shown(store, talk) == ["q1", "a1 again"]
    assert [m.text for m in store.choose(talk.id, a1.id)] == ["q1", "a1", "q2", "a2"], "with all that follows"
    edited = store.add(talk.id, q1.parent, "user", "q1 in other words")
    assert (edited.parent, edited.versions) == (None, (q1.id, edited.id))
    store.append(talk.id, "assistant", "b1")
    store.close()
    store = Conversations(path)
    store.open()
    assert shown(store, talk) == ["q1 in other words", "b1"]
    assert [m.text for m in store.choose(talk.id, q1.id)] == ["q1", "a1 again"], "the newest of what follows"
    assert store.message(a2.id).parent == q2.id
    store.close()


def test_choosing_what_is_gone_changes_nothing(store):
    talk, _messages = talk_of(store, "q", "a")
    assert [m.text for m in store.choose(talk.id, 999)] == ["q", "a"]


def test_what_is_deleted_from_a_message_on_comes_back(store):
    talk, (_q1, a1, _q2, _a2) = talk_of(store, "q1", "a1", "q2", "a2")
    deletion = store.delete_from(talk.id, a1.id)
    assert (deletion.messages, shown(store, talk)) == (3, ["q1"])
    assert store.append(talk.id, "assistant", "new").versions == ()
    assert store.undo(deletion)
    assert shown(store, talk) == ["q1", "a1", "q2", "a2"], "what was written meanwhile is a version of it"
    assert len(store.message(a1.id).versions) == 2
    assert not store.undo(deletion), "only once"


def test_deleting_takes_the_other_versions_of_a_message_along(store):
    talk, (q1, a1) = talk_of(store, "q1", "a1")
    store.add(talk.id, q1.id, "assistant", "a1 again")
    assert store.delete_from(talk.id, a1.id).messages == 2
    assert shown(store, talk) == ["q1"]


def test_deleting_all_and_undoing_in_any_order(store):
    talk, (q1, _a1, q2, _a2) = talk_of(store, "q1", "a1", "q2", "a2")
    later = store.delete_from(talk.id, q2.id)
    first = store.delete_from(talk.id, q1.id)
    assert later.stamp != first.stamp and shown(store, talk) == []
    assert store.undo(later) and store.undo(first)
    assert shown(store, talk)[:2] == ["q1", "a1"]
    assert store.undo(later) is False


def test_a_deleted_conversation_comes_back_whole(store):
    talk, _messages = talk_of(store, "q", "a")
    store.keep_draft(talk.id, Draft("not sent"))
    deletion = store.delete(talk.id)
    assert store.all() == () and store.get(talk.id) is None
    assert store.undo(deletion)
    assert shown(store, talk) == ["q", "a"] and store.draft(talk.id).text == "not sent"
    store.purge(store.delete(talk.id))
    assert store.rows("SELECT count(*) FROM messages") == [(0,)]
    assert store.draft(talk.id) == Draft()


def test_a_chain_of_ten_thousand_goes_for_good(store):
    talk, _messages = talk_of(store, "first")
    with store.change() as database:
        database.executemany(
            "INSERT INTO messages (id, conversation, role, text, created, parent) VALUES (?, ?, 'user', 'x', 0, ?)",
            [(number, talk.id, number - 1) for number in range(2, 10_001)],
        )
    deletion = store.delete_from(talk.id, 1)
    assert deletion.messages == 10_000
    store.purge(deletion)
    assert store.rows("SELECT count(*) FROM messages") == [(0,)]


def test_what_was_deleted_long_ago_is_gone_at_a_start(store, path):
    talk, _messages = talk_of(store, "q")
    kept, _messages = talk_of(store, "stays")
    deletion = store.delete(talk.id)
    store.close()
    soon = Conversations(path, Clock())
    soon.open()
    assert soon.undo(deletion), "not after seconds"
    deletion = soon.delete(talk.id)
    soon.close()
    later = Conversations(path, Clock(deletion.stamp + conversation_deletion.DELETED_KEPT_S))
    later.open()
    assert not later.undo(deletion)
    assert [c.id for c in later.all()] == [kept.id]
    later.close()


def test_pinned_ones_come_first_and_settings_and_drafts_are_kept(store, path):
    first, second = store.create("first"), store.create("second", ConversationSettings(seed=3))
    store.pin(first.id, True)
    settings = ConversationSettings("Answer in 中文 \ud83d", temperature=0.5)
    store.change_settings(first.id, settings)
    store.keep_draft(None, Draft("for a new one"))
    store.keep_draft(second.id, Draft("for the second"))
    store.keep_draft(second.id, Draft())
    store.close()
    store = Conversations(path)
    store.open()
    assert [c.id for c in store.all()] == [first.id, second.id]
    assert store.get(first.id).settings == ConversationSettings("Answer in 中文 ?", temperature=0.5)
    assert store.get(second.id).settings.seed == 3
    assert store.draft(None) == Draft("for a new one") and store.draft(second.id) == Draft()
    store.pin(first.id, False)
    assert [c.id for c in store.all()] == [second.id, first.id]
    store.close()


def test_settings_that_cannot_be_read_are_the_models(store):
    talk = store.create("t")
    for text in ("[", '{"temperature": "hot", "seed": 4}'):
        with store.change() as database:
            database.execute("UPDATE conversations SET settings = ?", (text,))
        assert store.get(talk.id).settings.temperature is None
    assert store.get(talk.id).settings.seed == 4


def test_a_picture_is_one_file_until_nobody_refers_to_it(store):
    picture = conversation_pictures.keep(store.pictures, png())
    assert conversation_pictures.keep(store.pictures, png()) == picture
    assert (picture.width, picture.height, picture.extension) == (3, 2, "png")
    file = store.pictures / picture.file_name
    assert file.read_bytes() == png() and len(list(store.pictures.iterdir())) == 1
    one, two = store.create("1"), store.create("2")
    store.append(one.id, "user", "look", pictures=(picture,))
    store.append(two.id, "user", "", pictures=(picture,))
    assert store.messages(one.id)[0].pictures == (picture,)
    store.keep_draft(None, Draft("", (picture,)))
    store.purge(store.delete(one.id))
    store.purge(store.delete(two.id))
    assert file.exists(), "the draft has it"
    assert store.draft(None).pictures == (picture,)
    store.keep_draft(two.id, Draft("", (picture,)))
    store.keep_draft(None, Draft())
    third = store.create("3")
    store.append(third.id, "user", "x", pictures=(picture,))
    store.keep_draft(two.id, Draft())
    store.purge(store.delete_from(third.id, store.messages(third.id)[0].id))
    assert not file.exists()


def test_pictures_that_nobody_sent_are_swept_a_day_later(store, path):
    old, young = (conversation_pictures.keep(store.pictures, png(colour)) for colour in ("red", "blue"))
    used = conversation_pictures.keep(store.pictures, png("green"))
    talk = store.create("t")
    store.append(talk.id, "user", "x", pictures=(used,))
    store.close()
    now = store.clock.now
    for picture, age in ((old, 90_000), (used, 90_000), (young, 60)):
        os.utime(path.parent / "pictures" / picture.file_name, (now - age, now - age))
    again = Conversations(path, Clock(now))
    again.open()
    assert {file.name for file in again.pictures.iterdir()} == {young.file_name, used.file_name}
    again.close()


def test_nothing_is_removed_where_nothing_is_kept(store, path):
    picture = conversation_pictures.keep(store.pictures, png())
    talk = store.create("t")
    store.append(talk.id, "user", "x", pictures=(picture,))
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    newer = Conversations(path, Clock(4_000_000_000.0))
    assert newer.open().kind == "newer"
    newer.purge(newer.delete(talk.id))
    assert (newer.pictures / picture.file_name).exists()
    newer.close()


def test_what_is_no_picture_is_not_kept(store, tmp_path):
    with pytest.raises(TargetError):
        conversation_pictures.keep(store.pictures, b"no picture")
    with pytest.raises(TargetError):
        conversation_pictures.keep(store.pictures, tmp_path / "missing.png")
    assert not store.pictures.exists()


def test_a_folder_that_cannot_hold_pictures_is_said(store):
    store.pictures.write_text("in the way")
    with pytest.raises(AppError) as caught:
        conversation_pictures.keep(store.pictures, png())
    assert caught.value.code == "file_unwritable"


def test_a_file_of_the_first_version_is_brought_up_to_date(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as raw:
        for statement in MIGRATIONS[0]:
            raw.execute(statement)
        raw.execute("PRAGMA user_version = 1")
        raw.execute(
            "INSERT INTO conversations VALUES (1, 'one', 5.0, 9.0), (2, 'two', 6.0, 8.0), (3, 'empty', 1, 1)"
        )
        raw.executemany(
            "INSERT INTO messages (id, conversation, role, text, created, tokens, finish_reason)"
            " VALUES (?, ?, ?, ?, 5.0, ?, ?)",
            [
                (1, 1, "user", "手机设置", None, None), (2, 2, "user", "x", None, None),
                (3, 1, "assistant", "a", 4, "stop"), (4, 1, "user", "q2", None, None),
                (5, 2, "assistant", "y", 2, "length"),
            ],
        )  # fmt: skip
    raw.close()
    store = Conversations(path)
    assert store.open().kind == "fine"
    assert [(c.title, c.head, c.pinned) for c in store.all()] == [
        ("one", 4, False), ("two", 5, False), ("empty", None, False),
    ]  # fmt: skip
    first = store.messages(1)
    assert [(m.id, m.parent) for m in first] == [(1, None), (3, 1), (4, 3)]
    assert (first[1].facts, first[1].finish_reason) == (Facts(tokens=4), "stop")
    assert store.messages(3) == ()
    assert store.rows("PRAGMA integrity_check") == [("ok",)]
    store.close()
