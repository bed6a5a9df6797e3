"""Endless batches of conversations, packed into rows; the loss counts what the assistant says."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from . import tokenizer as words
from .augment import varied
from .corpus import Corpus, Question, bare
from .settings import LANGUAGES, OUTSIDE, Training

Ints = npt.NDArray[np.int64]
BEHIND_DECISION = 3
"""Tokens of a shortened answer behind those that tell it from all others."""
WITH_SYSTEM, WITH_SYSTEM_LONG = 0.06, 0.35
"""Share of single questions, and of conversations, that begin with a system prompt."""
CONTINUED = 0.12
"""Share of single questions that stand behind another one and its answer after all."""
OTHER_LANGUAGE = 0.12
"""Chance that the next question of a conversation is in the other language."""
SAME_AGAIN = 0.04
"""Chance that a question is asked once more in a conversation, in other words."""
GREETED = 0.25
"""Conversations that begin with a greeting."""
MOST_TURNS = 6
MISSES = 6
"""Samples in turn that fit into no row before a batch counts as full."""
PLAIN_PROMPTS = ("You are a helpful assistant.", "You are a helpful assistant", "你是一个乐于助人的助手。", "Be brief.",
                 "Answer in English.", "请用中文回答。", "You are the assistant of a desktop application.")  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """``segments``: the number of each token's sample in its row. ``places``: where, counted through all rows, the
    model is to predict ``targets``; their number is fixed, those with weight 0 fill up."""

    ids: Ints
    positions: Ints
    segments: Ints
    places: Ints
    targets: Ints
    weights: npt.NDArray[np.float32]


@dataclass
class Sample:
    ids: list[int] = field(default_factory=list)
    said: list[bool] = field(default_factory=list)
    """Whether the assistant says the token (else it reads it)."""

    def add(self, ids: Sequence[int], said: bool = False) -> None:
        self.ids += ids
        self.said += [said] * len(ids)

    def cut(self, length: int) -> None:
        del self.ids[length:], self.said[length:]


class Speaker:
    """Texts as the chat template arranges them, in tokens. A test compares with the template itself."""

    def __init__(self, tokenizer: Tokenizer, corpus: Corpus) -> None:
        self._tokenizer = tokenizer
        self.start = tokenizer.encode("[gMASK]<sop>").ids
        self.user, self.assistant, self.system = (
            tokenizer.token_to_id(name) for name in (words.USER, words.ASSISTANT, words.SYSTEM)
        )
        self.asked = [self.assistant, *self.encode("\n")]
        self.answers = {key: self.encode(text) for key, text in corpus.answers.items()}
        self.decided = decisions(self.answers)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)

    def prompt(self, question: str) -> list[int]:
        """A conversation of one question, ready to be answered."""
        return [*self.start, self.user, *self.encode("\n" + question), *self.asked]


def decisions(answers: Mapping[tuple[str, str], Sequence[int]]) -> dict[tuple[str, str], int]:
    """So many first tokens tell each answer from every other."""
    sharing: dict[tuple[int, ...], int] = defaultdict(int)
    for ids in answers.values():
        for count in range(1, len(ids) + 1):
            sharing[tuple(ids[:count])] += 1
    return {
        key: next((n for n in range(1, len(ids) + 1) if sharing[tuple(ids[:n])] == 1), len(ids))
        for key, ids in answers.items()
    }


class Maker:
    """Makes batches; what it makes depends on its seed and the step alone, so training can go on anywhere."""

    def __init__(
        self, corpus: Corpus, tokenizer: Tokenizer, training: Training, prompts: Sequence[str] = ()
    ) -> None:
        self._training = training
        self._speaker = Speaker(tokenizer, corpus)
        self._split = words.Splitter(tokenizer, training.split)
        self._prompts = (*prompts, *PLAIN_PROMPTS)
        self._asked: dict[tuple[str, str], list[Question]] = defaultdict(list)
        for question in corpus.train:
            self._asked[question.answer, question.language].append(question)
        self._ids = [name for name in corpus.ids if name != OUTSIDE]
        kept_back = (corpus.validation, corpus.held_out, corpus.outside_test, corpus.blind)
        self._kept_back = frozenset(bare(question.text) for part in kept_back for question in part)

    def batch(self, step: int) -> Batch:
        rng = random.Random(self._training.seed * 1_000_003 + step)
        now = self._training
        if step % now.long_every == now.long_every - 1:
            return pack(self._conversations(rng), now.long_rows, now.long_length, now.long_places)
        return pack(self._singles(rng), now.rows, now.length, now.places)

    def _singles(self, rng: random.Random) -> Iterator[Sample]:
        while True:
            question = self._question(rng, rng.choice(LANGUAGES))
            sample = self._begun(rng, WITH_SYSTEM)
            if rng.random() < CONTINUED:
                self._turn(sample, self._question(rng, question.language), rng, whole=True)
            self._turn(sample, question, rng, whole=rng.random() < self._training.whole)
            yield sample

    def _conversations(self, rng: random.Random) -> Iterator[Sample]:
        while True:
            language = rng.choice(LANGUAGES)
            sample = self._begun(rng, WITH_SYSTEM_LONG)
            before: list[Question] = []
            for turn in range(rng.randint(2, MOST_TURNS)):
                if turn == 0 and rng.random() < GREETED:
                    question = rng.choice(self._asked["greeting", language])
                elif before and rng.random() < SAME_AGAIN:
                    old = rng.choice(before)
                    question = rng.choice(self._asked[old.answer, old.language])
                else:
                    if rng.random() < OTHER_LANGUAGE:
                        language = next(name for name in LANGUAGES if name != language)
                    question = self._question(rng, language)
                before.append(question)
                self._turn(sample, question, rng, whole=True)
            yield sample

    def _question(self, rng: random.Random, language: str) -> Question:
        name = OUTSIDE if rng.random() < self._training.outside else rng.choice(self._ids)
        return rng.choice(self._asked[name, language])

    def _begun(self, rng: random.Random, with_system: float) -> Sample:
        sample = Sample()
        sample.add(self._speaker.start)
        if rng.random() < with_system:
            text = rng.choice(self._prompts)
            sentences = re.split(r"(?<=[.。！!]) ?", text)
            kept = [one for one in sentences if one and rng.random() < 0.6] or [text]
            sample.add([self._speaker.system, *self._speaker.encode("\n" + " ".join(kept))])
        return sample

    def _varied(self, question: Question, rng: random.Random) -> str:
        """Never a question that is kept back, also not typed otherwise: chance can make it of a variant."""
        while bare(text := varied(question, rng)) in self._kept_back:
            pass
        return text

    def _turn(self, sample: Sample, question: Question, rng: random.Random, *, whole: bool) -> None:
        """``<|user|>`` ends an answer and begins the next question: one token for both."""
        ids = self._speaker.encode("\n" + self._varied(question, rng))
        if rng.random() < self._training.split_share:
            ids = self._split(ids, rng)
        if sample.ids[-1] != self._speaker.user:
            sample.add([self._speaker.user])
        sample.add([*ids, *self._speaker.asked])
        key = (question.answer, question.language)
        answer = self._speaker.answers[key]
        if whole:
            sample.add([*answer, self._speaker.user], said=True)
        else:
            sample.add(answer[: self._speaker.decided[key] + BEHIND_DECISION], said=True)


def pack(samples: Iterator[Sample], rows: int, length: int, places: int) -> Batch:
    """Fills rows with samples, each in the first row that has room, until none has room for a question. The one that
    fits nowhere is cut to the largest room: long ones would else be left out more often than short ones."""
    ids = np.zeros((rows, length), np.int64)
    positions = np.tile(np.arange(length, dtype=np.int64), (rows, 1))
    segments = np.zeros((rows, length), np.int64)
    following = np.zeros((rows, length), np.int64)
    counted = np.zeros((rows, length), bool)
    filled, count = [0] * rows, [0] * rows
    misses = 0
    while misses < MISSES:
        sample = next(samples)
        sample.cut(length)
        row = next((row for row in range(rows) if filled[row] + len(sample.ids) <= length), None)
        if row is None:
            misses += 1
            row = min(range(rows), key=filled.__getitem__)
            sample.cut(length - filled[row])
            if not any(sample.said):
                continue
        at, size = filled[row], len(sample.ids)
        filled[row], count[row] = at + size, count[row] + 1
        ids[row, at : at + size] = sample.ids
        positions[row, at : at + size] = np.arange(size)
        segments[row, at : at + size] = count[row]
        following[row, at : at + size - 1] = sample.ids[1:]
        counted[row, at : at + size - 1] = sample.said[1:]
    found = np.flatnonzero(counted)[:places]
    padded = np.zeros(places, np.int64)
    padded[: len(found)] = found
    weights = (np.arange(places) < len(found)).astype(np.float32)
    return Batch(ids, positions, segments, padded, following.reshape(-1)[padded], weights)


def tensors(batch: Batch) -> tuple[Any, ...]:
    import torch

    return tuple(
        torch.from_numpy(part)
        for part in (batch.ids, batch.positions, batch.segments, batch.places, batch.targets, batch.weights)
    )
