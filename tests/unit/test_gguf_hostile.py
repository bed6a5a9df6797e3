"""Headers that lie. Each is answered with one TargetError, at once and without taking memory."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import TargetError
from autoglm_desktop.core.gguf_types import GGUF_MAGIC, ValueType
from autoglm_desktop.store import gguf
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4

HUGE = (1 << 63, (1 << 64) - 1, 1 << 40)


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def head(tensors: int = 0, entries: int = 0, version: int = 3) -> bytes:
    return GGUF_MAGIC + struct.pack("<IQQ", version, tensors, entries)


def entry(key: bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def tensor(name: bytes, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    dims = len(shape)
    return string(name) + struct.pack(f"<I{dims}QIQ", dims, *shape, kind, offset)


def code_of(data: bytes, size: int | None = None) -> str:
    with pytest.raises(TargetError) as caught:
        gguf.parse_header(io.BytesIO(data), len(data) if size is None else size, path="p")
    assert caught.value.values["path"] == "p"
    assert caught.value.values["detail"]
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "gguf_not_a_gguf"),
        (b"GGU", "gguf_not_a_gguf"),
        (b"PK\3\4" + bytes(100), "gguf_not_a_gguf"),
        (b"<!DOCTYPE html><html>", "gguf_not_a_gguf"),
        (b"version https://git-lfs.github.com/spec/v1\n", "gguf_not_a_gguf"),
        (GGUF_MAGIC, "gguf_truncated"),
        (GGUF_MAGIC + b"\3\0", "gguf_truncated"),
        (head()[:-1], "gguf_truncated"),
        (head(version=0), "gguf_damaged"),
        (head(version=1), "gguf_version"),
        (head(version=4), "gguf_version"),
        (head(version=0x03000000), "gguf_big_endian"),
        (GGUF_MAGIC + struct.pack(">IQQ", 2, 0, 0), "gguf_big_endian"),
        (head(entries=1), "gguf_truncated"),
        (head(tensors=1), "gguf_truncated"),
        (head(entries=2) + entry(b"k", 4, bytes(4)) * 2, "gguf_damaged"),
        (head(entries=1) + entry(b"", 4, bytes(4)), "gguf_damaged"),
        (head(entries=1) + entry(b"\xff\xfe", 4, bytes(4)), "gguf_damaged"),
        (head(entries=1) + entry(b"k", 13, bytes(4)), "gguf_damaged"),
        (head(entries=1) + entry(b"k", 0xFFFFFFFF, bytes(4)), "gguf_damaged"),
        (head(entries=1) + entry(b"k", 9, struct.pack("<IQ", 9, 0)), "gguf_damaged"),
        (head(entries=1) + entry(b"k", 9, struct.pack("<IQ", 77, 0)), "gguf_damaged"),
        (head(entries=1) + string(b"k" * 70_000) + bytes(8), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", ()), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1, 1, 1, 1, 1)), "gguf_damaged"),
        (head(tensors=1) + string(b"t") + struct.pack("<I", 0xFFFFFFFF), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (0,)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (32, 0)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1 << 63,)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1 << 32, 1 << 32)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", ((1 << 62) - 1,)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (100,), kind=12), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (32,), kind=4), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (32,), kind=0xFFFFFFFF), "gguf_damaged"),
        (head(tensors=1) + tensor(b"n" * 64, (1,)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"\xff", (1,)), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1,), offset=32), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1,), offset=1 << 63), "gguf_damaged"),
        (head(tensors=2) + tensor(b"t", (8,)) + tensor(b"t", (8,), offset=32), "gguf_damaged"),
        (head(tensors=2) + tensor(b"a", (8,)) + tensor(b"b", (8,), offset=0), "gguf_damaged"),
        (head(tensors=1) + tensor(b"t", (1 << 40,)), "gguf_truncated"),
        (head(tensors=1) + tensor(b"t", (8,)), "gguf_truncated"),
    ],
)
def test_bad_headers(data: bytes, code: str) -> None:
    assert code_of(data) == code


@pytest.mark.parametrize("count", HUGE)
def test_huge_counts(count: int) -> None:
    array_of = lambda kind: struct.pack("<IQ", kind, count)  # noqa: E731
    assert code_of(head(tensors=count) + bytes(64)) == "gguf_damaged"
    assert code_of(head(entries=count) + bytes(64)) == "gguf_damaged"
    assert code_of(head(entries=1) + struct.pack("<Q", count) + bytes(64)) == "gguf_truncated"
    assert code_of(head(entries=1) + entry(b"k", 8, struct.pack("<Q", count)) + bytes(64)) == "gguf_truncated"
    for kind in ValueType:
        if kind is not ValueType.ARRAY:
            data = head(entries=1) + entry(b"k", 9, array_of(kind)) + bytes(64)
            assert code_of(data) == "gguf_truncated"


def test_a_string_of_a_long_array_reaches_beyond_the_file() -> None:
    strings = string(b"word") * 2000 + struct.pack("<Q", 1 << 50)
    data = head(entries=1) + entry(b"k", 9, struct.pack("<IQ", 8, 2001) + strings)
    assert code_of(data) == "gguf_truncated"


@pytest.mark.parametrize("alignment", [0, 3, 33, 1 << 31, 0xFFFFFFFF])
def test_alignments(alignment: int) -> None:
    data = head(entries=1) + entry(b"general.alignment", 4, struct.pack("<I", alignment))
    assert code_of(data) == "gguf_damaged"


def test_an_alignment_that_is_no_number() -> None:
    assert code_of(head(entries=1) + entry(b"general.alignment", 8, string(b"32"))) == "gguf_damaged"
    assert code_of(head(entries=1) + entry(b"general.alignment", 7, b"\1")) == "gguf_damaged"


def test_a_long_string_in_a_long_file_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(head(entries=1) + entry(b"k", 8, struct.pack("<Q", 1 << 32)))
        file.truncate(1 << 33)
    tracemalloc.start()
    try:
        with pytest.raises(TargetError, match="gguf_damaged"):
            gguf.read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_many_strings_are_not_hoarded(tmp_path: Path) -> None:
    """A sparse file is full of empty strings and keys: what is kept has a limit."""
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(head(entries=1) + entry(b"k", 9, struct.pack("<IQ", 8, 1 << 24)))
        file.truncate(1 << 28)
    tracemalloc.start()
    try:
        with pytest.raises(TargetError, match="gguf_damaged"):
            gguf.read_header(path, keep={"k"})
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tiny") / "m.gguf"
    write_tiny_glm4(path, layers=1)
    return path.read_bytes()


def test_truncated_anywhere(tiny: bytes) -> None:
    whole = gguf.parse_header(io.BytesIO(tiny), len(tiny))
    end = whole.data_offset + whole.tensors[-1].offset + whole.tensors[-1].size
    cuts = [*range(4, whole.data_offset, 31), whole.data_offset, end - 1]
    for cut in cuts:
        assert code_of(tiny[:cut]) == "gguf_truncated", cut
    assert gguf.parse_header(io.BytesIO(tiny[:end]), end).tensors == whole.tensors


def test_damaged_anywhere(tiny: bytes) -> None:
    """Whatever bytes are changed: a header or a TargetError, and properties that answer."""
    length = gguf.parse_header(io.BytesIO(tiny), len(tiny)).data_offset
    rng = random.Random(5)
    answers = set()
    for _ in range(800):
        data = bytearray(tiny[:length])
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(length)
            data[at : at + 8] = rng.choice([rng.randbytes(8), b"\xff" * 8, bytes(8), bytes(7) + b"\x80"])
        try:
            header = gguf.parse_header(io.BytesIO(bytes(data)), len(tiny))
        except TargetError as error:
            answers.add(error.code)
            continue
        answers.add("read")
        gguf.refusal(header)
        gguf.weight_table(header)
        assert isinstance(header.has_mrope, bool)
        assert header.kv_elements_per_token is None or header.kv_elements_per_token >= 0
    assert {"read", "gguf_damaged", "gguf_truncated"} <= answers


def test_random_bytes_behind_the_magic() -> None:
    rng = random.Random(6)
    for _ in range(300):
        code_of(head(tensors=rng.randint(1, 9), entries=rng.randint(1, 9)) + rng.randbytes(400))


def test_a_pipe_is_no_model(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(TargetError, match="file_unreadable"):
        gguf.read_header(tmp_path / "pipe.gguf")


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(head())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(TargetError, match="file_unreadable"):
        gguf.read_header(path)
