"""The connection that everything about conversations goes through: one writer, on one thread, one change at a time."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import AppError, Reason

log = logging.getLogger(__name__)


class Database:
    """``kept``: what is changed reaches the disk (else it is a copy in memory, and no file is touched);
    ``searchable``: there is a full-text index; ``writing``: the answer that streams now."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.pictures = path.parent / "pictures"
        self.clock = clock
        self.kept = False
        self.searchable = False
        self.writing: int | None = None
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[Any]:
        """Read. Raises AppError(file_unreadable)."""
        wanted = tuple(values)
        try:
            try:
                return self.connection.execute(statement, wanted).fetchall()
            except sqlite3.OperationalError as error:
                if "decode to UTF-8" not in str(error):
                    raise
                log.warning(
                    "a text holds bytes that are none: %s", statement
                )  # a fault of the disk, as others are not
                self.connection.text_factory = lambda data: data.decode("utf-8", "replace")
                return self.connection.execute(statement, wanted).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise AppError("file_unreadable", path=str(self.path), detail=str(error)) from error

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when it ends; nothing of it where it fails. Raises AppError(state_unwritable)."""
        database = self.connection
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
            full = "disk is full" in str(error)  # SQLITE_FULL; Python tells its code only from 3.11 on
            detail = Reason.of("disk_is_full_now") if full else str(error)
            raise AppError("state_unwritable", path=str(self.path), detail=detail) from error

    @property
    def connection(self) -> sqlite3.Connection:
        """Of an open file. Raises RuntimeError."""
        if self._connection is None:
            raise RuntimeError("conversations are not open")
        return self._connection
