"""The corpus, read and split: what is trained on, what chooses the checkpoint, what is held out."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .settings import CORPUS, FIRST, HELD_OUT, LANGUAGES, OUTSIDE, SEED, VALIDATION_OF_OUTSIDE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


FIRST_ONES, VARIANT, VOICE = KINDS = ("first", "variant", "voice")


@dataclass(frozen=True)
class Question:
    """``kind``: one of its answer's first phrasings, which are the most different ones (``first``), a variant of them
    (``variant``), or another author's (``voice``)."""

    answer: str
    language: str
    text: str
    kind: str = VARIANT


@dataclass(frozen=True)
class Corpus:
    """``answers``: (id, language) → text. The five lists share no question. ``blind``: of an author who has
    seen no other phrasing; answered and out of scope."""

    answers: Mapping[tuple[str, str], str]
    train: tuple[Question, ...]
    validation: tuple[Question, ...]
    held_out: tuple[Question, ...]
    outside_test: tuple[Question, ...]
    blind: tuple[Question, ...] = ()

    @property
    def ids(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.answers))

    @property
    def parts(self) -> tuple[tuple[Question, ...], ...]:
        return self.train, self.validation, self.held_out, self.outside_test, self.blind

    def digest(self) -> str:
        """Changes with every text and with the split: a checkpoint of another corpus is not gone on with."""
        whole = hashlib.sha256()
        for key, text in sorted(self.answers.items()):
            whole.update("\0".join((*key, text, "")).encode())
        for part in self.parts:
            whole.update(b"\1" + "\0".join(f"{q.answer}\0{q.language}\0{q.text}" for q in part).encode())
        return whole.hexdigest()[:16]


def load(folder: Path = CORPUS, seed: int = SEED) -> Corpus:
    """Raises ValueError where a question stands in two parts."""
    answers: dict[tuple[str, str], str] = {}
    train: list[Question] = []
    validation: list[Question] = []
    held: list[Question] = []
    voices = read_toml(folder / "voices.toml")
    for answer in _topics(folder):
        for language in LANGUAGES:
            name = answer["id"]
            answers[name, language] = answer[language]
            asked = [
                Question(name, language, text, FIRST_ONES if place < FIRST else VARIANT)
                for place, text in enumerate(answer[f"questions_{language}"])
            ]
            asked += [Question(name, language, text, VOICE) for text in voices[name][language]]
            out = _drawn(asked, seed)
            left = [one for one in asked if one not in out]
            kept = _chosen_by(left, seed + 1)
            held += [one for one in asked if one in out]
            validation += kept
            train += [one for one in left if one not in kept]
    outside = read_toml(folder / "out_of_scope.toml")
    for language in LANGUAGES:
        answers[OUTSIDE, language] = outside[language]
        asked = [Question(OUTSIDE, language, text) for text in outside[f"train_{language}"]]
        kept = _shuffled(asked, seed + 1)[: round(VALIDATION_OF_OUTSIDE * len(asked))]
        validation += kept
        train += [one for one in asked if one not in kept]
    test = [Question(OUTSIDE, name, text) for name in LANGUAGES for text in outside[f"test_{name}"]]
    corpus = Corpus(answers, tuple(train), tuple(validation), tuple(held), tuple(test), _blind(folder))
    _demand_disjoint(corpus)
    return corpus


def bare(text: str) -> str:
    """As two phrasings are compared: case, width, punctuation and blanks do not count."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in text if unicodedata.category(c)[0] in "LN" or c in "+<>–") or text.strip()


def _topics(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("topics_*.toml")):
        yield from read_toml(path)["answer"]


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _blind(folder: Path) -> tuple[Question, ...]:
    texts = read_toml(folder / "blind.toml")
    return tuple(
        Question(name, language, text, VOICE)
        for name, by_language in texts.items()
        for language in LANGUAGES
        for text in by_language[language]
    )


def _drawn(asked: Sequence[Question], seed: int) -> set[Question]:
    """A fifth of an answer's phrasings: of the first ones, of the voices, and of the variants what is missing."""
    count = round(HELD_OUT * len(asked))
    found: set[Question] = set()
    for kind in (FIRST_ONES, VOICE):
        mine = [one for one in asked if one.kind == kind]
        found.update(_shuffled(mine, seed)[: round(HELD_OUT * len(mine))])
    variants = [one for one in asked if one.kind == VARIANT]
    return {*found, *_shuffled(variants, seed)[: count - len(found)]}


def _chosen_by(left: Sequence[Question], seed: int) -> list[Question]:
    """One of the author's and one of another's."""
    mine = _shuffled((one for one in left if one.kind != VOICE), seed)
    return mine[:1] + _shuffled((one for one in left if one.kind == VOICE), seed)[:1]


def _shuffled(questions: Iterable[Question], seed: int) -> list[Question]:
    """In an order that depends on each text alone: another phrasing beside it changes little."""
    return sorted(questions, key=lambda one: hashlib.sha256(f"{seed}\0{one.text}".encode()).digest())


def _demand_disjoint(corpus: Corpus) -> None:
    seen: dict[str, Question] = {}
    for part in corpus.parts:
        for one in part:
            other = seen.setdefault(one.text.casefold(), one)
            if other is not one:
                raise ValueError(f"{one.text!r} stands under {other.answer} and {one.answer}")
