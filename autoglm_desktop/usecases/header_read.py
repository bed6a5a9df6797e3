"""Reading the beginning of a file at its source: one request for a range, ended as soon as the header is there."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

from ..core.errors import TargetError, TransferError
from ..core.gguf_header import GgufHeader
from ..core.repository import RemoteFile
from ..store import gguf
from ..store.headers import MAX_HEAD_BYTES
from ..store.transfer.place import Place, Reply, TryAgain

FIRST_BYTES = 16 << 20
LOOK_BYTES = 2 << 20
"""After so many more bytes at the latest it is tried whether the header is complete."""


async def read_head(place: Place, file: RemoteFile) -> tuple[bytes, int]:
    """A GGUF's bytes before its weights, and the size of the file. Raises TransferError, TargetError."""
    wanted = FIRST_BYTES
    while True:
        data, size, header = await _read(place, wanted, file)
        if header is not None:
            return data[: header.data_offset] or data, size
        if len(data) >= min(size, MAX_HEAD_BYTES) or len(data) < wanted:
            raise TransferError("header_unreadable", name=file.name, source=place.name)
        wanted *= 4


async def _read(place: Place, wanted: int, file: RemoteFile) -> tuple[bytes, int, GgufHeader | None]:
    """The first bytes, at most ``wanted``; the request ends where the header does. And the file's size. Raises
    TargetError as soon as it is known to be no GGUF."""
    data = bytearray()
    looked = 0
    async with _opened(place, wanted) as reply:
        size = file.size or reply.total or 0
        async for chunk in reply.chunks:
            data += chunk
            if len(data) >= max(min(2 * looked, looked + LOOK_BYTES), 4):
                looked = len(data)
                header = await asyncio.to_thread(_parse, bytes(data), max(size, looked + 1), file.path)
                if header is not None and size:
                    return bytes(data), size, header
            if len(data) >= wanted:
                break
    head = bytes(data[:wanted])
    size = size or len(head)
    return head, size, await asyncio.to_thread(_parse, head, size, file.path)


async def read_start(place: Place, wanted: int) -> bytes:
    """The first bytes."""
    data = bytearray()
    async with _opened(place, wanted) as reply:
        async for chunk in reply.chunks:
            data += chunk
            if len(data) >= wanted:
                break
    return bytes(data[:wanted])


@contextlib.asynccontextmanager
async def _opened(place: Place, wanted: int) -> AsyncIterator[Reply]:
    try:
        async with place.open(0, min(wanted, place.size or wanted)) as reply:
            yield reply
    except TryAgain as error:
        raise TransferError("download_unreachable", name=place.name, why=error.reason) from error


def _parse(head: bytes, size: int, path: str) -> GgufHeader | None:
    """None where the header is longer than what is there. Raises TargetError for what is no GGUF."""
    try:
        return gguf.parse_header(io.BytesIO(head), size, path=path)
    except TargetError as error:
        if error.code in ("gguf_truncated",) and len(head) < size:
            return None
        raise
