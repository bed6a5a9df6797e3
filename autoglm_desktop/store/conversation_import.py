"""Conversations from a JSON file that ``conversation_export`` wrote, here or elsewhere; nothing in it is trusted.

Everything is checked before anything is kept; then all of it is, or nothing.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import conversation as settings_core
from ..core.errors import AppError
from . import conversation_pictures
from .conversation_export import FORMAT, VERSION
from .conversation_rows import clean, fact_values, id_of, settings_text
from .conversation_schema import FACT_COLUMNS
from .conversation_values import LATEST, Conversation, Facts, Picture, StoredMessage
from .conversations import Conversations

MOST_BYTES = 256 * 1024 * 1024
MOST_TITLE = 1_000
EXTENSIONS = ("png", "jpg", "webp", "bmp", "gif")
REASONS = (None, "stop", "length", "cancelled", "failed")
MOST_COUNT = 2**53


@dataclass(frozen=True)
class Parsed:
    """Conversations with their messages, ids as in the file, and the contents of their pictures by file name."""

    conversations: tuple[tuple[Conversation, tuple[StoredMessage, ...]], ...]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Imported:
    """``pictures_missing``: that the file names without holding them, and that are not here either."""

    conversations: tuple[int, ...]
    messages: int
    pictures_missing: int


def read(path: Path) -> Parsed:
    """Read and check a file; takes seconds for a large one: for an executor.

    Raises AppError (file_unreadable, conversations_too_large, conversations_no_json, conversations_not_ours,
    conversations_newer, conversations_wrong).
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise AppError("conversations_too_large", path=str(path), size_bytes=size, most_bytes=MOST_BYTES)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise AppError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise AppError("conversations_no_json", path=str(path), detail="UTF-8") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AppError("conversations_no_json", path=str(path), detail=str(error)) from error
    return parse(data, str(path))


