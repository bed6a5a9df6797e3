"""Taking conversations along: JSON there and back, Markdown for people, files that are not to be trusted."""

import asyncio
import base64
import dataclasses
import hashlib
import io
import json
import re
from urllib.parse import unquote

import pytest
from PIL import Image

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store import conversation_import, conversation_pictures
from autoglm_desktop.store.conversations import Conversations, Facts
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import conversations as usecase
from autoglm_desktop.usecases.archive import Archive

FACTS = Facts("m", "gguf-cpu", 3, 12.5, 0.25, 2, 10, 1.5, "server", 4)


def opened(folder):
    store = Conversations(folder / "conversations.sqlite3")
    store.open()
    return store


def filled(store):
    """Versions, a picture, settings, every fact, a half surrogate pair."""
    data = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(data, "PNG")
    picture = conversation_pictures.keep(store.pictures, data.getvalue())
    talk = store.create("标题 [title]", ConversationSettings("Be brief.", temperature=0.5, seed=7))
    smaller = dataclasses.replace(picture, most_tokens=200, name="小 small.png")
    question = store.append(talk.id, "user", "look\nhere", pictures=(picture, smaller))
    for text in ("one 答案", "another\n```py\nx = 1"):
        answer = store.add(talk.id, question.id, "assistant", "")
        store.finish(answer.id, text, "stop", FACTS)
    store.add(talk.id, None, "user", "edited \ud83d")
    store.choose(talk.id, question.id)
    store.pin(talk.id, True)
    return talk, picture


def run(store, work):
    """``work(archive)`` on a loop."""

    async def whole():
        archive = Archive(store)
        await archive.open()
        try:
            return await work(archive)
        finally:
            await archive.close()

    return asyncio.run(whole())


def comparable(store, conversation):
    """Everything of a conversation but its ids."""
    found = store.get(conversation)
    messages = store.every_message(conversation)
    places = {message.id: place for place, message in enumerate(messages)}
    rows = [
        (m.role, m.text, m.created, m.facts, m.finish_reason, places.get(m.parent), m.pictures)
        for m in messages
    ]
    head = places.get(found.head)
    return found.title, found.created, found.updated, found.pinned, head, found.settings, rows


def test_json_there_and_back(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    store = opened(here)
    talk, picture = filled(store)
    other = store.create("empty")
    wanted = comparable(store, talk.id), comparable(store, other.id)
    file = tmp_path / "out 文件" / "talks.json"
    assert run(store, lambda archive: usecase.export_json(archive, file)) == 2
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    second = Conversations(there / "conversations.sqlite3")
    done = run(second, lambda archive: usecase.import_json(archive, file))
    assert (done.messages, done.pictures_missing) == (4, 0)
    second = opened(there)
    assert tuple(comparable(second, number) for number in done.conversations) == wanted
    assert (second.pictures / picture.file_name).read_bytes() == (
        here / "pictures" / picture.file_name
    ).read_bytes()
    second.close()


def test_without_pictures_what_is_missing_is_counted(tmp_path):
    store = opened(tmp_path / "here")
    filled(store)
    file = tmp_path / "talks.json"
    run(store, lambda archive: usecase.export_json(archive, file, pictures=False))
    other = Conversations(tmp_path / "there" / "conversations.sqlite3")
    assert run(other, lambda archive: usecase.import_json(archive, file)).pictures_missing == 1


def test_what_was_imported_is_found(tmp_path):
    store = opened(tmp_path / "here")
    filled(store)
    file = tmp_path / "talks.json"
    run(store, lambda archive: usecase.export_json(archive, file))
    other = Conversations(tmp_path / "there" / "conversations.sqlite3")

    async def work(archive):
        await usecase.import_json(archive, file)
        while not (found := await usecase.search(archive, "答案")).complete:
            pass
        return found

    assert [hit.snippet for hit in run(other, work).hits] == ["one 答案"]


def test_an_index_that_was_damaged_is_whole_again_in_a_while(tmp_path):
    async def work(archive):
        talk = await archive.run(Conversations.create, "t")
        await archive.run(Conversations.append, talk.id, "user", "答案")
        await archive.run(lambda store: store.connection.execute("DROP TABLE search_data"))
        return [await usecase.search(archive, "答案") for _time in range(20)]

    found = run(Conversations(tmp_path / "c.sqlite3"), work)
    assert [(len(one.hits), one.complete) for one in (found[0], found[-1])] == [(1, False), (1, True)]


def test_markdown_holds_what_is_shown(tmp_path):
    store = opened(tmp_path / "here")
    talk, picture = filled(store)
    file = tmp_path / "my talk.md"
    run(store, lambda archive: usecase.export_markdown(archive, file, talk.id))
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# 标题 (title)\n")
    assert "one 答案" not in text and "another" in text and "edited" not in text
    assert text.count("```") == 2, "an open code block is closed"
    assert f"(my%20talk-pictures/{picture.file_name})" in text
    assert (tmp_path / "my talk-pictures" / picture.file_name).is_file()
    assert "Be brief." in text and "12.5 tokens/s" in text


def test_pictures_are_found_whatever_the_file_is_called(tmp_path):
    store = opened(tmp_path / "here")
    talk, picture = filled(store)
    file = tmp_path / "50% of (a) <b> #1 文件.md"
    run(store, lambda archive: usecase.export_markdown(archive, file, talk.id))
    address = re.search(r"\]\(([^()\s<>#?]+)\)", file.read_text(encoding="utf-8"))[1]
    assert (tmp_path / unquote(address)).samefile(next(tmp_path.glob(f"*/{picture.file_name}")))


def test_markdown_of_what_is_gone(tmp_path):
    store = opened(tmp_path)
    with pytest.raises(AppError) as caught:
        run(store, lambda archive: usecase.export_markdown(archive, tmp_path / "x.md", 5))
    assert caught.value.code == "conversation_gone"


def test_an_export_that_cannot_be_written_leaves_the_old_file(tmp_path):
    store = opened(tmp_path / "here")
    filled(store)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "kept").write_text("x")
    with pytest.raises(AppError) as caught:
        run(store, lambda archive: usecase.export_json(archive, folder))
    assert caught.value.code == "file_unwritable"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "here"]


