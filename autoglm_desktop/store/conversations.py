"""Conversations in one SQLite file (WAL). One connection, used by one thread; every change is on disk when it returns.

Times are seconds since the epoch, speeds tokens/s. A message that an engine was still writing when everything died has
``finish_reason`` None.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import AppError
from . import conversation_file
from .conversation_file import Opening


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


class Conversations:
    """Open it once, on the thread that uses it. Raises AppError(state_unwritable) when the disk refuses."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def open(self) -> Opening:
        """Open or make the file. Never fails: what cannot be kept is held in memory, and the result says so."""
        self._connection, opening = conversation_file.open_or_begin(self.path, self._clock)
        return opening

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def all(self) -> tuple[Conversation, ...]:
        """All conversations, the latest used first."""
        rows = self._rows(
            "SELECT id, title, created, updated FROM conversations ORDER BY updated DESC, id DESC"
        )
        return tuple(Conversation(*row) for row in rows)

    def create(self, title: str) -> Conversation:
        now = self._clock()
        with self._change() as database:
            values = (_clean(title), now, now)
            row = database.execute(
                "INSERT INTO conversations (title, created, updated) VALUES (?, ?, ?)", values
            )
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
        rows = self._rows(_SELECT + " WHERE conversation = ? ORDER BY id", (conversation,))
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

    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("conversations are not open")
        return self._connection

    def _rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
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
    number, conversation, role, text, created, *facts, finish_reason = row
    return StoredMessage(number, conversation, role, text, created, Facts(*facts), finish_reason)


def _id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: half surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