def parse(data: object, path: str) -> Parsed:
    """Check what a file holds. Raises as ``read``."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise AppError("conversations_not_ours", path=path)
    version = data.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise AppError("conversations_newer", path=path)
    try:
        _need(version == VERSION, "version")
        files: dict[str, bytes] = {}
        found = [
            _conversation(entry, f"conversations[{place}]", files)
            for place, entry in enumerate(_list(data.get("conversations"), "conversations"))
        ]
    except _Wrong as error:
        raise AppError("conversations_wrong", path=path, where=str(error)) from error
    return Parsed(tuple(found), files)


def keep(store: Conversations, parsed: Parsed) -> Imported:
    """Add what was read, under new ids: all of it or nothing. Raises AppError (state_unwritable, file_unwritable,
    disk_is_full)."""
    if store.kept:
        for name, content in parsed.files.items():
            conversation_pictures.put(store.pictures, name, content)
    added, missing = [], set[str]()
    with store.change():
        for conversation, messages in parsed.conversations:
            added.append(_put(store, conversation, messages))
            for picture in (picture for message in messages for picture in message.pictures):
                if not (store.pictures / picture.file_name).is_file():
                    missing.add(picture.file_name)
    return Imported(tuple(added), sum(len(messages) for _one, messages in parsed.conversations), len(missing))


def _put(store: Conversations, conversation: Conversation, messages: Sequence[StoredMessage]) -> int:
    """Add a whole conversation under new ids; returns its id. Within a change; each message after its parent."""
    columns = ("conversation", "parent", "role", "text", "created", "finish_reason", *FACT_COLUMNS)
    statement = f"INSERT INTO messages ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    database = store.connection
    own = id_of(
        database.execute(
            "INSERT INTO conversations (title, created, updated, pinned, settings) VALUES (?, ?, ?, ?, ?)",
            (
                *(clean(conversation.title), conversation.created, conversation.updated),
                *(int(conversation.pinned), settings_text(conversation.settings)),
            ),
        )
    )
    ids: dict[int | None, int | None] = {None: None}
    for one in messages:
        fixed = (own, ids[one.parent], one.role, clean(one.text), one.created, one.finish_reason)
        number = id_of(database.execute(statement, (*fixed, *fact_values(one.facts))))
        conversation_pictures.add_rows(database, number, one.pictures)
        ids[one.id] = number
    database.execute("UPDATE conversations SET head = ? WHERE id = ?", (ids[conversation.head], own))
    return own


class _Wrong(Exception):
    """Where the file is not as it should be."""


def _need(right: bool, where: str) -> None:
    if not right:
        raise _Wrong(where)


def _list(value: object, where: str) -> list[Any]:
    _need(isinstance(value, list), where)
    assert isinstance(value, list)
    return value


def _conversation(
    entry: object, where: str, files: dict[str, bytes]
) -> tuple[Conversation, tuple[StoredMessage, ...]]:
    _need(isinstance(entry, dict), where)
    assert isinstance(entry, dict)
    title, pinned, head = entry.get("title"), entry.get("pinned", False), entry.get("head")
    _need(isinstance(title, str) and len(title) <= MOST_TITLE, f"{where}.title")
    _need(isinstance(pinned, bool), f"{where}.pinned")
    created = _time(entry.get("created"), f"{where}.created")
    updated = _time(entry.get("updated"), f"{where}.updated")
    settings, wrong = settings_core.from_json(entry.get("settings", {}))
    if settings.endpoint is not None:  # a file must not choose that what is written leaves this machine
        settings = dataclasses.replace(settings, endpoint=None, model=None)
    _need(not wrong, f"{where}.settings.{wrong[0] if wrong else ''}")
    messages = tuple(_messages(_list(entry.get("messages"), f"{where}.messages"), where, files))
    ids = {message.id for message in messages}
    _need(head is None or (_is_count(head) and head in ids), f"{where}.head")
    return Conversation(0, str(title), created, updated, pinned, head, settings), messages


def _messages(entries: list[Any], where: str, files: dict[str, bytes]) -> Iterator[StoredMessage]:
    """Each after its parent."""
    known: set[int] = set()
    for place, entry in enumerate(entries):
        at = f"{where}.messages[{place}]"
        _need(isinstance(entry, dict), at)
        number, parent = entry.get("id"), entry.get("parent")
        _need(_is_count(number) and number not in known, f"{at}.id")
        _need(parent is None or (_is_count(parent) and parent in known), f"{at}.parent")
        _need(entry.get("role") in ("user", "assistant"), f"{at}.role")
        _need(isinstance(entry.get("text"), str), f"{at}.text")
        reason = entry.get("finish_reason")
        _need(reason in REASONS, f"{at}.finish_reason")
        pictures = _list(entry.get("pictures", []), f"{at}.pictures")
        shown = tuple(
            _picture(picture, f"{at}.pictures[{number}]", files) for number, picture in enumerate(pictures)
        )
        known.add(number)
        created = _time(entry.get("created"), f"{at}.created")
        yield StoredMessage(
            number, 0, entry["role"], entry["text"], created, _facts(entry, at), reason, parent, (), shown
        )


def _facts(entry: dict[str, Any], where: str) -> Facts:
    found: dict[str, Any] = {}
    for name in FACT_COLUMNS:
        value = entry.get(name)
        if value is None:
            continue
        if name in ("model", "rung", "endpoint"):
            _need(isinstance(value, str) and len(value) <= MOST_TITLE, f"{where}.{name}")
        elif name.endswith("_s"):
            _need(_is_number(value), f"{where}.{name}")
        else:
            _need(_is_count(value), f"{where}.{name}")
        found[name] = value
    return Facts(**found)


def _picture(entry: object, where: str, files: dict[str, bytes]) -> Picture:
    """The content has to be what its name says; it becomes a file of that name."""
    _need(isinstance(entry, dict), where)
    assert isinstance(entry, dict)
    sha256, extension, name = entry.get("sha256"), entry.get("extension"), entry.get("name", "")
    _need(isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256) is not None, f"{where}.sha256")
    _need(extension in EXTENSIONS, f"{where}.extension")
    _need(isinstance(name, str) and len(name) <= MOST_TITLE, f"{where}.name")
    numbers = [entry.get(key) for key in ("width", "height", "size_bytes")]
    _need(all(_is_count(number) and number for number in numbers), f"{where}.width")
    width, height, size = (int(number or 0) for number in numbers)
    most = entry.get("most_tokens")
    _need(most is None or (_is_count(most) and most > 0), f"{where}.most_tokens")
    picture = Picture(str(sha256), str(extension), width, height, size, name, most)
    if "data" in entry and picture.file_name not in files:
        try:
            content = base64.b64decode(entry["data"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise _Wrong(f"{where}.data") from error
        _need(hashlib.sha256(content).hexdigest() == sha256, f"{where}.data")
        files[picture.file_name] = content
    return picture


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_COUNT


def _is_number(value: object) -> bool:
    """One that is not less than nothing; what is not a number fits no range."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < LATEST


def _time(value: object, where: str) -> float:
    _need(_is_number(value), where)
    assert isinstance(value, (int, float))
    return float(value)