def good():
    """A file that can be imported."""
    content = b"picture"
    sha256 = hashlib.sha256(content).hexdigest()
    picture = {
        "sha256": sha256, "extension": "png", "width": 3, "height": 2, "size_bytes": 7, "name": "",
        "data": base64.b64encode(content).decode(),
    }  # fmt: skip
    messages = [
        {"id": 1, "parent": None, "role": "user", "text": "q", "created": 5.0, "pictures": [picture]},
        {
            "id": 2,
            "parent": 1,
            "role": "assistant",
            "text": "a",
            "created": 6,
            "finish_reason": "stop",
            "tokens": 3,
        },
    ]
    talk = {"title": "t", "created": 1.0, "updated": 2.0, "head": 2, "messages": messages}
    return {"format": "autoglm-desktop-conversations", "version": 1, "conversations": [talk]}


TALK = ("conversations", 0)
FIRST, SECOND = (*TALK, "messages", 0), (*TALK, "messages", 1)
PICTURE = (*FIRST, "pictures", 0)
GONE = object()


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (("format",), "other", "conversations_not_ours"),
        (("version",), 2, "conversations_newer"),
        (("version",), "1", "conversations_wrong"),
        (("version",), GONE, "conversations_wrong"),
        (("conversations",), {}, "conversations_wrong"),
        (TALK, None, "conversations_wrong"),
        ((*TALK, "title"), 5, "conversations_wrong"),
        ((*TALK, "title"), "x" * 1001, "conversations_wrong"),
        ((*TALK, "created"), 1e30, "conversations_wrong"),
        ((*TALK, "created"), 10**400, "conversations_wrong"),
        ((*TALK, "updated"), float("nan"), "conversations_wrong"),
        ((*TALK, "updated"), True, "conversations_wrong"),
        ((*TALK, "pinned"), 1, "conversations_wrong"),
        ((*TALK, "head"), 99, "conversations_wrong"),
        ((*TALK, "head"), [], "conversations_wrong"),
        ((*TALK, "settings"), [], "conversations_wrong"),
        ((*TALK, "settings"), {"temperature": 99}, "conversations_wrong"),
        ((*TALK, "messages"), GONE, "conversations_wrong"),
        ((*FIRST, "parent"), 2, "conversations_wrong"),
        ((*SECOND, "parent"), 2, "conversations_wrong"),
        ((*SECOND, "parent"), {}, "conversations_wrong"),
        ((*SECOND, "id"), 1, "conversations_wrong"),
        ((*SECOND, "id"), -1, "conversations_wrong"),
        ((*SECOND, "role"), "system", "conversations_wrong"),
        ((*SECOND, "role"), [], "conversations_wrong"),
        ((*SECOND, "text"), None, "conversations_wrong"),
        ((*SECOND, "finish_reason"), "exploded", "conversations_wrong"),
        ((*SECOND, "finish_reason"), {}, "conversations_wrong"),
        ((*SECOND, "tokens"), 1.5, "conversations_wrong"),
        ((*SECOND, "tokens"), 2**70, "conversations_wrong"),
        ((*SECOND, "tokens_per_s"), "fast", "conversations_wrong"),
        ((*SECOND, "model"), 3, "conversations_wrong"),
        ((*PICTURE, "sha256"), "../../etc/passwd", "conversations_wrong"),
        ((*PICTURE, "sha256"), "0" * 64, "conversations_wrong"),
        ((*PICTURE, "extension"), "exe", "conversations_wrong"),
        ((*PICTURE, "extension"), [], "conversations_wrong"),
        ((*PICTURE, "width"), -3, "conversations_wrong"),
        ((*PICTURE, "height"), 0, "conversations_wrong"),
        ((*PICTURE, "most_tokens"), 0, "conversations_wrong"),
        ((*PICTURE, "most_tokens"), "all", "conversations_wrong"),
        ((*SECOND, "unseen"), -1, "conversations_wrong"),
        ((*PICTURE, "data"), "§§", "conversations_wrong"),
        ((*PICTURE, "data"), 5, "conversations_wrong"),
    ],
)
def test_a_file_that_is_not_right_is_one_sentence_and_changes_nothing(tmp_path, place, value, code):
    data = good()
    *way, last = place
    at = data
    for step in way:
        at = at[step]
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    file = tmp_path / "in.json"
    file.write_text(json.dumps(data))
    refused(tmp_path, file, code)


