"""Full-text search over the messages: an FTS5 index that holds terms only, kept beside the rows.

Texts are indexed when they are finished, not while they stream; ``index_some`` catches up with what a crash or an older
version left. Where SQLite has no FTS5, every text is read instead (slow, said in the log).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..core import search_text
from ..core.errors import AppError
from .conversation_database import Database

log = logging.getLogger(__name__)

MOST_HITS = 100
CANDIDATES = 2_000
"""Where more messages than this fit, the newest are shown: ranking them all would take long and say little."""
BATCH = 500
STALE = 0
"""In the place of the index's version: it lacks what was changed meanwhile, or has what is gone."""


@dataclass(frozen=True)
class Hit:
    """``message`` None: the title. ``begin``, ``end``: the place of what was found in ``snippet`` (characters)."""

    conversation: int
    title: str
    message: int | None
    role: str
    created: float
    snippet: str
    begin: int
    end: int


@dataclass(frozen=True)
class Found:
    """``more``: there are more hits than these; ``complete``: every text is in the index by now."""

    hits: tuple[Hit, ...]
    more: bool = False
    complete: bool = True


def prepare(database: sqlite3.Connection, *, anew: bool = False) -> bool:
    """Make the index where it is missing or of another version. False: this SQLite has no FTS5."""
    version = search_text.VERSION
    known = database.execute("SELECT version FROM search_state").fetchone()
    try:
        if known is None or known[0] != version or anew:
            database.execute("BEGIN IMMEDIATE")
            database.execute("DROP TABLE IF EXISTS search")
            database.execute(
                "CREATE VIRTUAL TABLE search USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2')"
            )
            database.execute("UPDATE messages SET indexed = 0 WHERE indexed = 1")
            _state(database, version)
            database.execute("COMMIT")
        database.execute("SELECT rowid FROM search LIMIT 1").fetchone()
        return True
    except sqlite3.DatabaseError as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        log.warning("no full-text index, every text is read instead: %s", error)
        if known is None or known[0] != STALE:
            with contextlib.suppress(sqlite3.DatabaseError):  # a file that takes no change loses none either
                _state(database, STALE)  # what changes from now on is not in it
        return False


def _state(database: sqlite3.Connection, version: int) -> None:
    database.execute("DELETE FROM search_state")
    database.execute("INSERT INTO search_state (version) VALUES (?)", (version,))


def index(store: Database, messages: Sequence[tuple[int, str]]) -> None:
    """Index texts that are not indexed yet. A text is kept whether this works or not: then it is tried again later."""
    if not store.searchable or not messages:
        return
    rows = [(message, search_text.indexed(text)) for message, text in messages]
    try:
        with store.change() as database:
            database.executemany("INSERT INTO search (rowid, text) VALUES (?, ?)", rows)
            _mark(database, rows, 1)
    except AppError as error:
        log.warning("not indexed: %s", error)


def unindex(store: Database, messages: Sequence[tuple[int, str]]) -> None:
    """Take texts out, as they were indexed, before they change or go. Where that fails the next start begins anew."""
    if not store.searchable or not messages:
        return
    rows = [(message, search_text.indexed(text)) for message, text in messages]
    try:
        with store.change() as database:
            database.executemany("INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)", rows)
            _mark(database, rows, 0)
    except AppError as error:
        log.warning("the index is to be made anew: %s", error)
        with contextlib.suppress(AppError), store.change() as database:
            _state(database, STALE)


def _mark(database: sqlite3.Connection, rows: Sequence[tuple[int, str]], indexed: int) -> None:
    database.executemany("UPDATE messages SET indexed = ? WHERE id = ?", [(indexed, row[0]) for row in rows])


def index_some(store: Database, limit: int = BATCH) -> bool:
    """Index some of what is not indexed yet; True when nothing is left, or nothing can be done now."""
    if not store.searchable:
        return True
    rows = store.rows(_WAITING, (store.writing, limit))
    index(store, rows)
    return len(rows) < limit or store.rows(_WAITING, (store.writing, 1)) == rows[:1]


_WAITING = "SELECT id, text FROM messages WHERE indexed = 0 AND id IS NOT ? ORDER BY id DESC LIMIT ?"
_HIT = "m.conversation, c.title, m.id, m.role, m.created, m.text"
_SHOWN = """JOIN messages AS m ON m.id = search.rowid JOIN conversations AS c ON c.id = m.conversation
    WHERE search MATCH ? AND m.deleted IS NULL AND c.deleted IS NULL"""
_BY_RANK = f"SELECT {_HIT} FROM search {_SHOWN} ORDER BY search.rank, search.rowid DESC LIMIT ?"
_NEWEST = f"SELECT {_HIT} FROM search {_SHOWN} ORDER BY search.rowid DESC LIMIT ?"
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ? LIMIT ?)"


def search(store: Database, query: str, limit: int = MOST_HITS) -> Found:
    """Messages that hold all words of the query, the best first, before them the conversations that are called so.

    Nothing in a query is syntax. Raises AppError(file_unreadable).
    """
    wanted = search_text.terms(query)
    if not wanted:
        return Found(())
    titles = _titles(store, wanted, limit)
    try:
        rows = _indexed(store, query, limit + 1) if store.searchable else _read(store, query, limit + 1)
    except AppError as error:
        log.warning("the full-text index is made anew: %s", error)
        store.searchable = prepare(store.connection, anew=True)
        rows = _read(store, query, limit + 1)
    hits = [
        Hit(conversation, title, message, role, created, *search_text.snippet(text, query))
        for conversation, title, message, role, created, text in rows
    ]
    complete = not store.searchable or not store.rows(_WAITING, (store.writing, 1))
    found = (*titles, *hits)
    return Found(found[:limit], len(found) > limit, complete)


def _indexed(store: Database, query: str, limit: int) -> list[tuple[int, str, int, str, float, str]]:
    expression = search_text.match_expression(query)
    many = store.rows(_COUNT, (expression, CANDIDATES + 1))[0][0] > CANDIDATES
    return store.rows(_NEWEST if many else _BY_RANK, (expression, limit))


def _read(store: Database, query: str, limit: int) -> list[tuple[int, str, int, str, float, str]]:
    """Without an index: LIKE, which folds the case of ASCII letters and nothing else."""
    parts = [f"%{_escaped(term)}%" for term in search_text.words(query)]
    condition = " AND ".join(["m.text LIKE ? ESCAPE '\\'"] * len(parts))
    return store.rows(
        "SELECT m.conversation, c.title, m.id, m.role, m.created, m.text FROM messages AS m JOIN conversations AS c"
        f" ON c.id = m.conversation WHERE m.deleted IS NULL AND c.deleted IS NULL AND {condition}"
        " ORDER BY m.id DESC LIMIT ?",
        (*parts, limit),
    )


def _titles(store: Database, wanted: tuple[str, ...], limit: int) -> list[Hit]:
    found = []
    query = " ".join(wanted)
    for number, title, updated in store.rows(
        "SELECT id, title, updated FROM conversations WHERE deleted IS NULL ORDER BY updated DESC"
    ):
        plain = search_text.folded(title)
        if all(term in plain for term in wanted):
            found.append(Hit(number, title, None, "", updated, *search_text.snippet(title, query)))
            if len(found) == limit:
                break
    return found


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
