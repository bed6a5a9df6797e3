"""The SQLite file of the conversations: made, migrated, set aside when damaged, left alone when newer."""

from __future__ import annotations

import contextlib
import glob
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
CHECKED = ("conversations", "messages", "pictures", "drafts")
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
    except UnicodeDecodeError as error:  # SQLite names in its error what it has read as a name
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
        _check(database)
        _write_ahead(database)
        database.execute("PRAGMA synchronous = FULL")
        _migrate(database)
        _must_have_all(database)
        _must_take_changes(database)
    except BaseException:
        database.close()
        raise
    return database, Opening("fine", path)


def _check(database: sqlite3.Connection) -> None:
    """All pages, and the rows of our own tables with their indexes, which would hide rows: 0.1 s for 100,000 messages.

    Raises sqlite3.DatabaseError.
    """
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    checks = ["quick_check(1)", *(f"integrity_check({table})" for table in CHECKED if table in tables)]
    for check in checks:
        problem = database.execute(f"PRAGMA {check}").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(f"malformed: {problem}")


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
            memory.execute(f"EXPLAIN {statement}").fetchall()
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
            _read_into(memory, path)
        _migrate(memory)
    except (OSError, sqlite3.Error) as error:
        log.warning("nor can they be read: %s", error)
        memory.close()
        memory = sqlite3.connect(":memory:", isolation_level=None)
        _migrate(memory)
    return memory, Opening(kind, path, detail)


def _read_into(memory: sqlite3.Connection, path: Path) -> None:
    """Copy the file. Where SQLite can't keep its own files beside it (a folder that cannot be written), without them:
    then what was not yet moved out of the log is missing."""
    for manner in ("mode=ro", "mode=ro&immutable=1"):
        try:
            with contextlib.closing(
                sqlite3.connect(f"{path.absolute().as_uri()}?{manner}", uri=True)
            ) as source:
                source.backup(memory)
            return
        except sqlite3.OperationalError as error:
            if "immutable" in manner or "locked" in str(error):
                raise


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


def is_one_aside(path: Path) -> bool:
    """Whether a damaged file is kept beside it, which may refer to pictures that nothing else does."""
    return any(path.parent.glob(f"{glob.escape(path.stem)}.damaged-*{glob.escape(path.suffix)}"))


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


def _must_have_all(database: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where a table or a column is gone."""
    try:
        for statement in NEEDED:
            database.execute(f"EXPLAIN {statement}").fetchall()  # read no row
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        raise sqlite3.DatabaseError(f"malformed: {error}") from error


def _must_take_changes(database: sqlite3.Connection) -> None:
    """A file that can only be read would open as well, and refuse the first message."""
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    finally:
        database.execute("ROLLBACK")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """A file that is no database or a broken one; not a locked, missing or read-only one."""
    if isinstance(error, sqlite3.OperationalError):
        return False
    text = str(
        error
    )  # empty on Python 3.10 where SQLite's holds bytes that are no text; later UnicodeDecodeError
    return not text or "not a database" in text or "malformed" in text
