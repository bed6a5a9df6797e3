"""How fast a folder's disk is read without the page cache: 1 MiB blocks in order, 4 KiB blocks at random.

The system is asked to go round its cache: O_DIRECT (Linux), F_NOCACHE (macOS), FILE_FLAG_NO_BUFFERING (Windows). Where
it refuses, nothing is told: the cache's speed is not the disk's.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..core.errors import Reason
from ..core.measured import DiskSpeed
from .disk import free_bytes, nearest_existing
from .disk_linux import mount_of

MIB = 1 << 20
BLOCK = 4096
FILE_BYTES = 256 * MIB
LEAST_BYTES = 32 * MIB
FLUSHED_BYTES = 4 * MIB
"""Written between two flushes: a slow disk takes a moment for it, and who cancels waits as long."""
SPARE_BYTES = 500_000_000
"""Left free on the disk."""
FULL = (errno.ENOSPC, errno.EDQUOT)
LIMIT_S = 3.0
MEMORY_FILE_SYSTEMS = frozenset(("tmpfs", "ramfs", "devtmpfs", "overlay-memory"))
"""These take O_DIRECT too (on new kernels) and have no disk."""


class Reader(Protocol):
    """Reads past the page cache; offsets and sizes are multiples of BLOCK."""

    def read(self, offset: int, size: int) -> int: ...

    def close(self) -> None: ...


def measure_disk(
    folder: Path,
    file: Path | None = None,
    limit_s: float = LIMIT_S,
    check: Callable[[], None] = lambda: None,
    opened: Callable[[Path], Reader | None] | None = None,
) -> DiskSpeed | Reason:
    """The speed of the disk under ``folder``, at most ``limit_s`` seconds for each of writing, sequential and random
    reading, or why it can't be told. ``file``: a large file there that can be read instead of a new one (a model).
    ``check`` is called in between and may raise, to end it; then nothing is left."""
    existing = nearest_existing(folder)
    if file_system(existing) in MEMORY_FILE_SYSTEMS:
        return Reason.of("disk_in_memory", path=str(existing))
    make = opened or open_reader
    if file is not None and file.is_file() and file.stat().st_size >= FILE_BYTES:
        return _measured(folder, file, make, limit_s, check)
    free = free_bytes(existing)
    room = FILE_BYTES if free is None else min(free - SPARE_BYTES, FILE_BYTES)
    if room < LEAST_BYTES:
        return Reason.of("measure_needs_disk", needed_bytes=FILE_BYTES + SPARE_BYTES)
    try:
        with tempfile.TemporaryDirectory(
            prefix=".autoglm-measure-", dir=existing, ignore_cleanup_errors=True
        ) as made:
            path = Path(made) / "block"
            _write(path, room, limit_s, check)
            return _measured(folder, path, make, limit_s, check)
    except OSError as error:
        if error.errno in FULL:
            return Reason.of("measure_needs_disk", needed_bytes=FILE_BYTES + SPARE_BYTES)
        return Reason.of("disk_unwritable", path=str(existing), detail=error.strerror or str(error))


def _measured(
    folder: Path,
    path: Path,
    make: Callable[[Path], Reader | None],
    limit_s: float,
    check: Callable[[], None],
) -> DiskSpeed | Reason:
    refused = Reason.of("disk_not_readable_uncached", path=str(folder))
    try:
        reader = make(path)
        if reader is None:
            return refused
        with contextlib.closing(reader):
            size = path.stat().st_size // MIB * MIB
            in_order = _sequential(reader, size, limit_s, check)
            latencies = _random(reader, size, limit_s, check)
    except OSError:
        return refused
    if in_order is None or not latencies:
        return refused
    latencies.sort()
    mean = sum(latencies) / len(latencies)
    return DiskSpeed(str(folder), in_order, int(1 / mean) if mean else None, latencies[len(latencies) // 2])


def _write(path: Path, most: int, limit_s: float, check: Callable[[], None]) -> None:
    """Random bytes (a disk may compress), on the disk when this returns; fewer than ``most`` where the disk is slow.
    Raises OSError."""
    block = os.urandom(MIB)
    deadline = time.perf_counter() + limit_s
    written = 0
    with path.open("wb") as file:
        while written + MIB <= most:
            check()
            file.write(block)
            written += MIB
            if written % FLUSHED_BYTES == 0:
                file.flush()
                os.fsync(file.fileno())
                if written >= LEAST_BYTES and time.perf_counter() >= deadline:
                    return
        file.flush()
        os.fsync(file.fileno())


def _sequential(reader: Reader, size: int, limit_s: float, check: Callable[[], None]) -> int | None:
    begun = time.perf_counter()
    done = offset = 0
    while time.perf_counter() - begun < limit_s and done < 4 * FILE_BYTES:
        check()
        got = reader.read(offset, MIB)
        done += got
        offset = (offset + MIB) % size
        if not got:
            break
    passed = time.perf_counter() - begun
    return int(done / passed) if done and passed else None


def _random(reader: Reader, size: int, limit_s: float, check: Callable[[], None]) -> list[float]:
    """Seconds of each read of 4 KiB, one at a time."""
    chance = random.Random(1)
    places = [chance.randrange(size // BLOCK) * BLOCK for _ in range(50_000)]
    begun = time.perf_counter()
    times: list[float] = []
    for offset in places:
        check()
        before = time.perf_counter()
        if before - begun >= limit_s:
            break
        reader.read(offset, BLOCK)
        times.append(time.perf_counter() - before)
    return times


def open_reader(path: Path) -> Reader | None:
    """A reader past the page cache; None where this system offers none. Raises OSError."""
    if sys.platform == "win32":
        from .measure_disk_windows import UnbufferedReader

        return UnbufferedReader(path)
    return _PosixReader(path)


class _PosixReader:
    def __init__(self, path: Path) -> None:
        direct = getattr(os, "O_DIRECT", 0)
        self._file = os.open(path, os.O_RDONLY | direct)
        if not direct:
            try:
                import fcntl

                fcntl.fcntl(self._file, fcntl.F_NOCACHE, 1)  # type: ignore[attr-defined,unused-ignore]
            except (ImportError, AttributeError, OSError) as error:
                os.close(self._file)
                raise OSError("no way round the page cache") from error
        self._buffer = mmap.mmap(-1, MIB)  # page-aligned, as O_DIRECT wants it

    def read(self, offset: int, size: int) -> int:
        return os.preadv(self._file, [memoryview(self._buffer)[:size]], offset)

    def close(self) -> None:
        os.close(self._file)
        self._buffer.close()


def file_system(folder: Path) -> str | None:
    """The file system's name as Linux tells it; None elsewhere."""
    return mount_of(folder)[0]
