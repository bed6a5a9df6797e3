"""What a server streams: lines of server-sent events, and the chunks of a chat completion in them. Pure.

Servers differ: thinking comes as ``reasoning_content`` (SGLang, llama-server, DeepSeek, older vLLM) or ``reasoning``
(newer vLLM, Ollama); usage in the last chunk, in a chunk without choices, or never.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .remote import RemoteError

MOST_LINE_BYTES = 4 * 1024 * 1024
THINK, END_THINK = "<think>", "</think>"
END = "[DONE]"
REASONING = ("reasoning_content", "reasoning")
DETAIL_CHARACTERS = 300
DEEPEST = 5
"""Levels of an error's JSON that are looked into."""


@dataclass
class Lines:
    """Cuts bytes, as they arrive, into the data of events. Raises RemoteError(remote_too_long)."""

    _rest: bytearray = field(default_factory=bytearray)
    _data: list[str] = field(default_factory=list)
    _looked: int = 0
    seen: bool = False
    """Whether anything was a line of this format; a page or plain text has none."""

    def feed(self, data: bytes) -> list[str]:
        """The events that are complete now."""
        self._rest += data
        found: list[str] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, self._looked))) >= 0:
            self._line(bytes(self._rest[start:end]), found)
            start = end + 1
        del self._rest[:start]
        self._looked = len(self._rest)
        if self._looked > MOST_LINE_BYTES or sum(map(len, self._data)) > MOST_LINE_BYTES:
            raise RemoteError("remote_too_long")
        return found

    def end(self) -> list[str]:
        """The last event, where the stream ended without the empty line behind it."""
        found: list[str] = []
        self._line(bytes(self._rest), found)
        self._line(b"", found)
        self._rest.clear()
        return found

    def _line(self, line: bytes, found: list[str]) -> None:
        text = line.decode("utf-8", errors="replace").removesuffix("\r").removeprefix("\ufeff")
        if not text:
            if self._data:
                found.append("\n".join(self._data))
                self._data.clear()
            return
        name, _colon, value = text.partition(":")
        self.seen = self.seen or name in ("", "data", "event", "id", "retry")
        if name == "data":
            self._data.append(value.removeprefix(" "))


@dataclass(frozen=True)
class Piece:
    """One event. ``text``: what is said; ``finish``: why it ended; ``done``: nothing follows."""

    text: str = ""
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_tokens_per_s: float | None = None
    tokens_per_s: float | None = None
    done: bool = False


@dataclass
class Reader:
    """Turns the data of events into pieces; thinking gets its marks, which are the only state."""

    thinking: bool = False

    def read(self, data: str) -> Piece:
        """Raises RemoteError: remote_garbled (no JSON, or not what a chunk looks like), remote_said (an error)."""
        if data.strip() == END:
            return Piece(self.close(), done=True)
        chunk = parse(data)
        choice = _first(chunk)
        delta = choice.get("delta") or choice.get("message") or {}
        if not isinstance(delta, dict):
            raise RemoteError("remote_garbled", detail=shorten(data))
        finish = choice.get("finish_reason")
        text = self._text(delta)
        if finish is not None:
            text += self.close()
        return Piece(text, str(finish) if finish is not None else None, *_counts(chunk), *_speeds(chunk))

    def close(self) -> str:
        """The mark behind thoughts that nothing followed."""
        ended, self.thinking = self.thinking, False
        return END_THINK if ended else ""

    def _text(self, delta: dict[str, Any]) -> str:
        thought = next(
            (delta[key] for key in REASONING if isinstance(delta.get(key), str) and delta[key]), ""
        )
        said = content_text(delta.get("content"))
        text = ""
        if thought:
            text += thought if self.thinking else THINK + thought
            self.thinking = True
        if said:
            text += self.close() + said
        return text


def parse(data: str) -> dict[str, Any]:
    """The object of an event or of a whole answer. Raises RemoteError."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise RemoteError("remote_garbled", detail=shorten(data)) from None
    if not isinstance(found, dict):
        raise RemoteError("remote_garbled", detail=shorten(data))
    error = found.get("error")
    if error and not found.get("choices"):
        raise RemoteError("remote_said", detail=shorten(error_text(found)))
    return found


def content_text(content: object) -> str:
    """Text, also where it comes in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def error_text(body: object, depth: int = 0) -> str:
    """What an error's JSON says, wherever a server puts it: ``error.message``, ``error``, ``message``, ``detail``."""
    if depth > DEEPEST:
        return ""
    if isinstance(body, dict):
        found = next((body[key] for key in ("error", "message", "detail", "msg") if body.get(key)), "")
        return error_text(found, depth + 1)
    if isinstance(body, list):
        return "; ".join(filter(None, (error_text(item, depth + 1) for item in body[:3])))
    return str(body) if isinstance(body, (str, int, float)) else ""


def shorten(text: str) -> str:
    """One line of a server's words that may be shown: no control characters, not long."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * DETAIL_CHARACTERS]).split())
    return plain if len(plain) <= DETAIL_CHARACTERS else plain[:DETAIL_CHARACTERS].rstrip() + "…"


def _first(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    if isinstance(choices, list) and choices:
        if isinstance(choices[0], dict):
            return choices[0]
    elif choices in (None, []) and ("usage" in chunk or "id" in chunk or "timings" in chunk):
        return {}
    raise RemoteError("remote_garbled", detail=shorten(json.dumps(chunk, ensure_ascii=False)))


def _counts(chunk: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return None, None, None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached)


def _speeds(chunk: dict[str, Any]) -> tuple[float | None, float | None]:
    """What llama-server measured itself."""
    timings = chunk.get("timings")
    if not isinstance(timings, dict):
        return None, None
    return _speed(timings.get("prompt_per_second")), _speed(timings.get("predicted_per_second"))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def _speed(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and 0 < value < 1e9 else None
