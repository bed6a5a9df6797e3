"""Answers in OpenAI's shapes, whole and in pieces; and those of ``/predict``."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.protocol import Done, Usage
from .reading import clean

KEEP_ALIVE = b": keep-alive\n\n"
END = b"data: [DONE]\n\n"


class Shape(Protocol):
    """How one answer is written. ``opening``, ``piece`` and ``ending`` are server-sent events."""

    def whole(self, text: str, done: Done) -> dict[str, Any]: ...

    def opening(self) -> bytes: ...

    def piece(self, text: str) -> bytes: ...

    def ending(self, done: Done) -> bytes: ...


@dataclass(frozen=True)
class Labels:
    """What all pieces of one answer carry. ``model`` is the one that answers, whatever name was asked for."""

    model: str
    kind: str = "chatcmpl"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, what: str) -> dict[str, Any]:
        return {"id": f"{self.kind}-{self.id}", "object": what, "created": self.created, "model": self.model}


class _Pieces:
    """What the two streamed shapes share: all but the text of a piece is written once, since there are thousands."""

    def __init__(self, labels: Labels, what: str, choice: dict[str, Any], *, usage: bool) -> None:
        self._head, self._usage = labels.head(what), usage
        mark = "\ue000"  # of a private use area; behind it comes nothing that anybody chose
        self._before, _, self._after = self.event([_with(choice, mark)]).rpartition(_text(mark))

    def piece(self, text: str) -> bytes:
        """One piece of the answer's text."""
        return self._before + _text(text) + self._after

    def end(self, choice: dict[str, Any], done: Done) -> bytes:
        """The finish reason, and the usage alone where it was asked for."""
        last = self.event([choice | {"finish_reason": finish_reason(done)}])
        return last + (self.event([], usage_of(done.usage)) if self._usage else b"")

    def event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        return event(self._head | {"choices": choices} | ({"usage": usage} if self._usage else {}))


def _with(choice: dict[str, Any], text: str) -> dict[str, Any]:
    return choice | ({"delta": {"content": text}} if "delta" in choice else {"text": text})


_DELTA: dict[str, Any] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
_TEXT: dict[str, Any] = {"index": 0, "text": "", "logprobs": None, "finish_reason": None}


class Chat:
    """OpenAI's chat completions. ``usage``: a stream tells it, too."""

    def __init__(self, labels: Labels, *, usage: bool) -> None:
        self._labels = labels
        self._pieces = _Pieces(labels, "chat.completion.chunk", _DELTA, usage=usage)
        self.piece = self._pieces.piece

    def whole(self, text: str, done: Done) -> dict[str, Any]:
        message = {"role": "assistant", "content": clean(text), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(done)}
        return self._labels.head("chat.completion") | {"choices": [choice], "usage": usage_of(done.usage)}

    def opening(self) -> bytes:
        """The role comes first."""
        return self._pieces.event([_DELTA | {"delta": {"role": "assistant", "content": ""}}])

    def ending(self, done: Done) -> bytes:
        return self._pieces.end(_DELTA, done)


class Text:
    """OpenAI's completions."""

    def __init__(self, labels: Labels, *, usage: bool) -> None:
        self._labels = labels
        self._pieces = _Pieces(labels, "text_completion", _TEXT, usage=usage)
        self.piece = self._pieces.piece

    def whole(self, text: str, done: Done) -> dict[str, Any]:
        choice = {"index": 0, "text": clean(text), "logprobs": None, "finish_reason": finish_reason(done)}
        return self._labels.head("text_completion") | {"choices": [choice], "usage": usage_of(done.usage)}

    def opening(self) -> bytes:
        return b""

    def ending(self, done: Done) -> bytes:
        return self._pieces.end(_TEXT, done)


class Predicted:
    """Of ``/predict``, which has no stream."""

    def whole(self, text: str, done: Done) -> dict[str, Any]:
        return {"text": clean(text), "usage": usage_of(done.usage), "finish_reason": finish_reason(done)}

    def opening(self) -> bytes:
        raise NotImplementedError

    def piece(self, text: str) -> bytes:
        raise NotImplementedError

    def ending(self, done: Done) -> bytes:
        raise NotImplementedError


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + _text(data) + b"\n\n"


_LINES = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"})
"""Ends of lines to some readers of streams (httpx's ``iter_lines``), though not to server-sent events."""


def _text(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        text = text.translate(_LINES)
    return text.encode("utf-8", "replace")


def finish_reason(done: Done) -> str:
    """``stop`` or ``length``; an answer stopped here by the user counts as stopped."""
    return "length" if done.finish_reason == "length" else "stop"


def usage_of(usage: Usage) -> dict[str, Any]:
    """Token counts; ``dropped_messages`` (ours) only where old turns no longer fitted the context."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        **({"dropped_messages": usage.dropped_messages} if usage.dropped_messages else {}),
    }
