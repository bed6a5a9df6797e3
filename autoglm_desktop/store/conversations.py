"""Conversations in one SQLite file (WAL). One connection, used by one thread; every change is on disk when it returns.

Times are seconds since the epoch, speeds tokens/s. A message that an engine was still writing when everything died has
``finish_reason`` None.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import AppError

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id INTEGER PRIMARY KEY, title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
        role TEXT NOT NULL, text TEXT NOT NULL, created REAL NOT NULL,
        model TEXT, rung TEXT, tokens INTEGER, tokens_per_s REAL, first_token_s REAL, dropped INTEGER,
        finish_reason TEXT);
    CREATE INDEX messages_by_conversation ON messages(conversation, id);
    """,
)
"""Statements that bring a file from version N to N + 1 (PRAGMA user_version)."""

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Conversation:
    id: int
    title: str
    created: float
    updated: float


@dataclass(frozen=True)
class Facts:
    """What the engine reported of an answer. ``dropped`` counts old messages that no longer fitted."""

    model: str | None = None
    rung: str | None = None
    tokens: int | None = None
    tokens_per_s: float | None = None
    first_token_s: float | None = None
    dropped: int | None = None


@dataclass(frozen=True)
class StoredMessage:
    """``finish_reason``: stop | length | cancelled | failed; None: not an answer, or it was never finished."""

    id: int
    conversation: int
    role: str  # user | assistant
    text: str
    created: float
    facts: Facts = Facts()
    finish_reason: str | None = None


@dataclass(frozen=True)
class Opening:
    """What was found. ``kind``: fine | set_aside (damaged; now at ``path``) | newer (of a newer version: shown, nothing
    is kept) | not_kept (the file cannot be used: nothing is kept, ``detail`` says why)."""

    kind: str
    path: Path
    detail: str = ""


