"""Reads the header of a GGUF file: metadata and tensor table, no weights.

Nothing in the file is trusted: every count and length is held against the bytes that are there before
anything is allocated, long arrays (vocabularies) are passed over and kept as counts, and what llama.cpp's
own reader refuses (``ggml/src/gguf.cpp``) is refused. Opens no device and waits for no pipe.

TargetError codes, all with ``path``, most with ``detail``: ``file_not_found``, ``file_unreadable``,
``gguf_not_a_gguf``, ``gguf_truncated``, ``gguf_damaged``, ``gguf_version``, ``gguf_big_endian``.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from ..core.errors import TargetError
from ..core.gguf_header import (
    GgufHeader,
    Scalar,
    SkippedArray,
    TensorInfo,
    Value,
    refusal,
    weight_table,
)
from ..core.gguf_types import (
    GGUF_DEFAULT_ALIGNMENT,
    GGUF_MAGIC,
    GGUF_VERSION,
    MAX_DIMS,
    MAX_NAME,
    SCALAR_FORMATS,
    TYPES_BY_ID,
    ValueType,
    padded,
    tensor_bytes,
)
from .gguf_bytes import Cursor

__all__ = [
    "GgufHeader",
    "SkippedArray",
    "TensorInfo",
    "parse_header",
    "read_header",
    "refusal",
    "weight_table",
]

MAX_ENTRIES = 20_000  # metadata keys; real files have about 40
MAX_TENSORS = 200_000  # real files have up to some thousands
MAX_STRING = 8 << 20  # bytes of one string that is kept; chat templates are below 100 KiB
MAX_KEY = (1 << 16) - 1  # the GGUF specification's limit
KEPT_ELEMENTS = 1024  # arrays up to this length are kept without being asked for
MAX_ALIGNMENT = 1 << 20


def read_header(path: str | os.PathLike[str], *, keep: Collection[str] = ()) -> GgufHeader:
    """The header of the GGUF file at ``path``.

    Arrays of more than ``KEPT_ELEMENTS`` elements become ``SkippedArray`` unless their key is in ``keep``.
    """
    label = os.fspath(path)
    if "\0" in label:
        raise TargetError("file_not_found", path=label)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # opening a FIFO would wait for its writer
            raise TargetError("file_unreadable", path=label, detail="not a regular file")
        with Path(path).open("rb") as file:
            return parse_header(file, os.fstat(file.fileno()).st_size, path=label, keep=keep)
    except FileNotFoundError as error:
        raise TargetError("file_not_found", path=label) from error
    except OSError as error:
        raise TargetError("file_unreadable", path=label, detail=str(error)) from error


def parse_header(file: BinaryIO, file_size: int, *, path: str = "", keep: Collection[str] = ()) -> GgufHeader:
    """The header at the start of ``file``, whose whole length is ``file_size`` bytes.

    ``file`` may hold only the beginning (the first block of a remote file).
    """
    return _Parser(Cursor(file, file_size, path), keep).header(path)


class _Parser:
    """Walks the header once, front to back."""

    def __init__(self, cursor: Cursor, keep: Collection[str]) -> None:
        self._in, self._keep = cursor, keep

    def header(self, path: str) -> GgufHeader:
        version, tensor_count, entry_count = self._start()
        metadata = self._metadata(entry_count)
        alignment = self._alignment(metadata)
        tensors = self._tensors(tensor_count)
        data_offset = padded(self._in.position, alignment) if tensors else self._in.position
        self._check_layout(tensors, data_offset, alignment)
        return GgufHeader(
            version=version,
            metadata=metadata,
            tensors=tensors,
            data_offset=data_offset,
            file_size=self._in.size,
            alignment=alignment,
            path=path,
        )

    def _start(self) -> tuple[int, int, int]:
        if self._in.size < 4 or self._in.take(4) != GGUF_MAGIC:
            self._in.fail("gguf_not_a_gguf", f"does not start with {GGUF_MAGIC.decode()}")
        version = self._in.number(ValueType.UINT32)
        if version and version & 0xFFFF == 0:
            self._in.fail("gguf_big_endian", "written for big-endian processors")
        if version == 0:
            self._in.fail("gguf_damaged", "version 0")
        if version not in (2, GGUF_VERSION):
            self._in.fail("gguf_version", f"version {version}; 2 and {GGUF_VERSION} can be read")
        tensors, entries = self._in.number(ValueType.UINT64), self._in.number(ValueType.UINT64)
        if tensors > MAX_TENSORS or entries > MAX_ENTRIES:
            self._in.fail("gguf_damaged", f"{tensors} tensors, {entries} metadata entries")
        return version, tensors, entries

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for index in range(count):
            key = self._utf8(self._in.string(MAX_KEY, f"key {index}"), f"key {index}")
            if not key or key in metadata:
                self._in.fail("gguf_damaged", f"key {index} is {'there twice' if key else 'empty'}: {key!r}")
            kind = self._value_type(key)
            metadata[key] = self._array(key) if kind is ValueType.ARRAY else self._single(kind, key)
        return metadata

    def _utf8(self, raw: bytes, what: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._in.fail("gguf_damaged", f"{what} is no UTF-8")

    def _value_type(self, key: str) -> ValueType:
        number = self._in.number(ValueType.UINT32)
        try:
            return ValueType(number)
        except ValueError:
            self._in.fail("gguf_damaged", f"{key}: unknown value type {number}")

    def _single(self, kind: ValueType, key: str) -> Scalar:
        if kind is ValueType.STRING:
            return self._in.string(MAX_STRING, key).decode("utf-8", "replace")
        return self._in.scalar(kind)

    def _array(self, key: str) -> Value:
        kind, count = self._value_type(key), self._in.number(ValueType.UINT64)
        if kind is ValueType.ARRAY:
            self._in.fail("gguf_damaged", f"{key}: an array of arrays")
        size = 8 if kind is ValueType.STRING else struct.calcsize(SCALAR_FORMATS[kind])
        self._in.require(count * size, key)
        if count <= KEPT_ELEMENTS or key in self._keep:
            self._in.keep(64 * count)
            return tuple(self._single(kind, key) for _ in range(count))
        if kind is ValueType.STRING:
            self._in.skip_strings(count)
        else:
            self._in.skip(count * size)
        return SkippedArray(kind, count)

    def _alignment(self, metadata: dict[str, Value]) -> int:
        value = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
        if (
            not isinstance(value, int)
            or value is True
            or not 0 < value <= MAX_ALIGNMENT
            or value & (value - 1)
        ):
            self._in.fail("gguf_damaged", f"general.alignment is {value!r}, no power of two")
        return value

    def _tensors(self, count: int) -> tuple[TensorInfo, ...]:
        tensors: dict[str, TensorInfo] = {}
        for index in range(count):
            tensor = self._tensor(index)
            if tensor.name in tensors:
                self._in.fail("gguf_damaged", f"tensor {tensor.name!r} is there twice")
            tensors[tensor.name] = tensor
        return tuple(tensors.values())

    def _tensor(self, index: int) -> TensorInfo:
        name = self._utf8(self._in.string(MAX_NAME - 1, f"tensor {index}"), f"tensor {index}'s name")
        dims = self._in.number(ValueType.UINT32)
        if not 0 < dims <= MAX_DIMS:
            self._in.fail("gguf_damaged", f"tensor {name!r} has {dims} dimensions")
        shape = tuple(self._in.number(ValueType.INT64) for _ in range(dims))
        number, offset = self._in.number(ValueType.UINT32), self._in.number(ValueType.UINT64)
        kind = TYPES_BY_ID.get(number)
        if kind is None:
            self._in.fail("gguf_damaged", f"tensor {name!r} has the unknown type {number}")
        if min(shape) <= 0 or math.prod(shape) >= 1 << 63:
            self._in.fail("gguf_damaged", f"tensor {name!r} has the shape {shape}")
        try:
            tensor_bytes(kind, shape)
        except ValueError as error:
            self._in.fail("gguf_damaged", f"tensor {name!r}: {error}")
        return TensorInfo(name, shape, kind, offset)

    def _check_layout(self, tensors: tuple[TensorInfo, ...], data_offset: int, alignment: int) -> None:
        """llama.cpp wants tensors one after the other; only the last one's padding may be missing."""
        expected = end = 0
        for tensor in tensors:
            if tensor.offset != expected:
                detail = f"tensor {tensor.name!r} at {tensor.offset}, expected at {expected}"
                self._in.fail("gguf_damaged", detail)
            end = tensor.offset + tensor.size
            expected = padded(end, alignment)
        if data_offset + end > self._in.size:
            self._in.fail("gguf_truncated", f"{self._in.size} of {data_offset + end} bytes are there")
