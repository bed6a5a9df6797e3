"""The SQLite file of the conversations: made, migrated, set aside when damaged, left alone when newer."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .conversation_rescue import Rescue, rescue
from .conversation_schema import MIGRATIONS, NEEDED

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0
WAL_PAUSE_S = 0.02


@dataclass(frozen=True)
class Opening:
    """What was found. ``kind``: fine | set_aside (damaged; now at ``path``, and ``rescued`` of it is in the new file) |
    newer (of a newer version: shown, nothing is kept) | not_kept (the file cannot be used: nothing is kept, ``detail``
    says why)."""

    kind: str
    path: Path
    detail: str = ""
    rescued: Rescue | None = None


def open_or_begin(path: Path, clock: Callable[[], float]) -> tuple[sqlite3.Connection, Opening]:
    """A connection that works in any case: to the file, to a new one in the place of a damaged one, or to memory."""
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            return _in_memory("not_kept", path, str(error))
        log.warning("conversations damaged: %s", error)
    except OSError as error:
        return _in_memory("not_kept", path, str(error))
    try:
        aside = _set_aside(path, clock())
        database = _open(path)[0]
        return database, Opening("set_aside", aside, rescued=_rescued(aside, database))
    except (OSError, sqlite3.Error) as error:
        return _in_memory("not_kept", path, str(error))


def _open(path: Path) -> tuple[sqlite3.Connection, Opening]:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    try:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            return _copy_newer(database, path)
        problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(f"malformed: {problem}")
        _write_ahead(database)
        database.execute("PRAGMA synchronous = FULL")
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return database, Opening("fine", path)


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite doesn't wait for another program that does the same just now, so this does."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(WAL_PAUSE_S)


def _copy_newer(database: sqlite3.Connection, path: Path) -> tuple[sqlite3.Connection, Opening]:
    """Work on a copy in memory, so that the file of the newer version stays as it is."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(database):
        database.backup(memory)
    try:
        for statement in NEEDED:
            memory.execute(statement).fetchall()
    except sqlite3.Error as error:
        memory.close()
        return _in_memory("newer", path, str(error))
    memory.execute("PRAGMA foreign_keys = ON")
    return memory, Opening("newer", path)


def _in_memory(kind: str, path: Path, detail: str) -> tuple[sqlite3.Connection, Opening]:
    """What is in the file as far as it can be read, which changes nothing in it; else nothing."""
    log.warning("conversations are not kept: %s", detail)
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if kind == "not_kept" and path.is_file():
            with contextlib.closing(
                sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            ) as source:
                source.backup(memory)
        _migrate(memory)
    except (OSError, sqlite3.Error) as error:
        log.warning("nor can they be read: %s", error)
        memory.close()
        memory = sqlite3.connect(":memory:", isolation_level=None)
        _migrate(memory)
    return memory, Opening(kind, path, detail)


def _rescued(aside: Path, database: sqlite3.Connection) -> Rescue | None:
    try:
        return rescue(aside, database)
    except (OSError, sqlite3.Error) as error:  # no room for a copy: the damaged file is there still
        log.warning("nothing was rescued: %s", error)
        return None


def _set_aside(path: Path, now: float) -> Path:
    """Rename the damaged file and what SQLite keeps beside it; returns the new path."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    base = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    aside, number = base, 0
    while aside.exists():
        number += 1
        aside = base.with_name(f"{base.stem}-{number}{base.suffix}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        beside = Path(f"{path}{suffix}")
        if beside.exists():
            beside.replace(f"{aside}{suffix}")
    return aside


def _migrate(database: sqlite3.Connection) -> None:
    """Bring the schema up to date, each version in one transaction; another process may do the same."""
    database.execute("PRAGMA foreign_keys = ON")
    for number, statements in enumerate(MIGRATIONS, 1):
        database.execute("BEGIN IMMEDIATE")
        if int(database.execute("PRAGMA user_version").fetchone()[0]) < number:
            for statement in statements:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number}")
        database.execute("COMMIT")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """A file that is no database or a broken one; not a locked, missing or read-only one."""
    if isinstance(error, sqlite3.OperationalError):
        return False
    return "not a database" in str(error) or "malformed" in str(error)
