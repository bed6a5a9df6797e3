"""The file that grows: written at any offset by threads, flushed, hashed in order while it grows."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import AppError
from .values import Wanted, part_of

READ_BYTES = 1024 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)
THREADS = 8
MOST_AT_ONCE = 512
"""Buffers of one write; systems take 1,024."""


class Hash(Protocol):
    def update(self, data: Any, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_hash(wanted: Wanted) -> Hash | None:
    """The hash by which a file is checked: sha256, else git's blob hash; None where none is known."""
    if wanted.sha256 is not None:
        return hashlib.sha256()
    if wanted.git_sha1 is not None and wanted.size is not None:
        found = hashlib.sha1(usedforsecurity=False)  # git's own choice; the small files that have no other
        found.update(b"blob %d\0" % wanted.size)
        return found
    return None


class PartFile:
    """``NAME.part``. Its methods run in threads of its own, as a slow disk must not hold the loop up."""

    def __init__(self, wanted: Wanted) -> None:
        self.path = part_of(wanted.target)
        self._wanted = wanted
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="transfer")
        self._lock = threading.Lock()
        self._hashing = threading.Lock()  # a cancelled call may still run while the next one begins
        self._file: int | None = None
        self._lost: OSError | None = None
        self.hash = new_hash(wanted)
        self.checked = 0
        """Bytes hashed so far."""

    async def open(self, size: int, *, fresh: bool) -> None:
        """Make or open it with ``size`` bytes (sparse where the file system can). Raises AppError."""
        await self.run(self._open, size, fresh)

    async def write(self, offset: int, chunks: list[bytes]) -> None:
        """Raises AppError(disk_full, file_unwritable)."""
        await self.run(self._gather, offset, chunks)

    def _gather(self, offset: int, chunks: list[bytes]) -> None:
        """Without copying them together, where the system can and there are not too many."""
        if not hasattr(os, "pwritev") or len(chunks) > MOST_AT_ONCE:
            self.write_now(offset, b"".join(chunks))
            return
        assert self._file is not None
        try:
            written = os.pwritev(self._file, chunks, offset)
        except OSError as error:
            raise self.failure(error) from error
        if written < sum(map(len, chunks)):
            self.write_now(offset + written, b"".join(chunks)[written:])

    def write_now(self, offset: int, data: bytes) -> None:
        """The same on the calling thread."""
        try:
            self._write(offset, data)
        except OSError as error:
            raise self.failure(error) from error

    async def flush(self) -> None:
        """What was written is on the disk afterwards. Raises AppError."""
        await self.run(self.flush_now)

    def flush_now(self) -> None:
        assert self._file is not None
        if self._lost is not None:  # the system forgets what it could not write: the next flush would succeed
            raise self.failure(self._lost)
        try:
            getattr(os, "fdatasync", os.fsync)(self._file)
        except OSError as error:
            self._lost = error
            raise self.failure(error) from error

    async def check_to(self, end: int, stop: threading.Event | None = None) -> None:
        """Hash on to offset ``end``; ``stop`` ends it early. Raises AppError."""
        await self.run(self._check_to, end, stop)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Waits for what its threads still do."""
        self._threads.shutdown(wait=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def failure(self, error: OSError) -> AppError:
        """The sentence for a failed write."""
        if error.errno in FULL:
            return AppError("disk_full_transfer", path=str(self._wanted.target.parent))
        if error.errno == errno.EFBIG:
            return AppError("file_too_large_here", path=str(self._wanted.target.parent))
        return AppError("file_unwritable", path=str(self.path), detail=error.strerror or str(error))

    def _open(self, size: int, fresh: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            self._file = os.open(self.path, flags | (os.O_TRUNC if fresh else 0), 0o644)
            os.ftruncate(self._file, size)
        except OSError as error:
            raise self.failure(error) from error

    def _write(self, offset: int, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            if hasattr(os, "pwrite"):
                count = os.pwrite(self._file, view, offset)
            else:
                with self._lock:
                    os.lseek(self._file, offset, os.SEEK_SET)
                    count = os.write(self._file, view)
            view, offset = view[count:], offset + count

    def _read(self, offset: int, count: int) -> bytes:
        assert self._file is not None
        if hasattr(os, "pread"):
            return os.pread(self._file, count, offset)
        with self._lock:
            os.lseek(self._file, offset, os.SEEK_SET)
            return os.read(self._file, count)

    def _check_to(self, end: int, stop: threading.Event | None) -> None:
        with self._hashing:
            while self.checked < end and not (stop is not None and stop.is_set()):
                try:
                    data = self._read(self.checked, min(READ_BYTES, end - self.checked))
                except OSError as error:
                    detail = error.strerror or str(error)
                    raise AppError("file_unreadable", path=str(self.path), detail=detail) from error
                if not data:
                    raise AppError("file_unreadable", path=str(self.path), detail="")
                if self.hash is not None:
                    self.hash.update(data)
                self.checked += len(data)


def matches(path: Path, wanted: Wanted, stop: threading.Event, told: Callable[[int], None]) -> bool:
    """Whether a file that is there is the wanted one, by its hash, else its size. ``told`` gets the bytes hashed.

    Reads the whole file where a hash is known; ``stop`` ends that early (False). Raises OSError.
    """
    size = path.stat().st_size
    if wanted.size is not None and size != wanted.size:
        return False
    digest = new_hash(wanted)
    if digest is None:
        return wanted.size is not None
    with path.open("rb", buffering=0) as file:
        while data := file.read(READ_BYTES):
            if stop.is_set():
                return False
            digest.update(data)
            told(file.tell())
    return digest.hexdigest() == expected(wanted)


def expected(wanted: Wanted) -> str | None:
    return wanted.sha256 or wanted.git_sha1
