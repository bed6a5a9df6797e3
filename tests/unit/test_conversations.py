"""The file of conversations: what is kept, and what happens to a file that cannot be used."""

import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store import conversation_pictures
from autoglm_desktop.store.conversation_schema import MIGRATIONS
from autoglm_desktop.store.conversations import Conversations, Facts, Picture
from tests.fakes.made_clock import Clock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "数据 folder" / "conversations.sqlite3"


@pytest.fixture
def store(path):
    made = Conversations(path, Clock())
    assert made.open().kind == "fine"
    yield made
    made.close()


def reopened(path):
    again = Conversations(path, Clock())
    opening = again.open()
    return again, opening


def test_what_is_written_is_there_again(store, path):
    talk = store.create("标题 title")
    store.append(talk.id, "user", "hello\nworld 你好")
    answer = store.append(talk.id, "assistant", "")
    store.update_text(answer.id, "par")
    facts = Facts("tiny", "gguf-cpu", 3, 12.5, 0.25, 2)
    store.finish(answer.id, "partial and more", "stop", facts)
    store.close()
    again, opening = reopened(path)
    assert opening.kind == "fine"
    (found,) = again.all()
    assert (found.title, found.id) == ("标题 title", talk.id)
    question, answered = again.messages(talk.id)
    assert (question.role, question.text, question.finish_reason) == ("user", "hello\nworld 你好", None)
    assert (answered.text, answered.finish_reason, answered.facts) == ("partial and more", "stop", facts)
    assert answered.created > question.created
    again.close()


def test_the_latest_used_comes_first(store):
    first, second = store.create("first"), store.create("second")
    assert [c.id for c in store.all()] == [second.id, first.id]
    store.append(first.id, "user", "again")
    assert [c.id for c in store.all()] == [first.id, second.id]
    store.rename(second.id, "renamed")
    assert [c.title for c in store.all()] == ["first", "renamed"], "a new name is no use"


def test_deleting_for_good_takes_the_messages_along(store, path):
    kept, gone = store.create("kept"), store.create("gone")
    store.append(kept.id, "user", "stays")
    store.append(gone.id, "user", "goes")
    deletion = store.delete(gone.id)
    assert [c.id for c in store.all()] == [kept.id]
    store.purge(deletion)
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT text FROM messages").fetchall() == [("stays",)]
    raw.close()


def test_an_answer_can_be_taken_back(store):
    talk, other = store.create("a"), store.create("b")
    question = store.append(talk.id, "user", "q")
    store.append(talk.id, "assistant", "bad")
    elsewhere = store.append(other.id, "user", "later, in another conversation")
    store.delete_from(talk.id, question.id + 1)
    assert [m.text for m in store.messages(talk.id)] == ["q"]
    assert [m.id for m in store.messages(other.id)] == [elsewhere.id]


def test_half_surrogate_pairs_do_not_stop_it(store):
    talk = store.create("\ud83d title")
    message = store.append(talk.id, "user", "emoji \ud83d\ude00 half \ud83d \x00 end")
    store.update_text(message.id, "\udc00")
    assert store.messages(talk.id)[0].text == "?"


def test_all_that_was_kept_survives_a_sudden_death(path):
    code = (
        "import os, sys; from pathlib import Path; from autoglm_desktop.store.conversations import Conversations\n"
        "store = Conversations(Path(sys.argv[1])); store.open(); talk = store.create('t')\n"
        "store.append(talk.id, 'user', 'question'); answer = store.append(talk.id, 'assistant', '')\n"
        "store.update_text(answer.id, 'half an ans'); os.abort()"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True)
    assert ended.returncode != 0
    again, opening = reopened(path)
    assert opening.kind == "fine"
    question, answer = again.messages(again.all()[0].id)
    assert question.text == "question"
    assert (answer.text, answer.finish_reason) == ("half an ans", None)
    again.close()


def damage(path):
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("how", ["no database", "a page of rubbish"])
def test_a_damaged_file_is_kept_aside(store, path, how):
    talk = store.create("t")
    for _number in range(200):
        store.append(talk.id, "user", "x" * 500)
    store.close()
    if how == "no database":
        path.write_bytes(b"this is no database, but it is somebody's file" * 100)
    else:
        damage(path)
    before = path.read_bytes()
    again, opening = reopened(path)
    assert opening.kind == "set_aside"
    assert opening.path != path and opening.path.read_bytes() == before
    rescued = opening.rescued
    if how == "no database":
        assert again.all() == () and (rescued.conversations, rescued.messages) == (0, 0)
    else:  # the page held the conversations themselves
        (found,) = again.all()
        assert (rescued.conversations, rescued.messages) == (0, 200)
        assert [m.text for m in again.messages(found.id)] == ["x" * 500] * 200
    made = again.create("goes on")
    again.close()
    third, opening = reopened(path)
    assert opening.kind == "fine"
    assert "goes on" in [c.title for c in third.all()] and third.get(made.id) is not None
    third.close()


def test_two_damaged_files_of_one_second_are_both_kept(path):
    names = set()
    for number in range(2):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"rubbish %d" % number * 200)
        store = Conversations(path, lambda: 1_700_000_000.0)
        names.add(store.open().path)
        store.close()
    assert len(names) == 2 and all(name.exists() for name in names)


