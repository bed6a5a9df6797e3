"""The same weights through both backends: how far their logits are apart, and whether they say the same.

Transformers stores bf16 and computes in float32 (KV cache float32); llama.cpp has the same values in F16, rounds what
it multiplies with them to F16, and keeps an F16 KV cache with flash attention, as the application loads a file.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from autoglm_desktop.core import protocol
from tests.engine.transformers_support import InProcess, Remembering
from tests.fakes.made_pair import Pair

PROMPTS, TOKENS = 50, 32
"""So many prompts of so many tokens, each answered with as many."""
LEAST_SAME = 0.95
BOUND = 0.025
"""|Δlogit| at most, in standard deviations of the logits. Measured with AVX2 (docs/measured.md): 0.0145 to 0.017 at
256 × 4, 0.0204 at 512 × 8; most of it is llama.cpp's rounding of activations to F16, 2^-11 of each."""
CONTEXT = 512
THREADS = 1
"""Two would wait for each other on a busy machine."""
TEXT = """This model knows one table of words 它 只 会 说 打开 微信 点击 发送 Nothing here was learned 天气 today tap
scroll wait 3 14 159 back home press type 设置 搜索 please then first second 。 , ! ? 😀 the in re on he"""


@dataclass(frozen=True)
class Difference:
    """Where two greedy answers part: ``margin`` between the two best logits there, of whichever backend has it less."""

    prompt: int
    step: int
    margin: float


@dataclass(frozen=True)
class Agreement:
    """``worst``, ``mean``: |Δlogit| over ``steps`` × vocabulary; ``spread``: the logits' standard deviation."""

    prompts: int
    same_text: int
    differences: tuple[Difference, ...]
    worst: float
    mean: float
    spread: float
    steps: int
    tokens: int

    @property
    def bound(self) -> float:
        """BOUND as a logit."""
        return BOUND * self.spread

    @property
    def ties(self) -> int:
        """Differences at a step whose two best logits lie closer than the bound."""
        return sum(one.margin < self.bound for one in self.differences)

    @property
    def same(self) -> float:
        """Share of the prompts with the same text, ties not counted."""
        counted = self.prompts - self.ties
        return self.same_text / counted if counted else 0.0


def compare(pair: Pair, *, prompts: int = PROMPTS) -> Agreement:
    """Both in this process. AssertionError where the prompts are not the same tokens."""
    ours = InProcess(pair.folder, context=CONTEXT, threads=THREADS)
    theirs = _Llama(str(pair.gguf))
    rng = random.Random(0)
    same, tokens, parted, apart, spread = 0, 0, [], [], []
    try:
        for number in range(prompts):
            text, prompt = _prompt(ours, rng)
            said, answer = _transformers(ours, text, len(prompt))
            heard, other = theirs.ask(text, prompt)
            logits = _logits(ours, prompt, answer)
            delta = logits - theirs.logits(prompt, answer)
            apart.append(np.abs(delta))
            spread.append(logits.std())
            tokens += len(answer)
            if said == heard:
                same += 1
                continue
            alike = [a == b for a, b in zip(answer, other, strict=False)]
            step = alike.index(False) if False in alike else len(answer)  # the last token was not evaluated
            parted.append(
                Difference(number, step, min(_margin(logits[step]), _margin((logits - delta)[step])))
            )
    finally:
        theirs.backend.unload()
        ours.backend.unload()
    every = np.concatenate(apart)
    return Agreement(
        prompts,
        same,
        tuple(parted),
        float(every.max()),
        float(every.mean()),
        float(np.mean(spread)),
        len(every),
        tokens,
    )


def _prompt(ours: InProcess, rng: random.Random) -> tuple[str, list[int]]:
    """(a text, its prompt of exactly TOKENS tokens with the chat template)"""
    text = ""
    while True:
        tokens = _tokens(ours, text)
        if len(tokens) == TOKENS:
            return text, tokens
        text = text + " " + rng.choice(TEXT.split()) if len(tokens) < TOKENS else ""


def _tokens(ours: InProcess, text: str) -> list[int]:
    return list(ours.backend._maker.fit(_request(text), CONTEXT).tokens)


def _request(text: str) -> protocol.Generate:
    sampling = protocol.Sampling(temperature=0.0, max_tokens=TOKENS)
    return protocol.Generate("r", (protocol.Message("user", text),), sampling)


def _transformers(ours: InProcess, text: str, prompt: int) -> tuple[str, list[int]]:
    """(its answer, the answer's tokens that were evaluated: all but the last)"""
    said, done = ours.ask(text, max_tokens=TOKENS)
    assert done.usage.prompt_tokens == prompt
    return said, [int(key) for key in ours.backend._cache.keys[prompt:]]


def _logits(ours: InProcess, prompt: list[int], answer: list[int]) -> np.ndarray:
    """(answer's length + 1, vocabulary): after the prompt, and after each token of the answer."""
    import torch

    model = ours.backend._loaded.model
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
    return found[len(prompt) - 1 :].float().numpy()


def _margin(logits: np.ndarray) -> float:
    best = np.partition(logits, -2)[-2:]
    return float(best[1] - best[0])


class _Llama:
    """llama.cpp's backend in this process."""

    def __init__(self, path: str) -> None:
        from autoglm_desktop.engine.llama_backend import LlamaBackend

        self.channel = Remembering()
        self.backend = LlamaBackend(self.channel)
        safe = protocol.EngineOptions(use_extra_bufts=False)
        self.proof = self.backend.load(
            protocol.Load("llama.cpp", path, CONTEXT, threads=THREADS, options=safe)
        )

    def ask(self, text: str, prompt: list[int]) -> tuple[str, list[int]]:
        """(its answer, the answer's tokens)"""
        self.channel.events.clear()
        self.channel.asked = 0
        done = self.backend.generate(_request(text))
        items = self.backend._model.cells.items
        assert items[: len(prompt)] == prompt and done.usage.prompt_tokens == len(prompt), (items, prompt)
        return self.channel.text(), items[len(prompt) :]

    def logits(self, prompt: list[int], answer: list[int]) -> np.ndarray:
        """As ``_logits``, token by token behind a prompt that is evaluated anew."""
        import llama_cpp.llama_cpp as native

        model = self.backend._model
        size = native.llama_vocab_n_tokens(model.loaded.vocab)
        model.cells.keep_prefix([-1])
        model.cells.prefill(list(prompt), lambda: False)
        rows = []
        for token in [*answer, None]:
            row = native.llama_get_logits_ith(model.loaded.context, -1)
            rows.append(np.ctypeslib.as_array(row, (size,)).copy())
            if token is not None:
                model.cells.evaluate([token])
        return np.stack(rows)
