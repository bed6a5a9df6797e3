"""How fast a folder's disk is read without the page cache: 1 MiB blocks in order, 4 KiB blocks at random.

The system is asked to go round its cache: O_DIRECT (Linux), F_NOCACHE (macOS), FILE_FLAG_NO_BUFFERING (Windows). Where
it refuses, nothing is told: the cache's speed is not the disk's.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from ..core.measured import DiskSpeed
from .disk import nearest_existing
from .files import read_text

MIB = 1 << 20
BLOCK = 4096
FILE_BYTES = 256 * MIB
LEAST_BYTES = 32 * MIB
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
    cancelled: Callable[[], bool] = lambda: False,
    opened: Callable[[Path], Reader | None] | None = None,
) -> DiskSpeed | None:
    """The speed of the disk under ``folder``, at most ``limit_s`` seconds for each of writing, sequential and random
    reading. ``file``: a large file there that can be read instead of a new one (a model). None: it can't be told here
    (a file system in memory, one that can't be read past its cache, a read-only or full disk), or cancelled.
    """
    existing = nearest_existing(folder)
    if _in_memory(existing):
        return None
    make = opened or open_reader
    if file is not None and file.is_file() and file.stat().st_size >= FILE_BYTES:
        return _measure(str(folder), file, make, limit_s, cancelled)
    try:
        with tempfile.TemporaryDirectory(prefix=".autoglm-measure-", dir=existing) as made:
            path = Path(made) / "block"
            if not _write(path, limit_s, cancelled):
                return None
            return _measure(str(folder), path, make, limit_s, cancelled)
    except OSError:
        return None


def _measure(
    folder: str,
    path: Path,
    make: Callable[[Path], Reader | None],
    limit_s: float,
    cancelled: Callable[[], bool],
) -> DiskSpeed | None:
    try:
        reader = make(path)
    except OSError:
        return None
    if reader is None:
        return None
    size = path.stat().st_size // MIB * MIB
    with contextlib.closing(reader):
        try:
            in_order = _sequential(reader, size, limit_s, cancelled)
            latencies = _random(reader, size, limit_s, cancelled)
        except OSError:
            return None
    if cancelled() or in_order is None or not latencies:
        return None
    latencies.sort()
    mean = sum(latencies) / len(latencies)
    return DiskSpeed(folder, in_order, int(1 / mean) if mean else None, latencies[len(latencies) // 2])


def _write(path: Path, limit_s: float, cancelled: Callable[[], bool]) -> bool:
    """Random bytes (a disk may compress), on the disk when this returns; fewer where the disk is slow."""
    block = os.urandom(MIB)
    deadline = time.perf_counter() + limit_s
    with path.open("wb") as file:
        written = 0
        while written < FILE_BYTES and not cancelled():
            file.write(block)
            written += MIB
            if written % LEAST_BYTES == 0:
                file.flush()
                os.fsync(file.fileno())
                if time.perf_counter() >= deadline:
                    break
    return written >= LEAST_BYTES and not cancelled()


def _sequential(reader: Reader, size: int, limit_s: float, cancelled: Callable[[], bool]) -> int | None:
    begun = time.perf_counter()
    done = offset = 0
    while time.perf_counter() - begun < limit_s and done < 4 * FILE_BYTES and not cancelled():
        got = reader.read(offset, MIB)
        done += got
        offset = (offset + MIB) % size
        if not got:
            break
    passed = time.perf_counter() - begun
    return int(done / passed) if done and passed else None


def _random(reader: Reader, size: int, limit_s: float, cancelled: Callable[[], bool]) -> list[float]:
    """Seconds of each read of 4 KiB, one at a time."""
    chance = random.Random(1)
    places = [chance.randrange(size // BLOCK) * BLOCK for _ in range(50_000)]
    begun = time.perf_counter()
    times: list[float] = []
    for offset in places:
        before = time.perf_counter()
        if before - begun >= limit_s or cancelled():
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


def _in_memory(folder: Path) -> bool:
    return file_system(folder) in MEMORY_FILE_SYSTEMS


def file_system(folder: Path, root: Path = Path("/")) -> str | None:
    """The file system's name as Linux tells it; None elsewhere."""
    if sys.platform != "linux":
        return None
    return parse_file_system(read_text(root / "proc/self/mountinfo") or "", folder.resolve())


def parse_file_system(mountinfo: str, folder: Path) -> str | None:
    """The type of the innermost mount above a folder, from ``/proc/self/mountinfo``."""
    best: tuple[int, str] | None = None
    for point, kind in _mounts(mountinfo):
        if folder.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), kind)
    return best[1] if best else None


def _mounts(mountinfo: str) -> Iterator[tuple[Path, str]]:
    from .cgroup import unescape

    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if dash and len(fields) >= 5 and tail:
            yield Path(unescape(fields[4])), tail[0]
