"""Hashes and copies large files in pieces, so that it can be stopped between two of them. Runs in a thread."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..core.errors import AppError

CHUNK_BYTES = 4 * 1024 * 1024
"""Read at a time: a tenth of a second even from a slow disk."""
COPYING = ".copying.part"
"""A copy until it is right. Not the name of an unfinished download, which may lie there as well."""
FULL = (errno.ENOSPC, errno.EDQUOT)
Told = Callable[[int], None]


class Stopped(Exception):
    """The work was to stop; nothing is half done under a final name."""


def sha256_of(path: Path, stop: threading.Event, told: Told) -> str:
    """The file's sha256; ``told`` gets the bytes of each piece. Raises Stopped, AppError(file_unreadable)."""
    return _digest(path, hashlib.sha256(), stop, told)


def git_sha1_of(path: Path, stop: threading.Event, told: Told) -> str:
    """Git's blob hash, likewise."""
    found = hashlib.sha1(usedforsecurity=False)
    found.update(b"blob %d\0" % size_of(path))
    return _digest(path, found, stop, told)


def size_of(path: Path) -> int:
    """Raises AppError(file_unreadable)."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error


def copy(
    source: Path,
    target: Path,
    stop: threading.Event,
    told: Told,
    *,
    sparse: bool = False,
    expected: str | None = None,
) -> str:
    """Copy a file, read the copy again and compare; returns the sha256. ``told`` gets the bytes of each piece, of
    writing and of reading again. ``sparse``: stretches of zeros are not written. ``expected``: the sha256 it must
    have. The target appears when it is right; what lies there already is never replaced.

    Raises Stopped, AppError (file_unreadable, file_unwritable, disk_is_full, copy_damaged, source_damaged,
    import_exists).
    """
    fresh = target.with_name(target.name + COPYING)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)  # of an earlier try; a link would be written through
        wanted = _copy(source, fresh, stop, told, sparse)
        if expected not in (None, wanted):
            raise AppError("source_damaged", path=str(source))
        if sha256_of(fresh, stop, told) != wanted:
            raise AppError("copy_damaged", path=str(target))
        with contextlib.suppress(OSError):  # the times only: a read-only copy could not be deleted on Windows
            status = source.stat()
            os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
        rename_new(fresh, target)
    except FileExistsError as error:
        raise AppError("import_exists", path=str(target)) from error
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return wanted


def rename_new(source: Path, target: Path) -> None:
    """Rename a file to a name that is free. Raises FileExistsError where it is not, whatever has it; OSError."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if os.name == "nt" or source.is_symlink():
        source.rename(target)  # Windows replaces nothing
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        source.rename(target)  # a file system without links
    else:
        source.unlink()


def same_content(one: Path, other: Path, stop: threading.Event) -> bool:
    """Whether two files are equal. Raises Stopped, AppError(file_unreadable)."""
    if size_of(one) != size_of(other):
        return False
    try:
        with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
            while data := _piece(first, stop):
                if data != _piece(second, stop):
                    return False
    except OSError as error:
        raise unreadable(one, error) from error
    return True


def allocated(status: os.stat_result) -> int:
    """Bytes a file takes on the disk, as far as the system tells: less than its size where it has holes."""
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * 512)


def unreadable(path: Path, error: OSError) -> AppError:
    return AppError("file_unreadable", path=str(path), detail=error.strerror or str(error))


def unwritable(path: Path, error: OSError) -> AppError:
    """The sentence for a write that failed."""
    if error.errno in FULL:
        return AppError("disk_is_full", path=str(path.parent))
    if error.errno == errno.EFBIG:
        return AppError("file_too_large_here", path=str(path.parent))
    return AppError("file_unwritable", path=str(path), detail=error.strerror or str(error))


def _digest(path: Path, found: hashlib._Hash, stop: threading.Event, told: Told) -> str:
    try:
        with path.open("rb", buffering=0) as file:
            while data := _piece(file, stop):
                found.update(data)
                told(len(data))
    except OSError as error:
        raise unreadable(path, error) from error
    return found.hexdigest()


def _copy(source: Path, fresh: Path, stop: threading.Event, told: Told, sparse: bool) -> str:
    found = hashlib.sha256()
    with _opened(source) as file, fresh.open("xb") as out:
        while data := _read(source, file, stop):
            found.update(data)
            if sparse and not data.strip(b"\0"):
                out.seek(len(data), os.SEEK_CUR)
            else:
                out.write(data)
            told(len(data))
        out.truncate()
        out.flush()
        os.fsync(out.fileno())
        if hasattr(os, "posix_fadvise"):  # so that reading again reads the disk
            os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return found.hexdigest()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error


def _read(path: Path, file: BinaryIO, stop: threading.Event) -> bytes:
    try:
        return _piece(file, stop)
    except OSError as error:
        raise unreadable(path, error) from error


def _piece(file: BinaryIO, stop: threading.Event) -> bytes:
    if stop.is_set():
        raise Stopped
    return file.read(CHUNK_BYTES)
