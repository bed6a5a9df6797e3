"""A private folder for the pictures that engines read, removed with its process or, after a crash, by the next one.

Each process has its own folder and holds a lock file beside it; what nobody holds belongs to nobody any more.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import AppError

log = logging.getLogger(__name__)

ALL = "all.lock"
"""Held while a folder is made or removed."""
WAIT_S = 10.0
PREFIX = "pictures-"


@dataclass(frozen=True)
class OwnFolder:
    """A folder that only this user can read, and the lock that says that its process lives."""

    path: Path
    lock: FileLock

    def remove(self) -> None:
        _remove(self.path)
        self.lock.release()
        _forget(_lock_of(self.path))


def own_folder(base: Path) -> OwnFolder:
    """A new folder below ``base``; what crashed processes left there goes. For an executor.

    Raises AppError(folder_not_writable).
    """
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(str(base / ALL)).acquire(timeout=WAIT_S):
            _sweep(base)
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # 0700
            lock = FileLock(str(_lock_of(path)), thread_local=False)
            lock.acquire(timeout=0)
    except OSError as error:  # filelock's Timeout is one
        raise AppError("folder_not_writable", path=str(base), detail=error.strerror or str(error)) from error
    return OwnFolder(path, lock)


def sweep(base: Path) -> None:
    """Remove what crashed processes left. Cheap where there is nothing; never waits, never raises."""
    try:
        if base.is_dir() and any(base.glob(f"{PREFIX}*")):
            with FileLock(str(base / ALL)).acquire(timeout=0):
                _sweep(base)
    except OSError as error:
        log.info("%s is not swept: %s", base, error)


def _sweep(base: Path) -> None:
    for path in [path for path in base.glob(f"{PREFIX}*") if path.is_dir()]:
        lock = FileLock(str(_lock_of(path)), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue  # its process lives
        _remove(path)
        lock.release()
        _forget(_lock_of(path))
        log.info("%s was left over and is removed", path)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        log.warning("%s is not removed: %s", path, error)


def _forget(lock: Path) -> None:
    try:
        lock.unlink(missing_ok=True)
    except OSError as error:
        log.info("%s is not removed: %s", lock, error)
