"""The queue of downloads on disk: ``AUTOGLM_HOME/state/downloads.json``, replaced atomically under a lock.

Several instances share it. One of them works through it: the one that holds a lock file, which is free again when its
process ends, however that happens. The others show it, and change it by changing the file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import AppError
from ..core.machine import from_json, to_json

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Entry:
    """What is remembered of a download. ``state`` as in ``core.downloads``; ``pinned_*``: the commit it began with;
    ``files`` grow in ``plan_folder``. ``error``: code and values; ``interrupted``: the program ended while it ran."""

    id: str
    target: str
    source: str
    state: str
    title: str
    folder: str | None = None
    variant: str | None = None
    done_bytes: int = 0
    total_bytes: int | None = None
    pinned_source: str | None = None
    pinned_repo: str | None = None
    pinned_commit: str | None = None
    plan_folder: str | None = None
    files: tuple[str, ...] = ()
    error: dict[str, object] | None = None
    interrupted: bool = False


Change = Callable[[tuple[Entry, ...]], tuple[Entry, ...]]


class QueueFile:
    """Reads and changes it."""

    def __init__(self, state: Path) -> None:
        self.path = state / "downloads.json"

    def stamp(self) -> tuple[int, int] | None:
        """Changes when somebody has written it."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def read(self) -> tuple[Entry, ...]:
        """An unreadable file is logged and counts as empty; entries that make no sense are left out."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            listed = data["items"] if data["schema"] == 1 else []
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.exception("queue unreadable: %s", self.path)
            return ()
        return tuple(entry for item in listed if (entry := _entry(item)) is not None)

    def change(self, change: Change) -> tuple[Entry, ...]:
        """Replace it by what ``change`` makes of it. Raises AppError(state_unwritable)."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=LOCK_TIMEOUT_S):
                before = self.read()
                after = change(before)
                if after != before:
                    self._write(after)
                return after
        except OSError as error:  # filelock's Timeout is one too
            detail = error.strerror or str(error)
            raise AppError("state_unwritable", path=str(self.path), detail=detail) from error

    def _write(self, entries: tuple[Entry, ...]) -> None:
        fresh = self.path.with_suffix(".part")
        with fresh.open("w", encoding="utf-8") as file:
            items = [to_json(entry) for entry in entries]
            json.dump({"schema": 1, "items": items}, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def hold(self) -> FileLock | None:
        """The right to work through the queue, held from now on; None where another instance has it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str(self.path.with_name("downloads-worker.lock")), thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except OSError as error:
            log.warning("the queue cannot be locked: %s", error)
            return None
        return lock


def _entry(item: object) -> Entry | None:
    try:
        found = from_json(Entry, item)
    except (ValueError, TypeError):
        log.warning("queue entry not understood: %r", item)
        return None
    return found if found.id.isalnum() else None
