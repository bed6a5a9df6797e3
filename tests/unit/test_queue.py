"""The queue of downloads on disk."""

import json
import subprocess
import sys

import pytest

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.store.queue import Entry, QueueFile
from autoglm_desktop.usecases.downloads_items import error_json, error_of


def entry(item_id="a1", **more):
    return Entry(item_id, "made/model:Q4_K_M", "auto", more.pop("state", "queued"), "made", **more)


def test_what_is_written_is_read_again(tmp_path):
    file = QueueFile(tmp_path / "状态")
    wanted = entry(
        plan_folder=str(tmp_path),
        files=("a.gguf", "b.json"),
        pinned_commit="c" * 40,
        done_bytes=5,
        interrupted=True,
    )
    file.change(lambda before: (*before, wanted))
    assert QueueFile(tmp_path / "状态").read() == (wanted,)
    assert not list((tmp_path / "状态").glob("*.part"))


def test_changes_of_two_instances_add_up(tmp_path):
    one, other = QueueFile(tmp_path), QueueFile(tmp_path)
    one.change(lambda before: (*before, entry("a1")))
    seen = one.stamp()
    assert other.change(lambda before: (*before, entry("b2"))) == (entry("a1"), entry("b2"))
    assert one.stamp() != seen
    assert [found.id for found in one.read()] == ["a1", "b2"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2, "items": []}', '{"schema": 1}', "\x00"])
def test_an_unreadable_file_counts_as_empty(tmp_path, text):
    file = QueueFile(tmp_path)
    file.path.write_text(text, encoding="utf-8")
    assert file.read() == ()
    file.change(lambda before: (*before, entry()))
    assert len(file.read()) == 1


def test_entries_that_make_no_sense_are_left_out(tmp_path):
    file = QueueFile(tmp_path)
    file.change(lambda before: (entry("good"),))
    data = json.loads(file.path.read_text(encoding="utf-8"))
    data["items"] += [{"id": "x"}, {**data["items"][0], "id": "../out"}, 5, None]
    file.path.write_text(json.dumps(data), encoding="utf-8")
    assert [found.id for found in file.read()] == ["good"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    with pytest.raises(AppError) as caught:
        QueueFile(tmp_path / "state").change(lambda before: (entry(),))
    assert caught.value.code == "state_unwritable"


def test_only_one_instance_has_the_right_to_work(tmp_path):
    held = QueueFile(tmp_path).hold()
    assert held is not None
    assert QueueFile(tmp_path).hold() is None
    held.release()
    again = QueueFile(tmp_path).hold()
    assert again is not None
    again.release()


def test_the_right_is_free_again_when_its_process_dies(tmp_path):
    code = (
        "import sys, pathlib; from autoglm_desktop.store.queue import QueueFile\n"
        "held = QueueFile(pathlib.Path(sys.argv[1])).hold(); print(held is not None, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline().strip() == "True"
        assert QueueFile(tmp_path).hold() is None
        child.kill()
        child.wait(30)
    held = QueueFile(tmp_path).hold()
    assert held is not None
    held.release()


def test_errors_survive_with_their_values():
    error = AppError(
        "download_unreachable", name="a.gguf", why=Reason.of("server_trouble", status=503), known=["a"]
    )
    found = error_of(json.loads(json.dumps(error_json(error))))
    assert (found.code, found.values) == (error.code, error.values)
    assert error_json(None) is None and error_of(None) is None and error_of({"code": 5}) is None
