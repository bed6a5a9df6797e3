"""What fills a model's context: system prompt, history, pictures, draft, and what is left for the reply. Pure; tokens.

What the engine counted is exact. The rest is estimated from the characters, on the high side: only the model's own
vocabulary could count it. Where the figures come from: docs/numbers.md, section 13.
"""

from __future__ import annotations

import math
import re
import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MESSAGE_TOKENS = 5
"""A message's role and marks: GLM-4 writes two tokens before it, Qwen's ChatML five around it."""
PROMPT_TOKENS = 4
"""Of a whole prompt: GLM-4's ``[gMASK]<sop>`` and the assistant's mark."""

_RUN = re.compile(rb"[A-Za-z0-9+/]{40,}")
"""No word is so long: base64 or hexadecimal digits, which no vocabulary knows."""
_LETTERS = string.ascii_letters.encode()
_SPACE = b" \t\r\n\f\v"
_TENTHS: tuple[tuple[bytes, int], ...] = (
    (string.digits.encode(), 10),
    (string.punctuation.encode(), 8),
    (_SPACE, 1),
    (bytes(set(range(0x20)) - set(_SPACE)) + b"\x7f", 10),
    (bytes(range(0xC2, 0xE0)), 10),  # two bytes in UTF-8: accents, Greek, Cyrillic, Arabic
    (bytes(range(0xE0, 0xF0)), 10),  # three: Chinese, Japanese, Korean
    (bytes(range(0xF0, 0xF5)), 30),  # four: emoji, rare characters
)
"""Tenths of a token for each character whose first byte is one of these."""
_LETTERS_PER_TOKEN = 3
LEAST_TENTHS = 1
"""Of any character: what bounds a text of so many tokens in characters."""


@dataclass(frozen=True)
class Counted:
    """What the engine counted for the last answer. ``tokens``: of its prompt and of the answer; ``after``: how many of
    the last messages came later; ``picture_tokens``: of the pictures in that prompt."""

    tokens: int
    after: int = 0
    picture_tokens: int = 0


@dataclass(frozen=True)
class ContextUse:
    """Tokens by cause. ``context`` None: unknown, as with a remote server. ``reply``: what the answer may take, at most
    what the context leaves. ``exact``: all but the draft was counted by the engine."""

    context: int | None
    system: int
    history: int
    pictures: int
    draft: int
    reply: int
    exact: bool

    @property
    def used(self) -> int:
        """Before the reply begins."""
        return self.system + self.history + self.pictures + self.draft

    @property
    def left(self) -> int | None:
        """Neither used nor kept for the reply; None where the context is unknown."""
        return None if self.context is None else max(0, self.context - self.used - self.reply)

    @property
    def over(self) -> int:
        """What does not fit; 0 where all does, or where the context is unknown."""
        return 0 if self.context is None else max(0, self.used - self.context)


def context_use(
    context: int | None,
    system: str,
    messages: Sequence[str],
    picture_tokens: Sequence[int],
    draft: str,
    draft_picture_tokens: Sequence[int],
    max_tokens: int,
    counted: Counted | None = None,
) -> ContextUse:
    """``messages``: texts of questions and answers in turn, without the system prompt; ``picture_tokens``: of their
    pictures, ``draft_picture_tokens`` of the draft's."""
    after = len(messages) if counted is None else min(counted.after, len(messages))
    before, later = messages[: len(messages) - after], messages[len(messages) - after :]
    system_tokens = _message_tokens(system) if system.strip() else 0
    history = sum(map(_message_tokens, later))
    shown = sum(picture_tokens)
    if counted is None:
        history += PROMPT_TOKENS
    else:
        words = max(0, counted.tokens - counted.picture_tokens)
        estimate = sum(map(_message_tokens, before))
        whole = system_tokens + estimate
        system_tokens = words * system_tokens // whole if whole else 0
        history += words - system_tokens
    draft_tokens = _message_tokens(draft) if draft or draft_picture_tokens else 0
    pictures = shown + sum(draft_picture_tokens)
    used = system_tokens + history + pictures + draft_tokens
    reply = max_tokens if context is None else max(0, min(max_tokens, context - used))
    exact = counted is not None and not later and shown == counted.picture_tokens
    return ContextUse(context, system_tokens, history, pictures, draft_tokens, reply, exact)


def text_tokens(text: str) -> int:
    """About how many tokens a text has, on the high side for prose and code in Chinese and English."""
    data = text.encode("utf-8", "surrogatepass")
    rest = _RUN.sub(b"", data)
    tenths = 10 * (len(data) - len(rest))
    tenths += math.ceil(10 * _count(rest, _LETTERS) / _LETTERS_PER_TOKEN)
    tenths += sum(each * _count(rest, first) for first, each in _TENTHS)
    return math.ceil(tenths / 10)


def first_tokens(text: str, most: int) -> str:
    """The longest beginning of a text that is estimated to have no more than ``most`` tokens; a line break of two
    characters is not cut in half."""
    limit = min(len(text), max(0, most) * 10 // LEAST_TENTHS)
    length = bisect_right(range(1, limit + 1), most, key=lambda count: text_tokens(text[:count]))
    return text[: length - 1] if length and text[length - 1 : length + 1] == "\r\n" else text[:length]


def _message_tokens(text: str) -> int:
    return text_tokens(text) + MESSAGE_TOKENS


def _count(data: bytes, those: bytes) -> int:
    return len(data) - len(data.translate(None, those))
