"""llama.cpp's native sampler chain for a request's sampling values."""

from __future__ import annotations

import os
from typing import Any

import llama_cpp.llama_cpp as native

from ..core.protocol import Sampling


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
    native.llama_sampler_chain_add(chain, native.llama_sampler_init_dist(seed & 0xFFFFFFFF))
    return chain
