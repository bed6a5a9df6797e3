"""The demo's GGUF file: made once of its folder, exact, and made anew where it is not what it should be."""

import errno
import json
import os
import struct
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autoglm_desktop.core import demo as words
from autoglm_desktop.core.errors import AppError, TargetError
from autoglm_desktop.store import demo as module
from autoglm_desktop.store import gguf
from autoglm_desktop.store.demo import STEM, Demo
from autoglm_desktop.store.gguf_write import GgufWriter
from autoglm_desktop.store.paths import resources
from autoglm_desktop.texts import errors
from tests.fakes.made_demo import made_demo, make_demo, shapes, weights

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path):
    return made_demo(tmp_path)


def left(demo):
    """What lies in the cache, but for the lock."""
    return sorted(path.name for path in demo.cache.iterdir() if path.suffix != ".lock")


def test_the_file_holds_the_folders_weights_exactly(demo):
    path, folder = demo.files()
    header = gguf.read_header(path)
    assert folder == demo.folder and left(demo) == [path.name]
    assert header.metadata["general.name"] == words.NAME and header.metadata["general.architecture"] == "glm4"
    assert {one.name for one in header.tensors} >= {
        "token_embd.weight",
        "output.weight",
        "blk.0.ffn_up.weight",
    }
    assert len(header.tensors) == len(shapes())
    first = next(one for one in header.tensors if one.name == "token_embd.weight")
    data = path.read_bytes()[header.data_offset + first.offset :][: 2 * 512 * 64]
    told = np.frombuffer(data, np.float16).astype(np.float32).reshape(512, 64)
    random = np.random.default_rng(0)
    assert np.array_equal(told, (random.integers(-64, 65, (512, 64)) / 64).astype(np.float32))


def test_the_model_in_the_box_becomes_a_file_too(tmp_path):
    """The one that ships, not a made one."""
    shipped = Demo(resources() / "demo_model", tmp_path / "cache")
    assert shipped.is_there
    path, _folder = shipped.files()
    parameters = sum(int(np.prod(one.shape)) for one in gguf.read_header(path).tensors)
    assert parameters <= 4_000_000
    together = sum(file.stat().st_size for file in shipped.folder.iterdir())
    assert (shipped.folder / "model.safetensors").stat().st_size <= 8_000_000 and together <= 14_000_000


def test_it_is_made_once(demo):
    path, _folder = demo.files()
    before = path.stat()
    assert demo.files()[0] == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"]
)
def test_a_file_that_is_missing_is_told(demo, name):
    (demo.folder / name).unlink()
    with pytest.raises(TargetError, match="demo_missing") as told:
        demo.files()
    assert "install the program again" in errors.text(told.value) and not demo.cache.exists()


def test_a_folder_that_is_missing_is_told(tmp_path):
    missing = Demo(tmp_path / "nowhere", tmp_path / "cache")
    assert not missing.is_there
    with pytest.raises(TargetError, match="demo_missing"):
        missing.files()


def changed(demo, name, change):
    path = demo.folder / name
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(change(data)), encoding="utf-8")


def without(key):
    return lambda data: {name: value for name, value in data.items() if name != key}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", without("rope_parameters")),
        ("config.json", without("vocab_size")),
        ("config.json", lambda data: {**data, "model_type": "llama"}),
        ("config.json", lambda data: {**data, "tie_word_embeddings": True}),
        ("config.json", lambda data: {**data, "vocab_size": 513}),
        ("config.json", lambda data: {**data, "hidden_size": -(2**40)}),
        ("config.json", lambda data: {**data, "rms_norm_eps": None}),
        ("config.json", lambda data: [data]),
        ("config.json", lambda data: None),
        ("tokenizer.json", without("added_tokens")),
        ("tokenizer.json", without("model")),
        ("tokenizer.json", lambda data: {**data, "added_tokens": data["added_tokens"][1:]}),
        ("tokenizer.json", lambda data: {**data, "model": {**data["model"], "type": "WordLevel"}}),
        ("tokenizer.json", lambda data: {**data, "model": {**data["model"], "merges": None}}),
        ("tokenizer.json", lambda data: {**data, "model": 5}),
    ],
)
def test_texts_of_another_form_are_told_as_damage(demo, name, change):
    changed(demo, name, change)
    damaged(demo)


