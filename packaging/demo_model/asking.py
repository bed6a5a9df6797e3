"""Asks the files, greedily: through transformers in float32 and through llama.cpp from the F16 GGUF."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoglm_desktop.core import protocol

from .corpus import Corpus, Question
from .judge import Judge, Verdict
from .settings import LANGUAGES

MOST_TOKENS = 192
ROWS = 64
CONTEXT = 1024
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Asked:
    question: Question
    said: str
    verdict: Verdict

    @property
    def right(self) -> bool:
        return (self.verdict.answer, self.verdict.language) == (self.question.answer, self.question.language)


@dataclass
class Backend:
    """``seconds``: for all questions, one after another for llama.cpp, in batches for transformers. ``speed``,
    tokens/s, and ``first_token``, seconds, are medians. ``weights``: the file asked, where it is the one shipped."""

    name: str
    answers: list[Asked]
    seconds: float
    speed: float | None = None
    first_token: float | None = None
    weights: Path | None = None


def questions(corpus: Corpus, limit: int | None = None) -> list[Question]:
    """Held-out, out-of-scope test and blind questions; with ``limit`` a sample of about so many, by a fixed seed."""
    every = [*corpus.held_out, *corpus.outside_test, *corpus.blind]
    if limit is None or limit >= len(every):
        return every
    return random.Random(0).sample(every, limit)


Opening = Callable[[Question], list[protocol.Message]]
"""The messages that stand before a question."""


def alone(question: Question) -> list[protocol.Message]:
    return []


def openings(corpus: Corpus, prompts: Mapping[str, str]) -> dict[str, Opening]:
    """Other places of a question, as in the chat: behind a greeting, behind another question with its answer, and
    under a system prompt (``prompts``: by language)."""
    by_language = {name: [one for one in corpus.train if one.language == name] for name in LANGUAGES}

    def after(first: Question) -> list[protocol.Message]:
        answer = corpus.answers[first.answer, first.language]
        return [protocol.Message("user", first.text), protocol.Message("assistant", answer)]

    def greeted(question: Question) -> list[protocol.Message]:
        return after(next(one for one in by_language[question.language] if one.answer == "greeting"))

    def second(question: Question) -> list[protocol.Message]:
        others = by_language[question.language]
        return after(others[zlib.crc32(question.text.encode()) % len(others)])

    def told(question: Question) -> list[protocol.Message]:
        return [protocol.Message("system", prompts[question.language])]

    return {"after a greeting": greeted, "after another question": second, "under a system prompt": told}


def through_transformers(folder: Path, asked: Sequence[Question], judge: Judge) -> Backend:
    """Batches of prompts of the same length: nothing is padded."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for place, question in enumerate(asked):
        message = [{"role": "user", "content": question.text}]
        text = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        by_length.setdefault(len(ids), []).append((place, ids))
    said = [""] * len(asked)
    begun = time.perf_counter()
    for group in by_length.values():
        for first in range(0, len(group), ROWS):
            part = group[first : first + ROWS]
            with torch.inference_mode():
                ids = torch.tensor([ids for _, ids in part])
                out = model.generate(
                    ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=MOST_TOKENS
                )
            for (place, prompt), row in zip(part, out, strict=True):
                said[place] = tokenizer.decode(row[len(prompt) :], skip_special_tokens=True)
    seconds = time.perf_counter() - begun
    return Backend("transformers", _judged(asked, said, judge), seconds, weights=folder / WEIGHTS)


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """What native code writes to stderr goes into a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def through_llama(
    gguf: Path, asked: Sequence[Question], judge: Judge, threads: int, opening: Opening = alone
) -> Backend:
    """The program's own backend in this process; its log is written beside the file. ``use_extra_bufts=False``: where a
    processor has AMX, llama.cpp's stock build dies (docs/measured.md)."""
    with _logged(gguf.with_suffix(".log")):
        return _through_llama(gguf, asked, judge, threads, opening)


def _through_llama(
    gguf: Path, asked: Sequence[Question], judge: Judge, threads: int, opening: Opening
) -> Backend:
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    channel = _Channel()
    backend = LlamaBackend(channel)  # type: ignore[arg-type]
    safe = protocol.EngineOptions(use_extra_bufts=False)
    backend.load(protocol.Load("llama.cpp", str(gguf), CONTEXT, threads=threads, options=safe))
    said, speeds, firsts = [], [], []
    begun = time.perf_counter()
    for question in asked:
        sampling = protocol.Sampling(temperature=0.0, max_tokens=MOST_TOKENS)
        channel.texts.clear()
        request = protocol.Generate(
            "r", (*opening(question), protocol.Message("user", question.text)), sampling
        )
        timings = backend.generate(request).timings
        said.append("".join(channel.texts))
        speeds.append(timings.tokens_per_s or 0.0)
        firsts.append(timings.first_token_s or 0.0)
    seconds = time.perf_counter() - begun
    backend.unload()
    return Backend("llama.cpp", _judged(asked, said, judge), seconds, _median(speeds), _median(firsts))


class _Channel:
    """Stands in for the engine's channel to its parent."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def emit(self, event: protocol.Event) -> None:
        if isinstance(event, protocol.Delta):
            self.texts.append(event.text)

    def is_cancelled(self, request: str) -> bool:
        return False


def _judged(asked: Sequence[Question], said: Sequence[str], judge: Judge) -> list[Asked]:
    return [Asked(one, text, judge(text)) for one, text in zip(asked, said, strict=True)]


def _median(values: Sequence[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None
