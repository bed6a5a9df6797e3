"""Rows of the conversations' tables and the values they stand for."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

from ..core import conversation as settings_core
from ..core import message_tree
from ..core.conversation import ConversationSettings
from .conversation_schema import CONVERSATION_COLUMNS, FACT_COLUMNS, MESSAGE_COLUMNS
from .conversation_values import LATEST, Conversation, Facts, Picture, StoredMessage

log = logging.getLogger(__name__)

CONVERSATIONS = f"SELECT {', '.join(CONVERSATION_COLUMNS)} FROM conversations WHERE deleted IS NULL"
ORDER = " ORDER BY pinned DESC, updated DESC, id DESC"
MESSAGES = f"SELECT {', '.join(MESSAGE_COLUMNS)} FROM messages"


def conversation_of(row: tuple[Any, ...]) -> Conversation:
    number, title, created, updated, pinned, head, settings = row
    settings = _settings(number, settings)
    return Conversation(number, title, _time(created), _time(updated), bool(pinned), head, settings)


def _time(value: float) -> float:
    """One that a calendar can show: a single wrong bit makes any number of it, and is no damage to SQLite."""
    return value if isinstance(value, (int, float)) and 0.0 <= value < LATEST else 0.0


def _settings(conversation: int, text: str) -> ConversationSettings:
    if text == "{}":
        return ConversationSettings()
    try:
        found, wrong = settings_core.from_json(json.loads(text))
    except ValueError:
        found, wrong = ConversationSettings(), ("settings",)
    if wrong:
        log.warning("settings of conversation %d cannot be used: %s", conversation, ", ".join(wrong))
    return found


def settings_text(settings: ConversationSettings) -> str:
    return clean(json.dumps(settings_core.to_json(settings), ensure_ascii=False))


def message_of(
    row: tuple[Any, ...], tree: message_tree.Tree, pictures: dict[int, tuple[Picture, ...]]
) -> StoredMessage:
    number, conversation, role, text, created, *facts, finish_reason, _parent = row
    return StoredMessage(
        number, conversation, role, text, _time(created), Facts(*facts), finish_reason, tree.parents[number],
        message_tree.versions(tree, number), pictures.get(number, ()),
    )  # fmt: skip


def fact_values(facts: Facts) -> tuple[object, ...]:
    return tuple(kept_value(getattr(facts, name)) for name in FACT_COLUMNS)


def kept_value(value: object) -> object:
    """A file's name, which a model is called by, may hold bytes that are no text."""
    return clean(value) if isinstance(value, str) else value


def id_of(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def clean(text: str) -> str:
    """Text that UTF-8 can hold: half surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
