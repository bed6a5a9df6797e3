"""Which answer a text is: exactly, by its beginning, or by the nearest one's edit distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

NEAR = 0.8
"""Least likeness (difflib's ratio) at which a text counts as an answer that it isn't word for word."""
LEAST_BEGINNING = 24
"""Characters of an unfinished text that have to be an answer's beginning."""


@dataclass(frozen=True)
class Verdict:
    """``answer``: its id, None where the text is none of them; ``exact``: word for word."""

    answer: str | None
    language: str | None
    exact: bool


class Judge:
    """``answers``: (id, language) → text."""

    def __init__(self, answers: Mapping[tuple[str, str], str]) -> None:
        self._by_text = {text: key for key, text in answers.items()}
        self._known: dict[str, Verdict] = {}

    def __call__(self, text: str) -> Verdict:
        said = text.strip()
        if said not in self._known:
            self._known[said] = self._judged(said)
        return self._known[said]

    def _judged(self, said: str) -> Verdict:
        if said in self._by_text:
            return Verdict(*self._by_text[said], exact=True)
        if len(said) >= LEAST_BEGINNING:
            begun = [key for text, key in self._by_text.items() if text.startswith(said)]
            if len(begun) == 1:
                return Verdict(*begun[0], exact=False)
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(said)
        best, key = 0.0, None
        for text, candidate in self._by_text.items():
            matcher.set_seq1(text)
            if matcher.quick_ratio() > max(best, NEAR) and (ratio := matcher.ratio()) > best:
                best, key = ratio, candidate
        if key is None or best < NEAR:
            return Verdict(None, None, exact=False)
        return Verdict(*key, exact=False)
