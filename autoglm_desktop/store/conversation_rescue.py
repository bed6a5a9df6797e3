"""What can still be read of a damaged file of conversations, copied into a new one.

Reads a copy, so that the damaged file stays as it is. A range of rows that cannot be read is halved until the
unreadable ones are alone; what stands in no readable conversation goes into one made for it.
"""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conversation_schema import CONVERSATION_COLUMNS, MESSAGE_COLUMNS, PICTURE_COLUMNS
from .conversation_values import LATEST

log = logging.getLogger(__name__)

LIMIT_S = 10.0
"""After this long, what has been read is all there is: the window waits for it."""
UNKNOWN_LAST_ID = 1 << 20
"""How far to look where not even the last row can be found."""
MOST_FAILURES = 20_000
"""One after the other: then the rest of the table is taken to be lost."""
LOST_TITLE = "…"
WORDS = ("title", "settings", "text", "model", "rung", "endpoint", "finish_reason")
"""Columns of text; all others hold numbers."""
NEEDED = {
    "conversations": ("title", "created", "updated"),
    "messages": ("conversation", "role", "text", "created"),
}
TIMES = ("created", "updated")
DEFAULTS: dict[str, object] = {"settings": "{}", "pinned": 0}
"""In the place of what cannot be used; else nothing."""
TABLES = {
    "conversations": (*CONVERSATION_COLUMNS, "deleted"),
    "messages": (*MESSAGE_COLUMNS, "deleted"),
}


@dataclass(frozen=True)
class Rescue:
    """How many rows were copied. ``unreadable``: ranges of rows that gave nothing, at least this many."""

    conversations: int = 0
    messages: int = 0
    unreadable: int = 0


def rescue(damaged: Path, database: sqlite3.Connection) -> Rescue:
    """Copy what can be read into a new file's empty tables. Never raises for damage; a full disk is an sqlite3.Error
    or OSError."""
    with tempfile.TemporaryDirectory(prefix="autoglm-rescue-", dir=damaged.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        shutil.copyfile(damaged, copy)
        wal = damaged.with_name(f"{damaged.name}-wal")
        if wal.is_file():
            shutil.copyfile(wal, f"{copy}-wal")
        source = sqlite3.connect(copy, isolation_level=None)
        source.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            return _copy_all(source, database)
        finally:
            source.close()


def _copy_all(source: sqlite3.Connection, database: sqlite3.Connection) -> Rescue:
    reader = _Reader(source, time.monotonic() + LIMIT_S)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("BEGIN IMMEDIATE")
    try:
        conversations = _fill(database, reader, "conversations")
        messages = _fill(database, reader, "messages")
        _repair(database, linked="parent" in reader.columns("messages", ("parent",)))
        _plain(database, reader, "pictures", ("message", "position", *PICTURE_COLUMNS), "rowid")
        _plain(database, reader, "drafts", ("conversation", "text", "pictures"), "conversation")
        database.execute("DELETE FROM pictures WHERE message NOT IN (SELECT id FROM messages)")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    finally:
        database.execute("PRAGMA foreign_keys = ON")
    return Rescue(conversations, messages, reader.unreadable)


def _fill(database: sqlite3.Connection, reader: _Reader, table: str) -> int:
    columns = reader.columns(table, TABLES[table])
    if not {"id"} < set(columns):
        return 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    count = 0
    for row in reader.rows(table, columns):
        values = {name: _mended(name, value) for name, value in zip(columns, row, strict=True)}
        if not all(_fits(name, values.get(name)) for name in NEEDED[table]):
            reader.unreadable += 1
            continue
        mended = [values[name] if _fits(name, values[name]) else DEFAULTS.get(name) for name in columns]
        count += database.execute(
            f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", mended
        ).rowcount
    return count


def _fits(name: str, value: object) -> bool:
    """Rubbish can be read as a row as well."""
    if name == "role":
        return value in ("user", "assistant")
    return isinstance(value, str if name in WORDS else (int, float))


def _mended(name: str, value: object) -> object:
    """A time that cannot be one becomes now: a message is worth more than when it was written."""
    if name in TIMES and isinstance(value, (int, float)) and not 0 <= value < LATEST:
        return time.time()
    return value


def _repair(database: sqlite3.Connection, *, linked: bool) -> None:
    """Conversations for messages that have none; a parent for messages whose own is lost; heads that exist. ``linked``:
    the file knows parents, so that a message without one is a first one."""
    database.execute(
        """INSERT INTO conversations (id, title, created, updated)
            SELECT conversation, ?, min(created), max(created) FROM messages
            WHERE conversation NOT IN (SELECT id FROM conversations) GROUP BY conversation""",
        (LOST_TITLE,),
    )
    database.execute(
        """UPDATE messages SET parent = (SELECT max(b.id) FROM messages AS b
            WHERE b.conversation = messages.conversation AND b.id < messages.id
                AND (b.deleted IS NULL OR messages.deleted IS NOT NULL))
            WHERE (parent IS NOT NULL OR ?)
                AND NOT EXISTS (SELECT 1 FROM messages AS p WHERE p.id = messages.parent)""",
        (not linked,),
    )
    database.execute(
        """UPDATE conversations SET head = (SELECT max(id) FROM messages AS m
            WHERE m.conversation = conversations.id AND m.deleted IS NULL)
            WHERE head IS NULL OR head NOT IN (SELECT id FROM messages)"""
    )


def _plain(
    database: sqlite3.Connection, reader: _Reader, table: str, wanted: tuple[str, ...], key: str
) -> None:
    """Rows as they are; an old file has no such table."""
    columns = reader.columns(table, wanted)
    if columns != wanted:
        return
    for row in reader.rows(table, columns, key):
        if not all(map(_is_right, wanted, row)):
            reader.unreadable += 1
            continue
        database.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(wanted)}) VALUES ({', '.join('?' * len(wanted))})",
            row,
        )


