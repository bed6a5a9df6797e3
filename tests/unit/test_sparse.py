"""Files of which only the head is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.store import sparse
from autoglm_desktop.store.gguf import read_header
from autoglm_desktop.store.gguf_tiny import write_tiny_glm4


def room(path: Path) -> int:
    """Bytes on the disk."""
    if not hasattr(os.stat_result, "st_blocks"):
        pytest.skip("this system does not tell")
    return path.stat().st_blocks * 512


def test_a_head_takes_no_more_room_than_it_is_long(tmp_path: Path) -> None:
    path = tmp_path / "头.gguf"
    sparse.write_head(path, b"GGUF" * 100, 6 << 30)
    assert path.stat().st_size == 6 << 30
    assert room(path) < 1 << 20
    with path.open("rb") as file:
        assert file.read(404) == b"GGUF" * 100 + bytes(4)
    assert list(tmp_path.iterdir()) == [path]


def test_the_copy_of_a_head_reads_as_the_file_itself(tmp_path: Path) -> None:
    source, target = tmp_path / "m.gguf", tmp_path / "head.gguf"
    write_tiny_glm4(source)
    header = read_header(source)
    sparse.copy_head(source, target, header.data_offset)
    copied = read_header(target)
    assert (copied.tensors, copied.metadata, copied.file_size) == (
        header.tensors,
        header.metadata,
        header.file_size,
    )
    assert target.read_bytes()[header.data_offset :].strip(b"\0") == b""


def test_a_copy_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "head.gguf"
    target.write_bytes(b"old" * 1000)
    sparse.write_head(target, b"new", 5)
    assert target.read_bytes() == b"new\0\0"


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5 bytes in a file of 3"):
        sparse.write_head(tmp_path / "x", b"12345", 3)
    with pytest.raises(AppError) as caught:
        sparse.write_head(tmp_path / "no" / "x", b"1", 3)
    assert caught.value.code == "file_unwritable"
    with pytest.raises(AppError) as caught:
        sparse.copy_head(tmp_path / "missing", tmp_path / "x", 3)
    assert caught.value.code == "file_unreadable"
    assert list(tmp_path.iterdir()) == []
