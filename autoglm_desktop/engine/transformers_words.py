"""Generated tokens as text, whole characters only."""

from __future__ import annotations

from typing import Any

REPLACEMENT = "\ufffd"
LONGEST_CHARACTER = 4
"""Tokens of one character at most: UTF-8 takes four bytes."""


class Words:
    """Feed tokens; text comes out as soon as its characters are complete."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._shown: list[int] = []  # decoded before; kept as context, since some tokenizers join words by it
        self._open: list[int] = []

    @property
    def whole(self) -> bool:
        """Whether nothing of a character is held back."""
        return not self._open

    def feed(self, token: int) -> str:
        """The text that ``token`` completes; control tokens have none."""
        self._open.append(token)
        before = self._decode(self._shown)
        text = self._decode(self._shown + self._open)
        if text.endswith(REPLACEMENT) and len(self._open) < LONGEST_CHARACTER:
            return ""
        self._shown, self._open = self._open, []
        return text[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        if not tokens:
            return ""
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
