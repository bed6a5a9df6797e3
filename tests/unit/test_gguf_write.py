from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.gguf_types import TYPES, ValueType
from autoglm_desktop.store.gguf import parse_header, read_header
from autoglm_desktop.store.gguf_write import GgufWriter

VALUES = [
    ("bool", True, None),
    ("count", 7, None),
    ("negative", -7, None),
    ("ratio", 0.5, None),
    ("text", "汉字 \n", None),
    ("empty", "", None),
    ("u8", 255, ValueType.UINT8),
    ("i8", -128, ValueType.INT8),
    ("u16", 65_535, ValueType.UINT16),
    ("i16", -1, ValueType.INT16),
    ("u64", (1 << 64) - 1, ValueType.UINT64),
    ("i64", -(1 << 63), ValueType.INT64),
    ("f64", 0.1, ValueType.FLOAT64),
    ("numbers", (1, 2, 3), None),
    ("mixed signs", (1, -2), None),
    ("flags", (True, False), None),
    ("ratios", (0.5, 0.25), None),
    ("words", ("a", "", "字"), None),
    ("nothing", (), ValueType.STRING),
]


def test_every_value_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "values 值.gguf"
    writer = GgufWriter(path)
    for key, value, kind in VALUES:
        writer.add(key, value, kind)
    writer.write()
    assert dict(read_header(path).metadata) == {key: value for key, value, _ in VALUES}


@pytest.mark.parametrize("alignment", [1, 32, 64, 4096])
def test_tensors_lie_where_the_table_says(tmp_path: Path, alignment: int) -> None:
    path = tmp_path / "t.gguf"
    writer = GgufWriter(path, alignment=alignment)
    contents = {"a": b"\1" * 20, "b": b"\2" * 4, "c": b"\3" * 36}
    for name, data in contents.items():
        writer.add_tensor(
            name, TYPES["F32"], (len(data) // 4,), lambda data=data: [data[:4], memoryview(data)[4:]]
        )
    assert writer.write() == writer.size == path.stat().st_size
    header = read_header(path)
    raw = path.read_bytes()
    assert header.alignment == alignment
    assert header.data_offset % alignment == 0
    for tensor in header.tensors:
        start = header.data_offset + tensor.offset
        assert tensor.offset % alignment == 0
        assert raw[start : start + tensor.size] == contents[tensor.name]


def test_the_header_alone(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "h.gguf")
    writer.add_tensor("t", TYPES["Q4_K"], (4096, 4096), list)
    header = parse_header(io.BytesIO(writer.header()), writer.size)
    assert header.tensors[0].size == 4096 * 16 * 144
    assert not (tmp_path / "h.gguf").exists()


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_text("old")
    writer = GgufWriter(path, free_bytes=lambda _folder: 100)
    writer.add_tensor("t", TYPES["F32"], (1000,), lambda: pytest.fail("data was asked for"))
    with pytest.raises(AppError) as caught:
        writer.write()
    assert caught.value.code == "disk_full"
    assert caught.value.values == {"path": str(path), "needed": writer.size, "free": 100}
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf"]
    assert path.read_text() == "old"


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    def full() -> Iterator[bytes]:
        yield bytes(4)
        raise OSError(28, "No space left on device")

    writer = GgufWriter(tmp_path / "m.gguf")
    writer.add_tensor("t", TYPES["F32"], (1000,), full)
    with pytest.raises(AppError, match="disk_full"):
        writer.write()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_leaves_the_old_file(tmp_path: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield bytes(4)
        raise KeyboardInterrupt

    path = tmp_path / "m.gguf"
    path.write_text("old")
    writer = GgufWriter(path)
    writer.add_tensor("t", TYPES["F32"], (1000,), interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write()
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf"]
    assert path.read_text() == "old"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="file_unwritable"):
        GgufWriter(tmp_path / "none" / "m.gguf").write()


def test_wrong_data_is_a_bug_and_leaves_nothing(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "m.gguf")
    writer.add_tensor("t", TYPES["F32"], (2,), lambda: [bytes(4)])
    with pytest.raises(ValueError, match="t: 4 bytes instead of 8"):
        writer.write()
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_may_not_hold_twice(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "m.gguf")
    writer.add("k", 1)
    writer.add_tensor("t", TYPES["F32"], (2,), list)
    with pytest.raises(ValueError, match="k is there"):
        writer.add("k", 2)
    with pytest.raises(ValueError, match="t is there"):
        writer.add_tensor("t", TYPES["F32"], (2,), list)
    with pytest.raises(ValueError, match="element type"):
        writer.add("e", ())
    with pytest.raises(ValueError, match="power of two"):
        GgufWriter(tmp_path / "x.gguf", alignment=24)