def damaged(demo):
    with pytest.raises(TargetError, match="demo_damaged") as told:
        demo.files()
    sentence = errors.text(told.value)
    assert "read (" in sentence and "read ()" not in sentence and left(demo) == []


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja"])
@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\x80{"])
def test_texts_that_are_no_text_are_told_as_damage(demo, name, raw):
    (demo.folder / name).write_bytes(raw)
    damaged(demo)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 5000, -1, -2, -1000])
def test_weights_that_were_cut_off_are_told_as_damage(demo, size):
    whole = weights()
    (demo.folder / "model.safetensors").write_bytes(whole[:size])
    damaged(demo)


def rewritten(entry):
    """The weights with another entry of one tensor."""
    whole = weights()
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    header["lm_head.weight"] = {**header["lm_head.weight"], **entry}
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + whole[8 + length :]


@pytest.mark.parametrize(
    "raw",
    [
        rewritten({"dtype": "F32"}),
        rewritten({"shape": [512, 65]}),
        rewritten({"shape": "?"}),
        rewritten({"data_offsets": [0]}),
        rewritten({"data_offsets": [0, 2**60]}),
        rewritten({"data_offsets": [-5, -1]}),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 13) + b'{"model": {}}',
    ],
)
def test_weights_of_another_form_are_told_as_damage(demo, raw):
    (demo.folder / "model.safetensors").write_bytes(raw)
    damaged(demo)


@pytest.mark.parametrize(
    ("half", "fits"), [(0x3380, True), (0x3300, False), (0x4780, False), (0x7FC0, False)]
)
def test_a_weight_that_f16_cannot_hold_is_refused(demo, half, fits):
    """As bf16: 2 ** -24, 2 ** -25, 2 ** 16, no number."""
    whole = bytearray(weights())
    (length,) = struct.unpack_from("<Q", whole)
    struct.pack_into("<H", whole, 8 + length, half)  # of the first tensor
    (demo.folder / "model.safetensors").write_bytes(bytes(whole))
    if fits:
        assert demo.files()[0].is_file()
    else:
        damaged(demo)


@pytest.mark.parametrize(
    "name", ["lm_head.weight", "model.layers.0.mlp.down_proj.weight", "model.norm.weight"]
)
def test_weights_that_lack_one_are_told_as_damage(demo, name):
    whole = weights()
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    head = json.dumps({key: value for key, value in header.items() if key != name}).encode()
    raw = struct.pack("<Q", len(head)) + head + whole[8 + length :]
    (demo.folder / "model.safetensors").write_bytes(raw)
    damaged(demo)


def test_a_cache_that_cannot_be_made_is_told(demo, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError, match="folder_not_writable") as told:
        Demo(demo.folder, tmp_path / "file" / "cache").files()
    assert str(tmp_path / "file") in errors.text(told.value)


def test_a_cache_that_cannot_be_written_is_told(demo, monkeypatch):
    real = Path.open

    def refused(path, mode="r", *args, **more):
        if path.name.endswith(".part") and "w" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, mode, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(AppError, match="file_unwritable"):
        demo.files()
    assert left(demo) == []


def test_a_lock_that_cannot_be_made_is_told(demo, monkeypatch):
    def refused(*_args, **_more):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(module, "FileLock", refused)
    with pytest.raises(AppError, match="folder_not_writable"):
        demo.files()


def test_what_was_made_before_is_used_where_nothing_can_be_written(demo, monkeypatch):
    path, _folder = demo.files()
    monkeypatch.setattr(module.Demo, "_make", None)
    assert demo.files()[0] == path


def test_a_full_disk_is_told_before_anything_is_written(demo, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage)
    with pytest.raises(AppError, match="disk_full") as told:
        demo.files()
    assert "enough room" in errors.text(told.value) and left(demo) == []


