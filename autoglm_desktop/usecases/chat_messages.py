"""What an engine gets of a conversation, and what a conversation is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..core.protocol import Message
from ..store.conversation_values import Picture, StoredMessage

TITLE_LENGTH = 60
Parts = Mapping[str, dict[str, Any]]
"""Of messages, as the engine at hand reads them, by the sha256 of their pictures."""
Show = Callable[[Picture], Awaitable[dict[str, Any]]]
"""Makes a kept picture such a part. Raises AppError where the engine can look at none."""


async def parts_of(history: Sequence[StoredMessage], show: Show | None) -> Parts:
    """The parts of all pictures of a transcript; none without ``show``."""
    found: dict[str, dict[str, Any]] = {}
    for picture in (picture for message in history for picture in message.pictures):
        if show is not None and picture.sha256 not in found:
            found[picture.sha256] = await show(picture)
    return found


def as_messages(
    history: Sequence[StoredMessage], system: str = "", parts: Parts = MappingProxyType({})
) -> tuple[Message, ...]:
    """The system prompt, then questions and answers in turn; answers that stayed empty are left out with nothing put in
    their place, and questions in a row become one. Pictures that are in ``parts`` come before their text, as the phone
    agent sends them."""
    messages: list[Message] = [Message("system", system)] if system.strip() else []
    for stored in history:
        pictures = [parts[picture.sha256] for picture in stored.pictures if picture.sha256 in parts]
        if not stored.text and not pictures:
            continue
        text = [_text(stored.text)] if stored.text else []
        content = [*pictures, *text] if pictures else stored.text
        if messages and messages[-1].role == stored.role:
            content = _joined(messages.pop().content, content)
        messages.append(Message(stored.role, content))
    return tuple(messages)


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [
        part
        for content in (first, second)
        for part in ([_text(content)] if isinstance(content, str) else content)
    ]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def title_of(text: str) -> str:
    """A conversation's first title: the first line of its first question, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    head, space, _tail = cut.rpartition(" ")
    return (head if space and len(head) > TITLE_LENGTH // 2 else cut).rstrip(" ,.;:，。；：") + "…"
