"""Conversations as JSON, to keep and to take along: all versions of all messages, settings, and the pictures inside.

A file is ``{"format": FORMAT, "version": VERSION, "conversations": […]}``; docs/conversations.md describes it.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

from ..core import conversation as settings_core
from .conversation_schema import FACT_COLUMNS, PICTURE_COLUMNS
from .conversation_values import Picture, StoredMessage
from .conversations import Conversations

log = logging.getLogger(__name__)

FORMAT = "autoglm-desktop-conversations"
VERSION = 1


def conversation_json(
    store: Conversations, conversation: int, pictures: bool = True
) -> dict[str, Any] | None:
    """One conversation; None: there is no such one. ``pictures``: their files too, in base64.

    Raises AppError(file_unreadable).
    """
    found = store.get(conversation)
    if found is None:
        return None
    messages = [_message(store, message, pictures) for message in store.every_message(conversation)]
    return {
        "title": found.title,
        "created": found.created,
        "updated": found.updated,
        "pinned": found.pinned,
        "settings": settings_core.to_json(found.settings),
        "head": found.head,
        "messages": messages,
    }


def _message(store: Conversations, message: StoredMessage, pictures: bool) -> dict[str, Any]:
    facts = {name: getattr(message.facts, name) for name in FACT_COLUMNS}
    data: dict[str, Any] = {
        "id": message.id,
        "parent": message.parent,
        "role": message.role,
        "text": message.text,
        "created": message.created,
    }
    if message.finish_reason is not None:
        data["finish_reason"] = message.finish_reason
    if message.pictures:
        data["pictures"] = [_picture(store, picture, pictures) for picture in message.pictures]
    return data | {name: value for name, value in facts.items() if value is not None}


def _picture(store: Conversations, picture: Picture, with_file: bool) -> dict[str, Any]:
    values = {name: getattr(picture, name) for name in PICTURE_COLUMNS}
    data: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if with_file:
        try:
            content = (store.pictures / picture.file_name).read_bytes()
            data["data"] = base64.b64encode(content).decode("ascii")
        except OSError as error:
            log.warning("a picture is exported without its file: %s", error)
    return data