def test_a_file_chooses_no_server():
    data = good()
    data["conversations"][0]["settings"] = {"endpoint": "e1", "model": "theirs", "seed": 3}
    ((conversation, _messages),) = conversation_import.parse(data, "x").conversations
    assert conversation.settings == ConversationSettings(seed=3)


def refused(folder, file, code):
    store = Conversations(folder / "home" / "conversations.sqlite3")
    with pytest.raises(AppError) as caught:
        run(store, lambda archive: usecase.import_json(archive, file))
    assert caught.value.code == code
    sentence = errors.text(caught.value)
    assert "{" not in sentence and "?" not in sentence and "\n" not in sentence and str(file) in sentence
    store = opened(folder / "home")
    assert store.all() == () and not store.pictures.exists()
    store.close()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "conversations_no_json"),
        (b"\xff\xfe\x00", "conversations_no_json"),
        (b"[" * 100_000, "conversations_no_json"),
        (b"[]", "conversations_not_ours"),
        (b"3", "conversations_not_ours"),
        (b'{"format": "autoglm-desktop-conversations"', "conversations_no_json"),
        (None, "file_unreadable"),
    ],
)
def test_what_is_no_export_at_all(tmp_path, content, code):
    file = tmp_path / "in.json"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    refused(tmp_path, file, code)


def test_a_file_that_is_too_large_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(conversation_import, "MOST_BYTES", 100)
    file = tmp_path / "in.json"
    file.write_bytes(b" " * 101)
    refused(tmp_path, file, "conversations_too_large")


def test_a_full_disk_imports_nothing(tmp_path):
    parsed = conversation_import.parse(good(), "x")
    store = opened(tmp_path)
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    big = good()
    big["conversations"][0]["messages"][1]["text"] = "x" * 1_000_000
    with pytest.raises(AppError) as caught:
        conversation_import.keep(store, conversation_import.parse(big, "x"))
    assert caught.value.code == "state_unwritable" and store.all() == ()
    store.connection.execute("PRAGMA max_page_count = 1000000")
    assert conversation_import.keep(store, parsed).messages == 2
    store.close()
