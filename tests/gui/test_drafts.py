"""Drafts: written while one writes, at once where it matters, never lost, never waited for. Over the real file."""

import asyncio

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.gui.bridge import Bridge
from autoglm_desktop.gui.composer import drafts as module
from autoglm_desktop.gui.composer.drafts import Drafts
from autoglm_desktop.store import conversation_deletion
from autoglm_desktop.store.conversations import Conversations, Draft, Picture
from autoglm_desktop.usecases.archive import Archive

PICTURE = Picture("a" * 64, "png", 540, 1200, 1_000, "截图.png", 300)


@pytest.fixture
def archive(bridge, tmp_path):
    made = Archive(Conversations(tmp_path / "conversations.sqlite3"))
    run(bridge, made.open())
    yield made
    run(bridge, made.close())


@pytest.fixture
def drafts(qtbot, bridge, archive):
    return Drafts(bridge, archive)


def run(bridge, work):
    return asyncio.run_coroutine_threadsafe(work, bridge._loop).result(10)


def kept(bridge, archive, conversation):
    return run(bridge, archive.run(Conversations.draft, conversation))


def read(qtbot, drafts, conversation):
    found = []
    drafts.read(conversation, found.append)
    qtbot.waitUntil(lambda: bool(found))
    return found[0]


def test_what_is_written_is_kept_with_its_pictures(qtbot, bridge, archive, drafts):
    talk = run(bridge, archive.run(Conversations.create, "made"))
    drafts.keep(None, "new one")
    drafts.keep(talk.id, "你好，\nworld", (PICTURE,))
    assert read(qtbot, drafts, talk.id) == Draft("你好，\nworld", (PICTURE,))
    assert kept(bridge, archive, None) == Draft("new one"), "reading another one writes"
    qtbot.waitUntil(lambda: not drafts._unwritten)
    assert read(qtbot, drafts, talk.id) == Draft("你好，\nworld", (PICTURE,)), "also from the file"
    assert read(qtbot, drafts, None) == Draft("new one")


def test_an_empty_draft_is_none(qtbot, bridge, archive, drafts):
    drafts.keep(None, "x")
    drafts.flush()
    drafts.keep(None, "")
    drafts.flush()
    qtbot.waitUntil(lambda: not drafts._unwritten)
    assert run(bridge, archive.run(lambda store: store.rows("SELECT count(*) FROM drafts"))) == [(0,)]


def test_typing_is_written_once_in_a_while(qtbot, bridge, archive, drafts, monkeypatch):
    monkeypatch.setattr(module, "EVERY_MS", 50)
    writes = []
    keep = module._keep
    monkeypatch.setattr(module, "_keep", lambda *values: writes.append(values[2].text) or keep(*values))
    for length in range(1, 60):
        drafts.keep(None, "x" * length)
    qtbot.waitUntil(lambda: not drafts._unwritten)
    assert writes == ["x" * 59]


def test_a_long_text_is_written_less_often(qtbot, drafts):
    drafts.keep(None, "x" * (module.LONG + 1))
    assert drafts._timer.interval() == module.LONG_EVERY_MS
    drafts.keep(7, "short")
    assert drafts._timer.interval() == module.EVERY_MS


def test_the_newest_is_kept_while_an_older_one_is_being_written(qtbot, bridge, archive, drafts):
    drafts.keep(None, "older")
    drafts.flush()
    drafts.keep(None, "newer")
    assert read(qtbot, drafts, None) == Draft("newer")
    drafts.flush()
    qtbot.waitUntil(lambda: not drafts._unwritten)
    assert kept(bridge, archive, None) == Draft("newer")


def test_only_what_was_asked_for_last_is_told(qtbot, drafts):
    drafts.keep(None, "new")
    first, second = [], []
    drafts.read(3, first.append)
    drafts.read(None, second.append)
    qtbot.waitUntil(lambda: bool(second))
    assert first == [] and second == [Draft("new")]


def test_a_conversation_that_is_gone_keeps_nothing_and_one_that_comes_back_does(
    qtbot, bridge, archive, drafts
):
    talk = run(bridge, archive.run(Conversations.create, "made"))
    drafts.keep(talk.id, "half a question")
    drafts.flush()
    deletion = run(bridge, archive.run(Conversations.delete, talk.id))
    assert run(bridge, archive.run(Conversations.undo, deletion))
    assert kept(bridge, archive, talk.id) == Draft("half a question")
    deletion = run(bridge, archive.run(Conversations.delete, talk.id))
    run(bridge, archive.run(conversation_deletion.purge, deletion))
    drafts.keep(talk.id, "too late")
    drafts.flush()
    qtbot.waitUntil(lambda: not drafts._unwritten)
    assert kept(bridge, archive, talk.id) == Draft()


def test_closing_writes_what_no_job_could(qtbot, tmp_path):
    """``Bridge.close`` cancels all jobs before it runs what comes last."""
    bridge, path = Bridge(), tmp_path / "conversations.sqlite3"
    archive = Archive(Conversations(path))
    run(bridge, archive.open())
    drafts = Drafts(bridge, archive)
    drafts.keep(None, "written a moment ago", (PICTURE,))
    drafts.flush()
    drafts.keep(None, "written just now", (PICTURE,))

    async def last():
        await drafts.finish()
        await archive.close()

    bridge.close(last)
    store = Conversations(path)
    store.open()
    assert store.draft(None) == Draft("written just now", (PICTURE,))
    store.close()


def test_a_full_disk_is_told_once_and_loses_nothing(qtbot, drafts, monkeypatch):
    full = True
    told, failed = [], []

    def keep(*_values):
        if full:
            raise AppError("disk_is_full", path="made")

    not_written = drafts._not_written
    monkeypatch.setattr(module, "_keep", keep)
    monkeypatch.setattr(drafts, "_not_written", lambda error: (failed.append(error), not_written(error)))
    drafts.failed.connect(told.append)
    for count, text in enumerate(("one", "two"), 1):
        drafts.keep(None, text)
        drafts.flush()
        qtbot.waitUntil(lambda count=count: len(failed) == count)
    assert [error.code for error in told] == ["disk_is_full"]
    assert read(qtbot, drafts, None) == Draft("two")
    qtbot.waitUntil(lambda: len(failed) == 3)
    full = False
    drafts.flush()
    qtbot.waitUntil(lambda: not drafts._unwritten)


def test_five_megabytes_do_not_hold_the_window_up(qtbot, bridge, archive, drafts):
    """Keeping is handing over; the file is written on another thread."""
    text = "made: 很长的一行文字\n" * 300_000
    drafts.keep(None, text)
    drafts.flush()
    assert drafts._unwritten, "nobody has waited for it"
    assert len(read(qtbot, drafts, None).text) == len(text)
    qtbot.waitUntil(lambda: not drafts._unwritten, timeout=20_000)
    assert kept(bridge, archive, None).text == text
