"""Continuing an answer that ends a conversation: the tokens that it has so far.

Its own tokens are taken where they still stand in the context, so that it goes on as if it had never been stopped,
also inside a character; else its text is tokenised anew, which may cut it elsewhere.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Speller(Protocol):
    """Generated tokens as text, whole characters only. ``whole``: nothing of a character is held back."""

    def feed(self, token: int) -> str: ...

    @property
    def whole(self) -> bool: ...


class ByteSpeller:
    """From the bytes of each token."""

    def __init__(self, piece: Callable[[int], bytes]) -> None:
        self._piece = piece
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        return self._decoder.decode(self._piece(token))

    @property
    def whole(self) -> bool:
        return not self._decoder.getstate()[0]


@dataclass(frozen=True)
class Begun:
    """The tokens of an answer so far, and the speller that they were fed to. Its last tokens may be the beginning of a
    character."""

    tokens: tuple[int, ...]
    speller: Speller


class Reader:
    """Reads answers with one model's vocabulary. ``ends``: whether a token ends an answer."""

    def __init__(
        self, tokens: Callable[[str], list[int]], speller: Callable[[], Speller], ends: Callable[[int], bool]
    ) -> None:
        self._tokens = tokens
        self._speller = speller
        self._ends = ends

    def nothing(self) -> Begun:
        """An answer that has not begun."""
        return Begun((), self._speller())

    def read(self, answer: str, opening: str, *standing: Sequence[object]) -> Begun:
        """``answer`` behind ``opening``, the text that stands before it. ``standing``: the tokens behind the same
        prompt, as the context holds them; where several are known, the first that fit are taken."""
        known = (self._known(answer, tokens) for tokens in standing)
        return next(filter(None, known), None) or self._spelled(self._anew(answer, opening))[0]

    def _anew(self, answer: str, opening: str) -> list[int]:
        before, whole = self._tokens(opening), self._tokens(opening + answer)
        if whole[: len(before)] == before:
            return whole[len(before) :]
        return self._tokens(answer)  # both would share a token: the prompt's stays as it was

    def _known(self, answer: str, standing: Sequence[object]) -> Begun | None:
        """The answer's own tokens: those standing that spell it, or all of it but for one token (a stop string ended
        it within one). None where they don't."""
        found: list[int] = []
        count = whole = spelled = 0
        speller = self._speller()
        for token in standing:
            if not isinstance(token, int) or self._ends(token):
                break
            text = speller.feed(token)
            if not answer.startswith(text, count) or (count == len(answer) and speller.whole):
                break
            found.append(token)
            count += len(text)
            if text and speller.whole:
                whole, spelled = len(found), count
        else:
            if found and count == len(
                answer
            ):  # also with the beginning of a character that was still to come
                return self._spelled(found)[0]
        rest = self._tokens(answer[spelled:]) if whole and spelled < len(answer) else []
        if not whole or len(rest) > 1:
            return None
        begun, text = self._spelled(found[:whole] + rest)
        return begun if text == answer and begun.speller.whole else None

    def _spelled(self, tokens: list[int]) -> tuple[Begun, str]:
        speller = self._speller()
        text = "".join(map(speller.feed, tokens))
        return Begun(tuple(tokens), speller), text
