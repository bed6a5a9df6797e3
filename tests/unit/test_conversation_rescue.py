"""Damaged files: kept aside as they are, and what can be read goes into the new one. Full disks, newer versions."""

import datetime
import os
import random
import sqlite3

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.conversation_rescue import MOST_FAILURES
from autoglm_desktop.store.conversations import Conversations, Draft, Picture

PAGE = 4096
PICTURE = Picture("a" * 64, "png", 3, 2, 7)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "conversations.sqlite3"


def opened(path):
    store = Conversations(path)
    return store, store.open()


def fill(path, conversations=20, messages=30):
    store, _opening = opened(path)
    for number in range(conversations):
        talk = store.create(f"talk {number}")
        for place in range(messages):
            store.append(talk.id, ("user", "assistant")[place % 2], f"text {place} of {number} " + "x" * 300)
    store.append(1, "user", "with a picture", pictures=(PICTURE,))
    store.keep_draft(2, Draft("not sent"))
    store.close()


def root_page(path, name):
    with sqlite3.connect(path) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    raw.close()
    return page


def spoil(path, *pages):
    """Overwrite pages (the first is 1) with what is no page."""
    data = bytearray(path.read_bytes())
    for page in pages:
        data[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(bytes(data))
    return bytes(data)


def test_a_damaged_leaf_costs_its_own_rows_only(path):
    fill(path)
    with sqlite3.connect(path) as raw:  # a page that holds rows of the table messages and nothing else
        pages = [
            row[0] for row in raw.execute("SELECT pageno FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf'")
        ] if has_dbstat(raw) else [root_page(path, "messages") + 3]  # fmt: skip
    raw.close()
    before = spoil(path, pages[len(pages) // 2])
    store, opening = opened(path)
    assert opening.kind == "set_aside" and opening.path.read_bytes() == before
    assert opening.rescued.conversations == 20
    assert 550 < opening.rescued.messages < 601 and opening.rescued.unreadable > 0
    assert len(store.all()) == 20
    for talk in store.all():  # however many are missing, the rest is one transcript
        (count,) = store.rows("SELECT count(*) FROM messages WHERE conversation = ?", (talk.id,))[0]
        assert len(store.messages(talk.id)) == count
    assert store.draft(2).text == "not sent"
    assert store.messages(1)[-1].pictures == (PICTURE,)
    assert store.rows("PRAGMA integrity_check") == [("ok",)] and store.rows("PRAGMA foreign_key_check") == []
    assert list(path.parent.glob("autoglm-rescue-*")) == []
    store.close()


def has_dbstat(raw):
    try:
        raw.execute("SELECT 1 FROM dbstat LIMIT 1").fetchone()
        return True
    except sqlite3.Error:
        return False


def test_lost_conversations_are_made_for_their_messages(path):
    fill(path, 3, 10)
    spoil(path, root_page(path, "conversations"))
    store, opening = opened(path)
    assert (opening.rescued.conversations, opening.rescued.messages) == (0, 31)
    assert sorted(len(store.messages(talk.id)) for talk in store.all()) == [10, 10, 11]
    store.close()


def test_a_table_whose_root_is_lost_ends_soon(path):
    fill(path, 3, 10)
    spoil(path, root_page(path, "messages"))
    store, opening = opened(path)
    assert (opening.rescued.conversations, opening.rescued.messages) == (3, 0)
    assert opening.rescued.unreadable <= MOST_FAILURES + 50
    assert [store.messages(talk.id) for talk in store.all()] == [(), (), ()]
    store.append(1, "user", "goes on")
    store.close()


def test_any_damage_ends_in_a_file_that_works(path):
    fill(path, 4, 20)
    whole = path.read_bytes()
    chance = random.Random(3)
    for _round in range(12):
        data = bytearray(whole)
        for _piece in range(chance.randint(1, 6)):
            at = chance.randrange(100, len(data) - 600)
            data[at : at + 500] = chance.randbytes(500)
        if chance.random() < 0.3:
            del data[chance.randrange(PAGE, len(data)) :]
        for old in path.parent.glob("conversations*"):
            old.unlink()
        path.write_bytes(bytes(data))
        store, opening = opened(path)
        assert opening.kind in ("fine", "set_aside")
        if opening.kind == "set_aside":
            assert store.rows("PRAGMA integrity_check") == [("ok",)]
            for talk in store.all():
                store.messages(talk.id)
            store.append(store.create("new").id, "user", "works")
        store.close()


def test_rubbish_in_a_row_is_not_taken_for_values(path):
    fill(path, 2, 4)
    with sqlite3.connect(path) as raw:
        raw.execute(
            "UPDATE messages SET tokens = x'ff', model = x'00', rung = CAST(x'ff41' AS TEXT) WHERE id = 2"
        )
        raw.execute("UPDATE messages SET text = CAST(x'e4bda0ff' AS TEXT) WHERE id = 1")
        raw.execute("UPDATE messages SET role = x'00' WHERE id = 8")
        raw.execute("UPDATE conversations SET settings = x'00', pinned = 'often' WHERE id = 1")
    raw.close()
    spoil(path, root_page(path, "drafts"))
    store, opening = opened(path)
    assert opening.rescued.messages == 8
    question, answer = store.messages(1)[:2]
    assert question.text == "你\ufffd"
    assert (answer.facts.tokens, answer.facts.model, answer.facts.rung) == (None, None, "\ufffdA")
    assert not store.get(1).pinned
    store.close()


def test_what_is_only_in_the_log_is_rescued_as_well(path):
    fill(path, 2, 3)
    store, _opening = opened(path)
    store.append(1, "user", "in the log alone")
    copy = path.with_name("copy.sqlite3")  # as a crash would leave it: the log is not written back
    wal = path.with_name(path.name + "-wal")
    data, logged = path.read_bytes(), wal.read_bytes()
    store.close()
    copy.with_name(copy.name + "-wal").write_bytes(logged)
    copy.write_bytes(data)
    spoil(copy, root_page(path, "drafts"))
    again, opening = opened(copy)
    assert opening.kind == "set_aside"
    assert again.messages(1)[-1].text == "in the log alone"
    again.close()


def test_a_full_disk_while_an_answer_is_saved(path):
    store, _opening = opened(path)
    talk = store.create("t")
    store.append(talk.id, "user", "q")
    answer = store.append(talk.id, "assistant", "")
    store.update_text(answer.id, "what fitted")
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(AppError) as caught:
        store.update_text(answer.id, "x" * 1_000_000)
    assert caught.value.code == "state_unwritable"
    store.close()
    again, opening = opened(path)
    assert opening.kind == "fine" and again.messages(talk.id)[-1].text == "what fitted"
    assert again.rows("PRAGMA integrity_check") == [("ok",)]
    again.close()


def test_a_message_is_kept_where_only_its_index_has_no_room(path):
    store, _opening = opened(path)
    talk = store.create("t")
    words = " ".join(f"w{number}" for number in range(4_000))
    for _try in range(200):  # until the text fits and the index doesn't
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        free = store.connection.execute("PRAGMA freelist_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {max(pages, pages - free + 7)}")
        message = store.append(talk.id, "user", words)
        if store.rows("SELECT indexed FROM messages WHERE id = ?", (message.id,)) == [(0,)]:
            break
    else:
        pytest.fail("the index always had room")
    assert store.messages(talk.id)[-1].text == words
    store.close()


def test_a_file_that_cannot_be_migrated_is_shown(path, monkeypatch):
    """As on a full disk."""
    fill(path, 1, 2)
    from autoglm_desktop.store import conversation_file

    calls = []
    real = conversation_file._migrate

    def migrate(database):
        calls.append(database)
        if len(calls) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        real(database)

    monkeypatch.setattr(conversation_file, "_migrate", migrate)
    store, opening = opened(path)
    assert opening.kind == "not_kept" and "full" in opening.detail
    assert [message.text[:6] for message in store.messages(1)] == ["text 0", "text 1", "with a"]
    store.close()


def test_versions_of_the_first_question_stay_versions(path):
    fill(path, 2, 4)
    store, _opening = opened(path)
    store.add(1, None, "user", "the first question in other words")
    store.append(1, "assistant", "another answer")
    shown = [message.text for message in store.messages(1)]
    store.close()
    spoil(path, root_page(path, "drafts"))
    store, opening = opened(path)
    assert opening.kind == "set_aside"
    assert [message.text for message in store.messages(1)] == shown
    assert len(store.messages(1)[0].versions) == 2
    store.close()


def test_a_message_whose_parent_is_lost_follows_one_that_is_shown(path):
    fill(path, 1, 4)
    store, _opening = opened(path)
    store.delete_from(1, 3)
    with sqlite3.connect(path) as raw:
        raw.execute(
            "INSERT INTO messages (id, conversation, parent, role, text, created) VALUES (9, 1, 8, 'user', 'x', 0)"
        )
        raw.execute("UPDATE conversations SET head = 9")
    raw.close()
    store.close()
    spoil(path, root_page(path, "drafts"))
    store, _opening = opened(path)
    assert [message.id for message in store.messages(1)] == [1, 2, 9]
    store.close()


def test_rubbish_for_a_time_or_a_picture_is_not_shown(path):
    fill(path, 2, 4)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE messages SET created = 1e300 WHERE id = 1")
        raw.execute("UPDATE conversations SET updated = -9e999, created = 1e17 WHERE id = 1")
        raw.execute("UPDATE pictures SET sha256 = '../../etc/passwd'")
    raw.close()
    spoil(path, root_page(path, "drafts"))
    store, opening = opened(path)
    assert opening.rescued.messages == 9
    talk = store.get(1)
    times = [talk.created, talk.updated, *(message.created for message in store.messages(1))]
    assert all(datetime.datetime.fromtimestamp(time).year >= 1970 for time in times)
    assert all(not message.pictures for message in store.messages(1))
    store.close()


def test_pictures_stay_as_long_as_a_damaged_file_may_refer_to_them(path):
    fill(path, 2, 4)
    picture = path.parent / "pictures" / PICTURE.file_name
    picture.parent.mkdir()
    picture.write_bytes(b"made")
    os.utime(picture, (1, 1))
    spoil(path, root_page(path, "pictures"), root_page(path, "drafts"))
    for _start in range(2):
        store, _opening = opened(path)
        assert store.rows("SELECT count(*) FROM pictures") == [(0,)]
        store.close()
        assert picture.is_file()
    next(path.parent.glob("*.damaged-*.sqlite3")).unlink()
    opened(path)[0].close()
    assert not picture.exists()


def test_a_name_that_is_no_text_is_damage(path):
    fill(path, 2, 4)
    data = path.read_bytes()
    assert data.count(b"CREATE INDEX messages_by_parent") == 1
    path.write_bytes(
        data.replace(b"CREATE INDEX messages_by_parent", b"CREATE INDEX\xb6messages_by_par\xb6nt")
    )
    store, opening = opened(path)
    assert (opening.kind, opening.path.name[:21]) == ("set_aside", "conversations.damaged")
    assert store.append(store.create("works").id, "user", "x").id
    store.close()


def test_a_file_without_its_tables_is_damage(path):
    fill(path, 2, 4)
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TABLE conversations")
    raw.close()
    store, opening = opened(path)
    assert (opening.kind, opening.rescued.messages) == ("set_aside", 9)
    assert sorted(len(store.messages(talk.id)) for talk in store.all()) == [4, 5]
    store.close()


def test_an_index_that_hides_a_row_is_damage(path):
    fill(path, 1, 4)
    end = root_page(path, "messages_by_parent") * PAGE
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 64
    path.write_bytes(data)
    store, opening = opened(path)
    assert (opening.kind, opening.rescued.messages, len(store.messages(1))) == ("set_aside", 5, 5)
    store.close()


def test_wrong_bits_within_a_row_cost_no_other(path):
    """SQLite knows nothing of them: the file is fine."""
    fill(path, 2, 4)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE messages SET text = CAST(x'e4bda0ff' AS TEXT), created = 1e300 WHERE id = 1")
        raw.execute("UPDATE conversations SET updated = -1e300, title = CAST(x'ff41' AS TEXT) WHERE id = 1")
    raw.close()
    store, opening = opened(path)
    assert opening.kind == "fine"
    talk = store.get(1)
    assert (talk.title, talk.updated) == ("\ufffdA", 0.0)
    messages = store.messages(1)
    assert (messages[0].text, messages[0].created, len(messages)) == ("你\ufffd", 0.0, 5)
    store.close()
