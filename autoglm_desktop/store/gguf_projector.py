"""Makes the Q8_0 vision part (GGUF projector) from the one in 16 bits: about half the bytes on the card.

Which tensors change: ``core.gguf_projector``. Metadata is copied byte by byte.
"""

from __future__ import annotations

import math
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader, TensorInfo
from ..core.gguf_projector import MADE_FROM, Q8_0, becomes, origin, quantised_bytes
from ..core.gguf_types import FILE_TYPE_IDS, SCALAR_FORMATS, ValueType
from .gguf import MAX_KEY, MAX_STRING, read_header
from .gguf_blocks import quantise_rows
from .gguf_bytes import Cursor
from .gguf_write import GgufWriter

PIECE = 1 << 20  # elements that are converted at a time: 4 MiB of floats

Report = Callable[[float], None]


def write_q8_0(
    source: Path,
    target: Path,
    report: Report = lambda _fraction: None,
    *,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> int:
    """Write ``target`` and return its size; it appears when it is whole. ``report`` is called with the part that is
    done (0–1) and may raise: then nothing is left behind.

    Raises TargetError (file_not_found, file_unreadable, gguf_damaged …, projector_not_convertible) and AppError
    (disk_full, file_unwritable).
    """
    header = read_header(source)
    total = quantised_bytes(header)
    if total is None:
        raise TargetError(
            "projector_not_convertible", path=os.fspath(source), type=header.projector_type or "?"
        )
    writer = GgufWriter(target, alignment=header.alignment, free_bytes=free_bytes)
    try:
        with source.open("rb") as file:
            for key, raw in _metadata(file, header):
                if key not in ("general.alignment", "general.file_type", MADE_FROM):
                    writer.add_raw(key, raw)
            writer.add("general.file_type", FILE_TYPE_IDS["Q8_0"])
            writer.add(MADE_FROM, origin(header))
            done = _Done(total, report)
            for tensor in header.tensors:
                pieces = partial(_pieces, file, header, tensor, done)
                writer.add_tensor(tensor.name, becomes(tensor), tensor.shape, pieces)
            return writer.write()
    except FileNotFoundError as error:
        raise TargetError("file_not_found", path=os.fspath(source)) from error


class _Done:
    """Counts what is written."""

    def __init__(self, total: int, report: Report) -> None:
        self._total, self._report, self._done = total, report, 0

    def add(self, count: int) -> None:
        self._done += count
        self._report(min(1.0, self._done / self._total))


def _pieces(
    file: BinaryIO, header: GgufHeader, tensor: TensorInfo, done: _Done
) -> Iterator[bytes | memoryview]:
    """A tensor's bytes as they are to be written. Raises TargetError where the file ends early."""
    count, kind = math.prod(tensor.shape), becomes(tensor)
    file.seek(header.data_offset + tensor.offset)
    step = PIECE // tensor.type.block * tensor.type.block
    for start in range(0, count, step):
        elements = min(step, count - start)
        size = elements // tensor.type.block * tensor.type.block_bytes
        raw = file.read(size)
        if len(raw) != size:
            raise TargetError("gguf_truncated", path=header.path, detail=f"{tensor.name} ends early")
        piece = raw if kind == tensor.type else quantise_rows(Q8_0, _floats(tensor.type.name, raw)).tobytes()
        yield piece
        done.add(len(piece))


def _floats(kind: str, raw: bytes) -> npt.NDArray[np.float32]:
    if kind == "BF16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.frombuffer(raw, "<f2" if kind == "F16" else "<f4").astype(np.float32)


def _metadata(file: BinaryIO, header: GgufHeader) -> Iterator[tuple[str, bytes]]:
    """Every key with its value as the file has it: type and bytes."""
    cursor = Cursor(file, header.file_size, header.path)
    cursor.take(4 + 4 + 8 + 8)  # magic, version, counts: read_header has judged them
    places = []
    for _entry in range(len(header.metadata)):
        key = cursor.string(MAX_KEY, "a key").decode("utf-8")
        start = cursor.position
        _skip_value(cursor, key)
        places.append((key, start, cursor.position))
    for key, start, end in places:
        file.seek(start)
        yield key, file.read(end - start)


def _skip_value(cursor: Cursor, key: str) -> None:
    kind = ValueType(cursor.number(ValueType.UINT32))
    if kind is ValueType.STRING:
        cursor.string(MAX_STRING, key)
    elif kind is ValueType.ARRAY:
        element, count = ValueType(cursor.number(ValueType.UINT32)), cursor.number(ValueType.UINT64)
        if element is ValueType.STRING:
            cursor.skip_strings(count)
        else:
            cursor.skip(count * struct.calcsize(SCALAR_FORMATS[element]))
    else:
        cursor.scalar(kind)