def _is_right(name: str, value: object) -> bool:
    """Whether a value of a picture or a draft is one."""
    if name == "most_tokens" and value is None:
        return True
    if name == "sha256":
        return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
    if name == "extension":
        return isinstance(value, str) and re.fullmatch("[a-z]{3,4}", value) is not None
    if name in ("text", "pictures", "name"):
        return isinstance(value, str)
    return isinstance(value, int) and value >= (1 if name in ("width", "height", "most_tokens") else 0)


class _Reader:
    """Rows of a damaged file. ``unreadable``: ranges of rows that gave nothing."""

    def __init__(self, source: sqlite3.Connection, deadline: float) -> None:
        self._source = source
        self._deadline = deadline
        self.unreadable = 0

    def columns(self, table: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the wanted ones that the file has; none where its schema cannot be read."""
        try:
            found = {row[1] for row in self._source.execute(f"PRAGMA table_info({table})")}
        except (sqlite3.Error, UnicodeDecodeError) as error:
            log.warning("nothing can be read of %s: %s", table, error)
            self.unreadable += 1
            return ()
        return tuple(column for column in wanted if column in found)

    def rows(self, table: str, columns: tuple[str, ...], key: str = "id") -> Iterator[tuple[Any, ...]]:
        """Every row that can be read, in the order of their ids."""
        statement = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
        left, failures = [(0, self._last(table, key))], 0
        while left and failures < MOST_FAILURES and time.monotonic() < self._deadline:
            first, last = left.pop()
            try:
                yield from self._source.execute(statement, (first, last)).fetchall()
                failures = 0
            except (sqlite3.Error, UnicodeDecodeError) as error:
                failures += 1
                if first >= last:
                    self.unreadable += 1
                    log.info("%s %d cannot be read: %s", table, first, error)
                    continue
                middle = (first + last) // 2
                left += [(middle + 1, last), (first, middle)]
        self.unreadable += len(left)

    def _last(self, table: str, key: str) -> int:
        try:
            last = self._source.execute(f"SELECT max({key}) FROM {table}").fetchone()[0]
            return int(last or 0)
        except (sqlite3.Error, ValueError, TypeError):
            return UNKNOWN_LAST_ID
