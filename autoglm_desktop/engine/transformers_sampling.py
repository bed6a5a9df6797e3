"""Choosing tokens from torch logits, in the order of the llama.cpp backend: penalties, then greedy, or top-k, top-p,
min-p, temperature."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch

from ..core.protocol import Sampling


class Sampler:
    """One request's sampler. Penalties count the generated tokens only (OpenAI's meaning); ``spoken``: those of an
    answer that is continued."""

    def __init__(self, sampling: Sampling, device: Any, spoken: Iterable[int] = ()) -> None:
        self._sampling = sampling
        self._counts: Counter[int] = Counter(spoken)
        self._generator = torch.Generator(device=device)
        seed = sampling.seed if sampling.seed is not None else int.from_bytes(os.urandom(4), "little")
        self._generator.manual_seed(seed & 0xFFFFFFFF)

    @property
    def plain(self) -> bool:
        """Whether it takes the likeliest token, whatever was said before."""
        sampling = self._sampling
        return sampling.temperature <= 0 and not (sampling.frequency_penalty or sampling.presence_penalty)

    def choose(self, logits: Any) -> int:
        """The next token for a row of logits; it is counted for the penalties."""
        scores = self._penalised(logits.to(torch.float32))
        token = int(scores.argmax()) if self._sampling.temperature <= 0 else self._drawn(scores)
        self._counts[token] += 1
        return token

    def _penalised(self, scores: Any) -> Any:
        sampling = self._sampling
        if not self._counts or not (sampling.frequency_penalty or sampling.presence_penalty):
            return scores
        ids = torch.tensor(list(self._counts), device=scores.device)
        counts = torch.tensor(list(self._counts.values()), dtype=scores.dtype, device=scores.device)
        scores = scores.clone()
        scores[ids] -= counts * sampling.frequency_penalty + sampling.presence_penalty
        return scores

    def _drawn(self, scores: Any) -> int:
        sampling = self._sampling
        count = min(sampling.top_k, scores.numel()) if sampling.top_k > 0 else scores.numel()
        values, ids = torch.topk(scores, count)  # falling, so that the cuts below keep the head
        if sampling.top_p < 1:
            shares = torch.softmax(values, 0)
            kept = shares.cumsum(0) - shares < sampling.top_p
            kept[0] = True
            values, ids = values[kept], ids[kept]
        if sampling.min_p > 0:
            shares = torch.softmax(values, 0)
            kept = shares >= sampling.min_p * shares[0]
            kept[0] = True
            values, ids = values[kept], ids[kept]
        chances = torch.softmax(values / sampling.temperature, 0)
        drawn = torch.multinomial(chances, 1, generator=self._generator)
        return int(ids[drawn])