def test_a_file_of_a_newer_version_is_shown_and_left_as_it_is(store, path):
    talk = store.create("old")
    store.append(talk.id, "user", "readable")
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        raw.execute("ALTER TABLE messages ADD COLUMN picture BLOB")
    raw.close()
    again, opening = reopened(path)
    assert opening.kind == "newer"
    assert again.messages(talk.id)[0].text == "readable"
    again.append(talk.id, "user", "not kept")
    again.close()
    third, _opening = reopened(path)
    assert [m.text for m in third.messages(talk.id)] == ["readable"]
    third.close()


def test_a_newer_file_that_cannot_be_read_leaves_an_empty_list(store, path):
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 5}")
        raw.execute("DROP TABLE messages")
    raw.close()
    again, opening = reopened(path)
    assert (opening.kind, again.all()) == ("newer", ())
    assert "messages" in opening.detail
    again.close()


@pytest.mark.parametrize("what", ["a file where the folder should be", "a folder where the file should be"])
def test_what_cannot_be_kept_is_held_in_memory(tmp_path, what):
    path = tmp_path / "home" / "conversations.sqlite3"
    if what.startswith("a file"):
        path.parent.write_text("in the way")
    else:
        path.mkdir(parents=True)
    store, opening = reopened(path)
    assert opening.kind == "not_kept" and opening.detail
    talk = store.create("still works")
    store.append(talk.id, "user", "hello")
    assert store.messages(talk.id)[0].text == "hello"
    store.close()


AS_NOBODY = """
import os, sys
from pathlib import Path
from autoglm_desktop.store.conversations import Conversations
store = Conversations(Path(sys.argv[1]))
if os.geteuid() == 0:
    os.setuid(65534)
opening = store.open()
talk = store.create("begun now")
store.append(talk.id, "user", "hello")
print(opening.kind, [one.title for one in store.all()], [m.text for m in store.messages(1)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
@pytest.mark.parametrize(("folder", "file"), [(0o777, 0o444), (0o555, 0o666), (0o555, 0o444)])
def test_what_can_only_be_read_is_shown_and_a_chat_works(folder, file):
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed for others
        home = Path(name)
        home.chmod(0o777)
        path = home / "conversations.sqlite3"
        store = Conversations(path)
        store.open()
        store.append(store.create("kept").id, "user", "before")
        store.close()
        path.chmod(file)
        home.chmod(folder)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(path)],
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
        )
        home.chmod(0o777)
    assert done.stdout.strip() == "not_kept ['begun now', 'kept'] ['before']", done.stderr


def test_a_full_disk_is_an_expected_error_and_changes_nothing(store):
    talk = store.create("t")
    store.append(talk.id, "user", "fits")
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(AppError) as caught:
        store.append(talk.id, "user", "x" * 100_000)
    assert caught.value.code == "state_unwritable"
    assert "full" in str(caught.value.values["detail"])
    assert [m.text for m in store.messages(talk.id)] == ["fits"]


def test_two_programs_may_begin_the_same_file(path):
    kinds = []

    def begin():
        store = Conversations(path)
        kinds.append(store.open().kind)
        store.create("mine")
        store.close()

    threads = [threading.Thread(target=begin) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again, _opening = reopened(path)
    assert kinds == ["fine"] * 4
    assert len(again.all()) == 4
    again.close()


def test_the_counts_of_an_answer_that_was_being_written_on_are_unknown(store):
    """A sudden death leaves more text than was counted."""
    talk = store.create("t")
    answer = store.append(talk.id, "assistant", "")
    facts = Facts(model="m", tokens=5, prompt_tokens=20, tokens_per_s=9.0)
    store.finish(answer.id, "begun", "length", facts)
    before = store.reopen(answer.id)
    store.update_text(answer.id, "begun and gone on")
    left = store.message(answer.id)
    assert (left.facts, left.finish_reason) == (Facts(model="m", tokens_per_s=9.0), None)
    store.finish(answer.id, before.text, before.finish_reason, before.facts)
    assert store.message(answer.id) == before


def test_a_picture_that_is_there_need_not_be_touched(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError(13, "made up")

    conversation_pictures.put(tmp_path, "a.png", b"made")
    monkeypatch.setattr(conversation_pictures.os, "utime", refuse)
    conversation_pictures.put(tmp_path, "a.png", b"made")
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]


def test_names_that_are_no_text_do_not_stop_it(store):
    """A file's name on Linux is bytes; Python makes half surrogate pairs of what is no UTF-8."""
    talk = store.create("t")
    picture = Picture("0" * 64, "png", 3, 2, 7, "a\udce9.png")
    store.append(talk.id, "user", "look", pictures=(picture,))
    answer = store.append(talk.id, "assistant", "")
    store.finish(answer.id, "seen", "stop", Facts(model="mod\udce9l.gguf"))
    question, answer = store.messages(talk.id)
    assert (question.pictures[0].name, answer.facts.model, answer.text) == ("a?.png", "mod?l.gguf", "seen")
