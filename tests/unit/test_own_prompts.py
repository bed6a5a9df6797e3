"""The prompts that the user keeps."""

import json
import os
import sys
import threading

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store.own_prompts import LONGEST_NAME, Kept, OwnPrompts, Prompt


@pytest.fixture
def own(tmp_path):
    return OwnPrompts(tmp_path / "state" / "prompts.json")


def names(kept):
    return [one.name for one in kept.prompts]


def test_nothing_is_kept_at_first_and_nothing_is_written_by_reading(own):
    assert own.read() == Kept(())
    assert not own.file.parent.exists()


def test_kept_renamed_removed_and_put_back(own):
    own.keep("teacher", "Teach.")
    (second, first) = own.keep("  a \n poet ", "Dichte. 写诗。").prompts
    assert (second.name, first.name, second.text) == ("a poet", "teacher", "Dichte. 写诗。")
    assert names(own.rename(second.id, "zen")) == ["teacher", "zen"]
    removed = next(one for one in own.read().prompts if one.name == "teacher")
    assert names(own.remove(removed.id)) == ["zen"]
    assert own.put_back(removed) == own.put_back(removed) == own.read()
    assert names(own.read()) == ["teacher", "zen"]


def test_two_prompts_never_have_one_name(own):
    for _number in range(3):
        kept = own.keep("same", "text")
    assert names(kept) == ["same", "same (2)", "same (3)"]
    assert names(own.rename(kept.prompts[2].id, "same")) == ["same", "same (2)", "same (3)"]
    assert names(own.rename(kept.prompts[0].id, "same")) == ["same", "same (2)", "same (3)"], (
        "its own is free"
    )


def test_a_long_name_is_cut(own):
    (one,) = own.keep("x" * 500, "text").prompts
    assert len(one.name) == LONGEST_NAME


def test_what_is_no_longer_there_is_no_trouble(own):
    own.keep("one", "text")
    assert names(own.rename("gone", "two")) == names(own.remove("gone")) == ["one"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"prompts": 3}', b'{"prompts": [{"id": 1}]}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_file_is_set_aside_and_said(own, content):
    own.file.parent.mkdir()
    own.file.write_bytes(content)
    kept = own.keep("new", "text")
    assert names(kept) == ["new"] and names(own.read()) == ["new"] and own.read().set_aside is None
    assert kept.set_aside is not None and kept.set_aside.read_bytes() == content


def test_reading_a_damaged_file_sets_it_aside_too(own):
    own.file.parent.mkdir()
    own.file.write_bytes(b"{")
    assert own.read().set_aside is not None
    assert own.read() == Kept(())


def test_reading_writes_nothing_beside_a_whole_file(own):
    own.keep("one", "text")
    for path in own.file.parent.iterdir():
        if path != own.file:
            path.unlink()
    own.read()
    assert list(own.file.parent.iterdir()) == [own.file], "a folder that can only be read will do"


def test_a_file_that_the_system_refuses(own):
    own.file.mkdir(parents=True)
    with pytest.raises(AppError) as caught:
        own.read()
    assert caught.value.code == "file_unreadable"


def test_fields_of_a_later_version_are_ignored(own):
    own.file.parent.mkdir()
    entry = {"id": "1", "name": "n", "text": "t", "icon": "x"}
    own.file.write_text(json.dumps({"schema": 2, "prompts": [entry]}), encoding="utf-8")
    assert own.read().prompts == (Prompt("1", "n", "t"),)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="folders that refuse, for a usual user"
)
def test_a_folder_that_refuses(own):
    own.file.parent.mkdir()
    own.file.parent.chmod(0o500)
    with pytest.raises(AppError) as caught:
        own.keep("one", "text")
    assert caught.value.code == "state_unwritable"


def test_a_file_in_the_place_of_the_folder_is_said(own):
    own.file.parent.write_text("no folder", encoding="utf-8")
    with pytest.raises(AppError) as caught:
        own.keep("one", "text")
    assert caught.value.code == "state_unwritable"


def test_a_disk_that_is_full_leaves_what_was_there(own, monkeypatch):
    own.keep("one", "text")
    monkeypatch.setattr(
        type(own.file), "replace", lambda *_args: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(AppError, match="No space left"):
        own.keep("two", "text")
    monkeypatch.undo()
    assert names(own.read()) == ["one"] and list(own.file.parent.glob("*.part")) == []


def test_many_writers_lose_nothing(own):
    threads = [threading.Thread(target=own.keep, args=(f"p{n}", "text")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(own.read())) == sorted(f"p{n}" for n in range(12))


def test_half_surrogate_pairs_do_not_stop_it(own):
    (kept,) = own.keep("na\ud83dme", "te\udc00xt").prompts
    assert (kept.name, kept.text) == ("na?me", "te?xt") and own.read().prompts == (kept,)
