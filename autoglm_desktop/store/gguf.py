"""Reads the header of a GGUF file: metadata and tensor table, no weights.

Nothing in the file is trusted: every count and length is held against the bytes that are there before anything
is allocated, long arrays (vocabularies) are passed over and kept as counts, and what llama.cpp's own reader
refuses (``ggml/src/gguf.cpp``) is refused. A header of 470,000 vocabulary entries takes about 0.1 s.

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
from typing import BinaryIO, NoReturn, cast

from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader, Scalar, SkippedArray, TensorInfo, Value, refusal, weight_table
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

__all__ = ["GgufHeader", "SkippedArray", "TensorInfo", "parse_header", "read_header", "refusal", "weight_table"]

WINDOW = 1 << 20  # bytes read at a time
MAX_ENTRIES = 20_000  # metadata keys; real files have about 40
MAX_TENSORS = 200_000  # real files have up to some thousands
MAX_STRING = 8 << 20  # bytes of one string that is kept; chat templates are below 100 KiB
MAX_KEY = (1 << 16) - 1  # the GGUF specification's limit
MAX_KEPT = 64 << 20  # bytes of metadata kept in all
KEPT_ELEMENTS = 1024  # arrays up to this length are kept without being asked for
MAX_ALIGNMENT = 1 << 20


def read_header(path: str | os.PathLike[str], *, keep: Collection[str] = ()) -> GgufHeader:
    """The header of the GGUF file at ``path``.

    Arrays of more than ``KEPT_ELEMENTS`` elements become ``SkippedArray`` unless their key is in ``keep``.
    """
    label = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TargetError("file_unreadable", path=label, detail="not a regular file")
            return parse_header(file, status.st_size, path=label, keep=keep)
    except FileNotFoundError as error:
        raise TargetError("file_not_found", path=label) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise TargetError("file_unreadable", path=label, detail=str(error)) from error


def parse_header(file: BinaryIO, file_size: int, *, path: str = "", keep: Collection[str] = ()) -> GgufHeader:
    """The header at the start of ``file``, whose whole length is ``file_size`` bytes.

    ``file`` may hold only the beginning (the first block of a remote file).
    """
    return _Parser(file, file_size, path, keep).header()


class _Parser:
    """Walks the header once, front to back."""

    def __init__(self, file: BinaryIO, size: int, path: str, keep: Collection[str]) -> None:
        self._file, self._size, self._path, self._keep = file, size, path, keep
        self._window, self._base, self._at = b"", 0, 0  # self._at counts within the window
        self._kept = 0

    def header(self) -> GgufHeader:
        version, tensor_count, entry_count = self._start()
        metadata = self._metadata(entry_count)
        alignment = self._alignment(metadata)
        tensors = self._tensors(tensor_count)
        data_offset = padded(self._position, alignment) if tensors else self._position
        self._check_layout(tensors, data_offset, alignment)
        return GgufHeader(
            version=version,
            metadata=metadata,
            tensors=tensors,
            data_offset=data_offset,
            file_size=self._size,
            alignment=alignment,
            path=self._path,
        )

    # -- bytes

    @property
    def _position(self) -> int:
        return self._base + self._at

    def _fail(self, code: str, detail: str) -> NoReturn:
        raise TargetError(code, path=self._path, detail=detail)

    def _fill(self, need: int) -> None:
        """Makes at least ``need`` bytes from here available, at most a window more."""
        position = self._position
        if need > self._size - position:
            self._fail("gguf_truncated", f"{need} bytes wanted at {position} of {self._size}")
        self._file.seek(position)
        self._window, self._base, self._at = self._file.read(max(need, WINDOW)), position, 0
        if len(self._window) < need:
            self._fail("gguf_truncated", f"{need} bytes wanted at {position}, {len(self._window)} there")

    def _take(self, count: int) -> bytes:
        if len(self._window) - self._at < count:
            self._fill(count)
        start = self._at
        self._at += count
        return self._window[start : self._at]

    def _skip(self, count: int) -> None:
        if count > self._size - self._position:
            self._fail("gguf_truncated", f"{count} bytes wanted at {self._position} of {self._size}")
        self._at += count

    def _skip_strings(self, count: int) -> None:
        unpack = struct.Struct("<Q").unpack_from
        while count:
            if len(self._window) - self._at < 8:
                self._fill(8)
            window, at, last = self._window, self._at, len(self._window) - 8
            while count and at <= last:
                at += 8 + unpack(window, at)[0]
                count -= 1
            self._at = at
            if self._position > self._size:
                self._fail("gguf_truncated", f"a string reaches to {self._position} of {self._size}")

    def _number(self, kind: ValueType) -> int:
        return cast(int, self._scalar(kind))

    def _scalar(self, kind: ValueType) -> int | float | bool:
        form = struct.Struct(SCALAR_FORMATS[kind])
        return cast("int | float | bool", form.unpack(self._take(form.size))[0])

    def _string(self, limit: int, what: str) -> bytes:
        length = self._number(ValueType.UINT64)
        if length > self._size - self._position:
            self._fail("gguf_truncated", f"{what}: {length} bytes at {self._position} of {self._size}")
        if length > limit:
            self._fail("gguf_damaged", f"{what}: {length} bytes, at most {limit} make sense")
        self._keep_bytes(length + 64)
        return self._take(length)

    def _keep_bytes(self, count: int) -> None:
        self._kept += count
        if self._kept > MAX_KEPT:
            self._fail("gguf_damaged", f"more than {MAX_KEPT} bytes of metadata")

    # -- sections

    def _start(self) -> tuple[int, int, int]:
        if self._size < 4 or self._take(4) != GGUF_MAGIC:
            self._fail("gguf_not_a_gguf", f"does not start with {GGUF_MAGIC.decode()}")
        version = self._number(ValueType.UINT32)
        if version and version & 0xFFFF == 0:
            self._fail("gguf_big_endian", "written for big-endian processors")
        if version == 0:
            self._fail("gguf_damaged", "version 0")
        if version not in (2, GGUF_VERSION):
            self._fail("gguf_version", f"version {version}; 2 and {GGUF_VERSION} can be read")
        tensors, entries = self._number(ValueType.UINT64), self._number(ValueType.UINT64)
        if tensors > MAX_TENSORS or entries > MAX_ENTRIES:
            self._fail("gguf_damaged", f"{tensors} tensors, {entries} metadata entries")
        return version, tensors, entries

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for index in range(count):
            key = self._utf8(self._string(MAX_KEY, f"key {index}"), f"key {index}")
            if not key or key in metadata:
                self._fail("gguf_damaged", f"key {index} is {'there twice' if key else 'empty'}: {key!r}")
            kind = self._value_type(key)
            metadata[key] = self._array(key) if kind is ValueType.ARRAY else self._single(kind, key)
        return metadata

    def _utf8(self, raw: bytes, what: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._fail("gguf_damaged", f"{what} is no UTF-8")

    def _value_type(self, key: str) -> ValueType:
        number = self._number(ValueType.UINT32)
        try:
            return ValueType(number)
        except ValueError:
            self._fail("gguf_damaged", f"{key}: unknown value type {number}")

    def _single(self, kind: ValueType, key: str) -> Scalar:
        if kind is ValueType.STRING:
            return self._string(MAX_STRING, key).decode("utf-8", "replace")
        return self._scalar(kind)

    def _array(self, key: str) -> Value:
        kind, count = self._value_type(key), self._number(ValueType.UINT64)
        if kind is ValueType.ARRAY:
            self._fail("gguf_damaged", f"{key}: an array of arrays")
        size = 8 if kind is ValueType.STRING else struct.calcsize(SCALAR_FORMATS[kind])
        if count * size > self._size - self._position:
            self._fail("gguf_truncated", f"{key}: {count} elements at {self._position} of {self._size}")
        if count <= KEPT_ELEMENTS or key in self._keep:
            self._keep_bytes(64 * count)
            return tuple(self._single(kind, key) for _ in range(count))
        if kind is ValueType.STRING:
            self._skip_strings(count)
        else:
            self._skip(count * size)
        return SkippedArray(kind, count)

    def _alignment(self, metadata: dict[str, Value]) -> int:
        value = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
        if not isinstance(value, int) or not 0 < value <= MAX_ALIGNMENT or value & (value - 1):
            self._fail("gguf_damaged", f"general.alignment is {value!r}, no power of two")
        return value

    def _tensors(self, count: int) -> tuple[TensorInfo, ...]:
        tensors: dict[str, TensorInfo] = {}
        for index in range(count):
            tensor = self._tensor(index)
            if tensor.name in tensors:
                self._fail("gguf_damaged", f"tensor {tensor.name!r} is there twice")
            tensors[tensor.name] = tensor
        return tuple(tensors.values())

    def _tensor(self, index: int) -> TensorInfo:
        name = self._utf8(self._string(MAX_NAME - 1, f"tensor {index}"), f"tensor {index}'s name")
        dims = self._number(ValueType.UINT32)
        if not 0 < dims <= MAX_DIMS:
            self._fail("gguf_damaged", f"tensor {name!r} has {dims} dimensions")
        shape = tuple(self._number(ValueType.INT64) for _ in range(dims))
        number, offset = self._number(ValueType.UINT32), self._number(ValueType.UINT64)
        kind = TYPES_BY_ID.get(number)
        if kind is None:
            self._fail("gguf_damaged", f"tensor {name!r} has the unknown type {number}")
        if min(shape) <= 0 or math.prod(shape) >= 1 << 63:
            self._fail("gguf_damaged", f"tensor {name!r} has the shape {shape}")
        try:
            tensor_bytes(kind, shape)
        except ValueError as error:
            self._fail("gguf_damaged", f"tensor {name!r}: {error}")
        return TensorInfo(name, shape, kind, offset)

    def _check_layout(self, tensors: tuple[TensorInfo, ...], data_offset: int, alignment: int) -> None:
        """llama.cpp wants tensors one after the other; only the last one's padding may be missing."""
        expected = end = 0
        for tensor in tensors:
            if tensor.offset != expected:
                self._fail("gguf_damaged", f"tensor {tensor.name!r} at {tensor.offset}, expected at {expected}")
            end = tensor.offset + tensor.size
            expected = padded(end, alignment)
        if data_offset + end > self._size:
            self._fail("gguf_truncated", f"{self._size} of {data_offset + end} bytes are there")
