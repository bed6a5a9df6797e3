"""llama.cpp's native sampler chain for a request's sampling values, and the choice of a token by it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Protocol

import llama_cpp.llama_cpp as native

from ..core.protocol import Sampling

RANDOM_SEED = 0xFFFFFFFF
"""llama.h: LLAMA_DEFAULT_SEED, by which llama.cpp draws a seed of its own; somebody's -1 must repeat, too."""


class Chooser(Protocol):
    """Chooses the tokens of one answer."""

    def choose(self, context: Any) -> int | None:
        """The next token by the last logits; None: none is allowed."""

    def close(self) -> None: ...


class Free:
    """By the sampler chain alone."""

    def __init__(self, sampling: Sampling, vocabulary: int, cells: int, before: Iterable[int]) -> None:
        """``before``: tokens that the answer says already, which count for its penalties."""
        self._chain = make_chain(sampling, vocabulary, cells)
        for token in before:
            native.llama_sampler_accept(self._chain, token)

    def choose(self, context: Any) -> int | None:
        token: int = native.llama_sampler_sample(self._chain, context, -1)
        return token

    def close(self) -> None:
        native.llama_sampler_free(self._chain)


def make_chain(sampling: Sampling, vocabulary: int, context: int) -> Any:
    """Penalties count the generated tokens only (OpenAI's meaning); temperature 0 is greedy. Free with
    ``llama_sampler_free``."""
    chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    if sampling.frequency_penalty or sampling.presence_penalty:
        penalties = native.llama_sampler_init_penalties(
            vocabulary, context, 1.0, sampling.frequency_penalty, sampling.presence_penalty
        )
        native.llama_sampler_chain_add(chain, penalties)
    if sampling.temperature <= 0:
        native.llama_sampler_chain_add(chain, native.llama_sampler_init_greedy())
        return chain
    if sampling.top_k > 0:
        native.llama_sampler_chain_add(chain, native.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        native.llama_sampler_chain_add(chain, native.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        native.llama_sampler_chain_add(chain, native.llama_sampler_init_min_p(sampling.min_p, 1))
    native.llama_sampler_chain_add(chain, native.llama_sampler_init_temp(sampling.temperature))
    seed = sampling.seed if sampling.seed is not None else int.from_bytes(os.urandom(4), "little")
    native.llama_sampler_chain_add(
        chain, native.llama_sampler_init_dist(min(seed & RANDOM_SEED, RANDOM_SEED - 1))
    )
    return chain