class Conversations:
    """Open it once, on the thread that uses it. Raises AppError(state_unwritable) when the disk refuses."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def open(self) -> Opening:
        """Open or make the file. Never fails: what cannot be kept is held in memory, and the result says so."""
        try:
            return self._open_file()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                return self._in_memory("not_kept", str(error))
            log.warning("conversations damaged: %s", error)
        except OSError as error:
            return self._in_memory("not_kept", str(error))
        try:
            aside = self._set_aside()
            self._open_file()
        except (OSError, sqlite3.Error) as error:
            return self._in_memory("not_kept", str(error))
        return Opening("set_aside", aside)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def list(self) -> tuple[Conversation, ...]:
        """All conversations, the latest used first."""
        rows = self._all("SELECT id, title, created, updated FROM conversations ORDER BY updated DESC, id DESC")
        return tuple(Conversation(*row) for row in rows)

    def create(self, title: str) -> Conversation:
        now = self._clock()
        with self._change() as database:
            values = (_clean(title), now, now)
            row = database.execute("INSERT INTO conversations (title, created, updated) VALUES (?, ?, ?)", values)
        return Conversation(_id(row), _clean(title), now, now)

    def rename(self, conversation: int, title: str) -> None:
        with self._change() as database:
            database.execute("UPDATE conversations SET title = ? WHERE id = ?", (_clean(title), conversation))

    def delete(self, conversation: int) -> None:
        """Delete a conversation and its messages for good."""
        with self._change() as database:
            database.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    def messages(self, conversation: int) -> tuple[StoredMessage, ...]:
        """The messages of a conversation, oldest first."""
        rows = self._all(_SELECT + " WHERE conversation = ? ORDER BY id", (conversation,))
        return tuple(_message(row) for row in rows)

    def append(self, conversation: int, role: str, text: str, facts: Facts = Facts()) -> StoredMessage:
        """Add a message at the end; the conversation counts as used now."""
        now, text = self._clock(), _clean(text)
        with self._change() as database:
            row = database.execute(
                "INSERT INTO messages (conversation, role, text, created, model, rung) VALUES (?, ?, ?, ?, ?, ?)",
                (conversation, role, text, now, facts.model, facts.rung),
            )
            database.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, conversation))
        return StoredMessage(_id(row), conversation, role, text, now, facts)

    def update_text(self, message: int, text: str) -> None:
        """Replace the text of an answer that is being written."""
        with self._change() as database:
            database.execute("UPDATE messages SET text = ? WHERE id = ?", (_clean(text), message))

    def finish(self, message: int, text: str, finish_reason: str, facts: Facts) -> None:
        """The last state of an answer."""
        with self._change() as database:
            database.execute(
                "UPDATE messages SET text = ?, finish_reason = ?, model = ?, rung = ?, tokens = ?, tokens_per_s = ?,"
                " first_token_s = ?, dropped = ? WHERE id = ?",
                (
                    *(_clean(text), finish_reason, facts.model, facts.rung, facts.tokens, facts.tokens_per_s),
                    *(facts.first_token_s, facts.dropped, message),
                ),
            )

    def delete_from(self, conversation: int, message: int) -> None:
        """Delete a message and everything after it in its conversation."""
        with self._change() as database:
            database.execute(
                "DELETE FROM messages WHERE conversation = ? AND id >= ?", (conversation, message)
            )

    def _open_file(self) -> Opening:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        try:
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            if version > len(MIGRATIONS):
                return self._copy_newer(database)
            problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(f"malformed: {problem}")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            _migrate(database)
        except BaseException:
            database.close()
            raise
        self._connection = database
        return Opening("fine", self.path)

    def _copy_newer(self, database: sqlite3.Connection) -> Opening:
        """Work on a copy in memory, so that the file of the newer version stays as it is."""
        memory = sqlite3.connect(":memory:", isolation_level=None)
        with contextlib.closing(database):
            database.backup(memory)
        self._connection = memory
        try:
            memory.execute(_SELECT + " LIMIT 1")
            memory.execute("SELECT id, title, created, updated FROM conversations LIMIT 1")
        except sqlite3.Error as error:
            memory.close()
            return self._in_memory("newer", str(error))
        memory.execute("PRAGMA foreign_keys = ON")
        return Opening("newer", self.path)

    def _in_memory(self, kind: str, detail: str) -> Opening:
        log.warning("conversations are not kept: %s", detail)
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        _migrate(self._connection)
        return Opening(kind, self.path, detail)

    def _set_aside(self) -> Path:
        """Rename the damaged file and what SQLite keeps beside it; returns the new path."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._clock()))
        number, base = 0, self.path.with_name(f"{self.path.stem}.damaged-{stamp}{self.path.suffix}")
        aside = base
        while aside.exists():
            number += 1
            aside = base.with_name(f"{base.stem}-{number}{base.suffix}")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            beside = Path(f"{self.path}{suffix}")
            if beside.exists():
                beside.replace(f"{aside}{suffix}")
        return aside

    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("conversations are not open")
        return self._connection

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:  # type: ignore[valid-type]
        try:
            return self._database().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise AppError("file_unreadable", path=str(self.path), detail=str(error)) from error

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        database = self._database()
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise AppError("state_unwritable", path=str(self.path), detail=str(error)) from error


_SELECT = (
    "SELECT id, conversation, role, text, created, model, rung, tokens, tokens_per_s, first_token_s, dropped,"
    " finish_reason FROM messages"
)


def _message(row: tuple[Any, ...]) -> StoredMessage:
    return StoredMessage(*row[:5], facts=Facts(*row[5:11]), finish_reason=row[11])


def _migrate(database: sqlite3.Connection) -> None:
    """Bring the schema up to date, each step in one transaction."""
    database.execute("PRAGMA foreign_keys = ON")
    for number, script in enumerate(MIGRATIONS, 1):
        if int(database.execute("PRAGMA user_version").fetchone()[0]) < number:
            database.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """A file that is no database or a broken one; not a locked, missing or read-only one."""
    if isinstance(error, sqlite3.OperationalError):
        return False
    return "not a database" in str(error) or "malformed" in str(error)


def _id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: half surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
