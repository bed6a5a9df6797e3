"""Conversations in one SQLite file (WAL). One connection, used by one thread; every change is on disk when it returns.

Messages form a tree (``core.message_tree``); what a method calls a transcript is the path to the head. A message that
an engine was still writing when everything died has ``finish_reason`` None. Deleting: ``conversation_deletion``;
searching: ``conversation_search``; export and import: ``conversation_export``.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from ..core import message_tree
from ..core.conversation import AS_THE_MODEL_HAS_IT, ConversationSettings
from ..core.errors import AppError
from . import conversation_deletion, conversation_file, conversation_pictures, conversation_search
from .conversation_database import Database
from .conversation_file import Opening
from .conversation_rows import (
    CONVERSATIONS,
    MESSAGES,
    ORDER,
    clean,
    conversation_of,
    fact_values,
    id_of,
    message_of,
    settings_text,
)  # fmt: skip
from .conversation_schema import FACT_COLUMNS, PICTURE_COLUMNS
from .conversation_values import NO_FACTS, Conversation, Deletion, Draft, Facts, Picture, StoredMessage

__all__ = [
    "Conversation",
    "Conversations",
    "Deletion",
    "Draft",
    "Facts",
    "Picture",
    "StoredMessage",
]
log = logging.getLogger(__name__)


class Conversations(Database):
    """Open it once, on the thread that uses it. Raises AppError(state_unwritable) when the disk refuses, AppError
    (file_unreadable) when what is kept cannot be read."""

    def open(self) -> Opening:
        """Open or make the file. Never fails: what cannot be kept is held in memory, and the result says so.

        What was deleted long ago goes for good, and with it the pictures that nobody refers to."""
        self._connection, opening = conversation_file.open_or_begin(self.path, self.clock)
        self.kept = opening.kind in ("fine", "set_aside")
        try:
            self.searchable = conversation_search.prepare(self._connection)
            conversation_deletion.purge_old(self)
        except (AppError, sqlite3.Error, OSError) as error:  # a full disk: what is there can still be read
            log.warning("conversations are not tidied up: %s", error)
        return opening

    def all(self) -> tuple[Conversation, ...]:
        """All conversations: pinned ones first, then the latest used first."""
        return tuple(map(conversation_of, self.rows(CONVERSATIONS + ORDER)))

    def get(self, conversation: int) -> Conversation | None:
        """One that is not deleted."""
        rows = self.rows(CONVERSATIONS + " AND id = ?", (conversation,))
        return conversation_of(rows[0]) if rows else None

    def create(self, title: str, settings: ConversationSettings = AS_THE_MODEL_HAS_IT) -> Conversation:
        now, title = self.clock(), clean(title)
        with self.change() as database:
            row = database.execute(
                "INSERT INTO conversations (title, created, updated, settings) VALUES (?, ?, ?, ?)",
                (title, now, now, settings_text(settings)),
            )
        return Conversation(id_of(row), title, now, now, settings=settings)

    def rename(self, conversation: int, title: str) -> None:
        self._set(conversation, "title", clean(title))

    def pin(self, conversation: int, pinned: bool) -> None:
        self._set(conversation, "pinned", int(pinned))

    def change_settings(self, conversation: int, settings: ConversationSettings) -> None:
        self._set(conversation, "settings", settings_text(settings))

    def delete(self, conversation: int) -> Deletion:
        """Take a conversation away; ``undo`` brings it back until it is purged."""
        return conversation_deletion.delete(self, conversation)

    def delete_from(self, conversation: int, message: int) -> Deletion:
        """Take away a message with its versions and everything after them; ``undo`` brings it back."""
        return conversation_deletion.delete_from(self, conversation, message)

    def undo(self, deletion: Deletion) -> bool:
        """Bring back what was deleted; False: it is purged."""
        return conversation_deletion.undo(self, deletion)

    def purge(self, deletion: Deletion) -> None:
        """Delete for good what was taken away."""
        conversation_deletion.purge(self, deletion)

    def messages(self, conversation: int) -> tuple[StoredMessage, ...]:
        """The transcript, oldest first."""
        return self.transcript(conversation, self._head(conversation))

    def transcript(self, conversation: int, head: int | None) -> tuple[StoredMessage, ...]:
        """The path to any message, oldest first."""
        tree = self.tree(conversation)
        return self._messages(conversation, tree, message_tree.path(tree, head))

    def every_message(self, conversation: int) -> tuple[StoredMessage, ...]:
        """All versions of all messages, each after its parent."""
        tree = self.tree(conversation)
        return self._messages(conversation, tree, tuple(tree.parents))

    def message(self, message: int) -> StoredMessage | None:
        """One message, whether it is in the transcript or not."""
        rows = self.rows(MESSAGES + " WHERE id = ? AND deleted IS NULL", (message,))
        if not rows:
            return None
        return message_of(rows[0], self.tree(rows[0][1]), self._pictures("m.id = ?", message))

    def tree(self, conversation: int) -> message_tree.Tree:
        return message_tree.tree_of(
            self.rows(
                "SELECT id, parent FROM messages WHERE conversation = ? AND deleted IS NULL ORDER BY id",
                (conversation,),
            )
        )

    def append(
        self,
        conversation: int,
        role: str,
        text: str,
        facts: Facts = NO_FACTS,
        pictures: Sequence[Picture] = (),
    ) -> StoredMessage:
        """Add a message at the end of the transcript; the conversation counts as used now."""
        return self.add(conversation, self._head(conversation), role, text, facts, pictures)

    def add(
        self,
        conversation: int,
        parent: int | None,
        role: str,
        text: str,
        facts: Facts = NO_FACTS,
        pictures: Sequence[Picture] = (),
    ) -> StoredMessage:
        """Add a message after another (None: as a first one); the transcript ends with it. Where the parent has a
        child already it is a new version of that. An assistant's empty text counts as being written now."""
        now, text = self.clock(), clean(text)
        columns = ("conversation", "parent", "role", "text", "created", *FACT_COLUMNS)
        values = (conversation, parent, role, text, now, *fact_values(facts))
        with self.change() as database:
            row = id_of(
                database.execute(
                    f"INSERT INTO messages ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                    values,
                )
            )
            database.execute(
                "UPDATE conversations SET updated = ?, head = ? WHERE id = ?", (now, row, conversation)
            )
            conversation_pictures.add_rows(database, row, pictures)
        if role == "assistant" and not text:
            self.writing = row
        else:
            conversation_search.index(self, [(row, text)])
        siblings = self.rows(
            "SELECT id FROM messages WHERE conversation = ? AND parent IS ? AND deleted IS NULL ORDER BY id",
            (conversation, parent),
        )
        versions = tuple(found for (found,) in siblings) if len(siblings) > 1 else ()
        return StoredMessage(
            row, conversation, role, text, now, facts, None, parent, versions, tuple(pictures)
        )

    def choose(self, conversation: int, message: int) -> tuple[StoredMessage, ...]:
        """Show this version and the newest of what follows it; returns the transcript."""
        tree = self.tree(conversation)
        if message in tree.parents:
            self._set(conversation, "head", message_tree.newest_below(tree, message))
        return self.messages(conversation)

    def reopen(self, message: int) -> StoredMessage | None:
        """An answer is written on: until ``finish`` it counts as being written, and what it has stays, but for its
        counts, which no longer hold. Returns it as it was; None: it is gone."""
        found = self.message(message)
        if found is None:
            return None
        with self.change() as database:
            database.execute(
                "UPDATE messages SET finish_reason = NULL, tokens = NULL, prompt_tokens = NULL WHERE id = ?",
                (message,),
            )
            database.execute(
                "UPDATE conversations SET updated = ? WHERE id = ?", (self.clock(), found.conversation)
            )
        self.writing = message
        return found

    def update_text(self, message: int, text: str) -> None:
        """Replace the text of an answer that is being written."""
        self._write(message, {"text": clean(text)}, index=False)
        self.writing = message

    def finish(self, message: int, text: str, finish_reason: str | None, facts: Facts) -> None:
        """The last state of an answer."""
        facts_by_name = dict(zip(FACT_COLUMNS, fact_values(facts), strict=True))
        values = {"text": clean(text), "finish_reason": finish_reason, **facts_by_name}
        self.writing = None
        self._write(message, values, index=True)

    def draft(self, conversation: int | None) -> Draft:
        """What is not sent yet; of None: of the conversation that is not begun yet."""
        rows = self.rows("SELECT text, pictures FROM drafts WHERE conversation = ?", (conversation or 0,))
        return Draft(rows[0][0], conversation_pictures.from_json(rows[0][1])) if rows else Draft()

    def keep_draft(self, conversation: int | None, draft: Draft) -> None:
        """Keep what is not sent yet; an empty draft is none."""
        number = conversation or 0
        with self.change() as database:
            database.execute("DELETE FROM drafts WHERE conversation = ?", (number,))
            if draft != Draft():
                values = (number, clean(draft.text), conversation_pictures.to_json(draft.pictures))
                database.execute("INSERT INTO drafts (conversation, text, pictures) VALUES (?, ?, ?)", values)

    def _messages(
        self, conversation: int, tree: message_tree.Tree, wanted: Sequence[int]
    ) -> tuple[StoredMessage, ...]:
        rows = self.rows(MESSAGES + " WHERE conversation = ? AND deleted IS NULL", (conversation,))
        by_id = {row[0]: row for row in rows}
        pictures = self._pictures("m.conversation = ?", conversation)
        return tuple(message_of(by_id[one], tree, pictures) for one in wanted)

    def _head(self, conversation: int) -> int | None:
        rows = self.rows("SELECT head FROM conversations WHERE id = ?", (conversation,))
        head = rows[0][0] if rows else None
        return int(head) if head is not None else None

    def _set(self, conversation: int, column: str, value: object) -> None:
        with self.change() as database:
            database.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, conversation))

    def _write(self, message: int, values: dict[str, object], *, index: bool) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        old = self.rows("SELECT id, text FROM messages WHERE id = ? AND indexed = 1", (message,))
        conversation_search.unindex(self, old)
        with self.change() as database:
            changed = database.execute(
                f"UPDATE messages SET {names} WHERE id = ?", (*values.values(), message)
            )
        if index and changed.rowcount:
            conversation_search.index(self, [(message, str(values["text"]))])

    def _pictures(self, condition: str, value: int) -> dict[int, tuple[Picture, ...]]:
        columns = ", ".join(f"p.{column}" for column in PICTURE_COLUMNS)
        return conversation_pictures.of_conversation(
            self.rows(
                f"SELECT p.message, {columns} FROM pictures AS p JOIN messages AS m ON m.id = p.message"
                f" WHERE {condition} ORDER BY p.message, p.position",
                (value,),
            )
        )
