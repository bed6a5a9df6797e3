"""Writes GGUF files (version 3): metadata, then tensors streamed, so that no file has to fit into memory.

The file appears under its name only when it is whole. Used for tiny models (engine self-test, tests) and for
files of a real model's shapes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ..core.errors import AppError
from ..core.gguf_types import (
    GGUF_DEFAULT_ALIGNMENT,
    GGUF_MAGIC,
    GGUF_VERSION,
    SCALAR_FORMATS,
    GgmlType,
    ValueType,
    padded,
    tensor_bytes,
)
from . import sparse

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Hole:
    """Zeros that take no room on the disk, where the file system can."""

    size: int


TensorData = Callable[[], Iterable[bytes | memoryview | Hole]]
"""Gives a tensor's bytes in pieces when it is its turn to be written."""


@dataclass(frozen=True)
class _Tensor:
    name: str
    kind: GgmlType
    shape: tuple[int, ...]
    size: int
    data: TensorData


class GgufWriter:
    """Collects metadata and tensors; ``write`` puts them into one file.

    ::

        writer = GgufWriter(path)
        writer.add("general.architecture", "glm4")
        writer.add_tensor("output_norm.weight", TYPES["F32"], (4096,), lambda: [b"..."])
        writer.write()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        alignment: int = GGUF_DEFAULT_ALIGNMENT,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        if alignment <= 0 or alignment & (alignment - 1):
            raise ValueError(f"alignment {alignment} is no power of two")
        self._path = Path(path)
        self._alignment = alignment
        self._free_bytes = free_bytes
        self._metadata: dict[str, bytes] = {}
        self._tensors: dict[str, _Tensor] = {}
        if alignment != GGUF_DEFAULT_ALIGNMENT:
            self.add("general.alignment", alignment)

    def add(self, key: str, value: Scalar | Sequence[Scalar], kind: ValueType | None = None) -> None:
        """Adds a metadata value. ``kind`` (of the elements, for a sequence) defaults by the Python type:
        BOOL, UINT32 (INT32 where negative), FLOAT32, STRING. An empty sequence needs it."""
        if key in self._metadata:
            raise ValueError(f"{key} is there already")
        if isinstance(value, (bool, int, float, str)):
            kind = _default_kind([value]) if kind is None else kind
            self._metadata[key] = struct.pack("<I", kind) + _pack(kind, [value])
        else:
            kind = _default_kind(value) if kind is None else kind
            head = struct.pack("<IIQ", ValueType.ARRAY, kind, len(value))
            self._metadata[key] = head + _pack(kind, value)

    def add_raw(self, key: str, raw: bytes) -> None:
        """Adds a metadata value as another file has it: its type's number and its bytes."""
        if key in self._metadata:
            raise ValueError(f"{key} is there already")
        self._metadata[key] = raw

    def add_tensor(self, name: str, kind: GgmlType, shape: Sequence[int], data: TensorData) -> None:
        """Adds a tensor; ``shape`` has the row length first. ``data`` is called once, while writing."""
        if name in self._tensors:
            raise ValueError(f"{name} is there already")
        self._tensors[name] = _Tensor(name, kind, tuple(shape), tensor_bytes(kind, shape), data)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        data = sum(padded(tensor.size, self._alignment) for tensor in self._tensors.values())
        return len(self.header()) + data

    def header(self) -> bytes:
        """All that precedes the weights, padded: the start of ``write``'s file."""
        head = GGUF_MAGIC + struct.pack("<IQQ", GGUF_VERSION, len(self._tensors), len(self._metadata))
        pieces = [head]
        for key, value in self._metadata.items():
            pieces += (_string(key), value)
        offset = 0
        for tensor in self._tensors.values():
            dims = len(tensor.shape)
            place = struct.pack(f"<I{dims}QIQ", dims, *tensor.shape, tensor.kind.id, offset)
            pieces += (_string(tensor.name), place)
            offset += padded(tensor.size, self._alignment)
        whole = b"".join(pieces)
        return whole + bytes(padded(len(whole), self._alignment) - len(whole))

    def write(self) -> int:
        """Writes the file and returns its size. AppError ``disk_full`` (path, needed, free) or
        ``file_unwritable`` (path, detail); then nothing is left behind."""
        needed = self.size
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            free = self._free_bytes(self._path.parent)
            if needed > free:
                raise AppError("disk_full", path=os.fspath(self._path), needed=needed, free=free)
            with part.open("wb") as file:
                self._write(file)
            part.replace(self._path)
        except OSError as error:
            raise self._unwritable(error, needed) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return needed

    def _unwritable(self, error: OSError, needed: int) -> AppError:
        path = os.fspath(self._path)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = self._free_bytes(self._path.parent)
            return AppError("disk_full", path=path, needed=needed, free=free)
        return AppError("file_unwritable", path=path, detail=error.strerror or str(error))

    def _write(self, file: BinaryIO) -> None:
        file.write(self.header())
        for tensor in self._tensors.values():
            written = 0
            for piece in tensor.data():
                if isinstance(piece, Hole):
                    sparse.mark(file)
                    file.seek(piece.size, os.SEEK_CUR)
                    written += piece.size
                else:
                    written += file.write(piece)
            if written != tensor.size:
                raise ValueError(f"{tensor.name}: {written} bytes instead of {tensor.size}")
            file.write(bytes(padded(written, self._alignment) - written))
        file.truncate()  # where the last piece is a hole


def _string(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _default_kind(values: Sequence[Scalar]) -> ValueType:
    if not values:
        raise ValueError("an empty array needs its element type")
    first = values[0]
    if isinstance(first, bool):
        return ValueType.BOOL
    if isinstance(first, int):
        negative = any(isinstance(value, int) and value < 0 for value in values)
        return ValueType.INT32 if negative else ValueType.UINT32
    return ValueType.FLOAT32 if isinstance(first, float) else ValueType.STRING


def _pack(kind: ValueType, values: Sequence[Scalar]) -> bytes:
    if kind is ValueType.STRING:
        return b"".join(_string(cast(str, value)) for value in values)
    form = SCALAR_FORMATS[kind]
    return struct.pack(f"<{len(values)}{form[1:]}", *values)