def test_a_disk_that_fills_up_leaves_nothing(demo, monkeypatch):
    def write(self, file):
        file.write(b"GGUF")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(AppError, match="disk_full"):
        patch.setattr(GgufWriter, "_write", write)
        demo.files()
    assert left(demo) == []
    assert demo.files()[0].is_file()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"]
)
def test_another_versions_file_is_replaced(demo, name):
    """Whatever of the folder is another."""
    first, _folder = demo.files()
    other = first.parent / "other.gguf"
    other.write_bytes(b"not ours")
    if name == "model.safetensors":
        make_demo(demo.folder, seed=1)
    else:
        with (demo.folder / name).open("a", encoding="utf-8") as file:
            file.write("\n")
    second, _folder = demo.files()
    assert second != first and not first.exists()
    assert left(demo) == sorted([second.name, other.name])


def test_another_versions_file_that_an_engine_reads_stays(demo, monkeypatch):
    """As on Windows."""
    first, _folder = demo.files()
    make_demo(demo.folder, seed=1)
    real = Path.unlink

    def refused(path, missing_ok=False):
        if path == first:
            raise PermissionError(errno.EACCES, "used by another process", str(path))
        real(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        second, _folder = demo.files()
    assert left(demo) == sorted([first.name, second.name])


@pytest.mark.parametrize("keep", [0, 3, 100, 20_000, -1, -32])
def test_a_file_that_was_cut_off_is_made_anew(demo, keep):
    path, _folder = demo.files()
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    assert demo.files()[0] == path and path.read_bytes() == whole


@pytest.mark.parametrize("keep", [0, 30_000, -1])
def test_a_file_of_zeros_is_made_anew(demo, keep):
    """What some file systems leave after a power cut: of all of it, or behind the header, which then reads well."""
    path, _folder = demo.files()
    whole = path.read_bytes()
    path.write_bytes(whole[:keep].ljust(len(whole), b"\0"))
    assert path.read_bytes() != whole
    assert demo.files()[0] == path and path.read_bytes() == whole


def test_what_a_killed_process_left_is_removed(demo):
    demo.cache.mkdir(parents=True)
    (demo.cache / f".{STEM}-0123456789ab.gguf.4711.part").write_bytes(b"GGUF")
    path, _folder = demo.files()
    assert left(demo) == [path.name]


def test_many_at_once_make_one_file(demo, monkeypatch):
    """Tasks of a window: all have seen that it is missing before the first writes."""
    begun, made = threading.Barrier(6, timeout=60), []
    real = Demo._make

    def make(self, mark):
        begun.wait()
        return real(self, mark)

    def write(*args):
        made.append(args)
        return wrote(*args)

    wrote = module.gguf_glm4.write_gguf
    monkeypatch.setattr(module.gguf_glm4, "write_gguf", write)
    monkeypatch.setattr(Demo, "_make", make)
    with ThreadPoolExecutor(6) as pool:
        found = {job.result() for job in [pool.submit(demo.files) for _ in range(6)]}
    assert len(found) == len(made) == 1 and left(demo) == [next(iter(found))[0].name]


def test_two_processes_at_once_make_one_file(demo):
    code = (
        "import sys; from pathlib import Path; from autoglm_desktop.store.demo import Demo; sys.stdin.readline();"
        "print(Demo(Path(sys.argv[1]), Path(sys.argv[2])).files()[0].name)"
    )
    command = [sys.executable, "-X", "utf8", "-c", code, str(demo.folder), str(demo.cache)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(command, **pipes, text=True, encoding="utf-8", cwd=ROOT) for _ in range(2)]
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in running]
    assert all(process.returncode == 0 for process in running), said
    (name,) = {out.strip() for out, _err in said}
    assert left(demo) == [name]


def test_what_is_the_demos(demo, tmp_path):
    path, folder = demo.files()
    assert demo.owns(folder) and demo.owns(path) and demo.owns(folder / "model.safetensors")
    assert demo.owns(folder / ".." / folder.name)
    assert not demo.owns(folder.parent) and not demo.owns(tmp_path / path.name)
    assert not demo.owns(demo.cache) and not demo.owns(demo.cache / "other.gguf")
