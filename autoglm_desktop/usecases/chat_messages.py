"""What an engine gets of a conversation, and what a conversation is called."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from ..core.protocol import Message, Sampling
from ..store.conversation_values import Picture, StoredMessage

TITLE_LENGTH = 60
Parts = Mapping[Picture, dict[str, Any]]
"""Of messages, as the engine at hand reads them."""
NO_PARTS: Parts = MappingProxyType({})


@dataclass(frozen=True)
class Shown:
    """``unseen``: pictures of earlier turns that are not among the parts."""

    parts: Parts = field(default_factory=dict)
    unseen: int = 0


class Show(Protocol):
    """Makes the pictures of a transcript ready for whoever answers; they are, within the block.

    Entering raises AppError where those of the newest question can't be shown; of older ones that can't is told how
    many.
    """

    def __call__(
        self, history: Sequence[StoredMessage], system: str, sampling: Sampling
    ) -> AbstractAsyncContextManager[Shown]: ...


@contextlib.asynccontextmanager
async def none_shown(
    history: Sequence[StoredMessage], system: str, sampling: Sampling
) -> AsyncIterator[Shown]:
    """Leaves all pictures out."""
    yield Shown()


def as_messages(
    history: Sequence[StoredMessage], system: str = "", parts: Parts = NO_PARTS
) -> tuple[Message, ...]:
    """The system prompt, then questions and answers in turn; answers that stayed empty are left out with nothing put in
    their place, and questions in a row become one. Pictures that are in ``parts`` come before their text, as the phone
    agent sends them."""
    messages: list[Message] = [Message("system", system)] if system.strip() else []
    for stored in history:
        pictures = [parts[picture] for picture in stored.pictures if picture in parts]
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
