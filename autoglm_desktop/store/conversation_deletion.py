"""Deleting with a way back: rows get a stamp, nothing shows them, and a later start (or ``purge``) removes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..core import message_tree
from . import conversation_file, conversation_pictures, conversation_search
from .conversation_database import Database
from .conversation_values import Deletion

DELETED_KEPT_S = 7 * 86_400.0
"""After this long, the next start removes what was deleted for good."""
AT_ONCE = 500
"""Ids in one statement."""


def delete(store: Database, conversation: int) -> Deletion:
    """Take a whole conversation away."""
    with store.change() as database:
        stamp, head = _stamp(store, database), _head(database, conversation)
        database.execute("UPDATE conversations SET deleted = ? WHERE id = ?", (stamp, conversation))
        count = database.execute(
            "SELECT count(*) FROM messages WHERE conversation = ? AND deleted IS NULL", (conversation,)
        ).fetchone()[0]
    return Deletion(conversation, stamp, head, True, count)


def delete_from(store: Database, conversation: int, message: int) -> Deletion:
    """Take a message away, with its versions and everything after them; the transcript ends before it."""
    with store.change() as database:
        stamp, head = _stamp(store, database), _head(database, conversation)
        tree = message_tree.tree_of(
            database.execute(
                "SELECT id, parent FROM messages WHERE conversation = ? AND deleted IS NULL", (conversation,)
            )
        )
        if message not in tree.parents:
            return Deletion(conversation, stamp, head, False, 0)
        parent = tree.parents[message]
        gone = message_tree.below(tree, tree.children[parent])
        for part in _parts(gone):
            database.execute(f"UPDATE messages SET deleted = ? WHERE id IN ({_marks(part)})", (stamp, *part))
        database.execute("UPDATE conversations SET head = ? WHERE id = ?", (parent, conversation))
    return Deletion(conversation, stamp, head, False, len(gone))


def undo(store: Database, deletion: Deletion) -> bool:
    """Bring back what was deleted; False: it is gone for good."""
    conversation = deletion.conversation
    with store.change() as database:
        if deletion.whole:
            changed = database.execute(
                "UPDATE conversations SET deleted = NULL WHERE id = ? AND deleted = ?",
                (conversation, deletion.stamp),
            )
            return changed.rowcount > 0
        changed = database.execute(
            "UPDATE messages SET deleted = NULL WHERE conversation = ? AND deleted = ?",
            (conversation, deletion.stamp),
        )
        if changed.rowcount:
            database.execute("UPDATE conversations SET head = ? WHERE id = ?", (deletion.head, conversation))
        return changed.rowcount > 0


def purge(store: Database, deletion: Deletion) -> None:
    """Remove what was deleted, for good."""
    _purge(store, "= ?", deletion.stamp)


def purge_all(store: Database) -> None:
    """Remove everything that was ever deleted, for good."""
    _purge(store, "IS NOT ?", None)


def purge_old(store: Database) -> None:
    """Remove what was deleted a week ago, and the pictures that nobody refers to; those stay while a damaged file is
    kept, which may."""
    now = store.clock()
    _purge(store, "<= ?", now - DELETED_KEPT_S)
    if store.kept and not conversation_file.is_one_aside(store.path):
        conversation_pictures.sweep(store.pictures, conversation_pictures.referred(store.connection), now)


def _purge(store: Database, condition: str, value: float | None) -> None:
    """Remove the conversations and messages whose stamp fits, out of the index as well, then their pictures."""
    messages = f"""SELECT m.id FROM messages AS m JOIN conversations AS c ON c.id = m.conversation
        WHERE m.deleted {condition} OR c.deleted {condition}"""
    conversations = f"SELECT id FROM conversations WHERE deleted {condition}"
    ids = [row[0] for row in store.rows(messages, (value, value))]
    if not ids and not store.rows(conversations, (value,)):
        return
    names: set[str] = set()
    for part in _parts(ids):
        texts = f"SELECT id, text FROM messages WHERE indexed = 1 AND id IN ({_marks(part)})"
        conversation_search.unindex(store, store.rows(texts, part))
    with store.change() as database:
        for part in _parts(ids):
            within = f"IN ({_marks(part)})"
            found = database.execute(f"SELECT sha256, extension FROM pictures WHERE message {within}", part)
            names.update(f"{sha256}.{extension}" for sha256, extension in found)
            database.execute(f"DELETE FROM messages WHERE id {within}", part)
        drafts = database.execute(
            f"SELECT pictures FROM drafts WHERE conversation IN ({conversations})", (value,)
        )
        for (text,) in drafts:
            names.update(picture.file_name for picture in conversation_pictures.from_json(text))
        database.execute(f"DELETE FROM drafts WHERE conversation IN ({conversations})", (value,))
        database.execute(f"DELETE FROM conversations WHERE deleted {condition}", (value,))
    if store.kept and names:
        wanted = conversation_pictures.referred(store.connection)
        conversation_pictures.remove_unreferred(store.pictures, wanted, names)


def _stamp(store: Database, database: sqlite3.Connection) -> float:
    """Now, or just after the latest deletion: no two have the same."""
    latest = database.execute(
        "SELECT max(latest) FROM (SELECT max(deleted) AS latest FROM conversations"
        " UNION ALL SELECT max(deleted) FROM messages WHERE deleted IS NOT NULL)"
    ).fetchone()[0]
    now = store.clock()
    return now if latest is None or latest < now else float(latest) + 0.001


def _head(database: sqlite3.Connection, conversation: int) -> int | None:
    row = database.execute("SELECT head FROM conversations WHERE id = ?", (conversation,)).fetchone()
    return row[0] if row is not None else None


def _parts(ids: Iterable[int]) -> Iterable[tuple[int, ...]]:
    whole = tuple(ids)
    for begin in range(0, len(whole), AT_ONCE):
        yield whole[begin : begin + AT_ONCE]


def _marks(part: tuple[int, ...]) -> str:
    return ", ".join("?" * len(part))
