"""transformers' continuous batching itself: the model's thread, its paged cache, our sampling inside it.

Written for transformers 5.23. What of it is no part of a documented interface: a processor of our own in the manager's
list, an own router for what comes out, and the paged cache's ``search_prefix_match``, which says what was cached.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.continuous_api import OutputRouter

from . import transformers_load as loading
from .transformers_failures import free_cached
from .transformers_warm import BATCH

PAGE = 32
"""Cells of a page. What two prompts share is found by whole pages; two pages more than the plan's cells are taken."""
MEMORY_SHARE = 0.95
"""Of what is free now: more than transformers thinks the cells and their buffers to take makes it refuse."""


class Answers(Protocol):
    """Who asked for the tokens. Called in the model's thread."""

    def matched(self, request: str, tokens: int) -> None: ...

    def choose(self, request: str, logits: Any) -> int | None: ...

    def came(self, request: str, tokens: Sequence[int]) -> None: ...

    def failed(self, request: str, error: Exception) -> None: ...


class Paged:
    """``width`` answers at once, more wait; all share the context's cells, a page rounded up."""

    def __init__(self, loaded: loading.Loaded, width: int, answers: Answers) -> None:
        """Raises what transformers raises where it can't batch this model, or where memory is too short."""
        config = ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=math.ceil(loaded.context / PAGE),
            max_batch_tokens=max(BATCH, width),
            max_requests_per_batch=width,
            max_memory_percent=MEMORY_SHARE,
            max_blocks_per_request=0,  # only for flash attention
            use_async_batching=False,  # our sampling runs between two forwards
            use_cuda_graph=False,
            auto_switch_to_flash=False,  # would be fetched from a hub
        )
        greedy = GenerationConfig(do_sample=False, eos_token_id=-1)
        self._manager = loaded.model.init_continuous_batching(greedy, config)
        processors = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([_Choosing(answers)]))
        processors.tensors_required = 1
        self._manager.logit_processor = processors
        self._manager.output_router = _Router(answers)
        self._manager.warmup()  # makes the cache here, so that its errors are ours
        _count_matches(self._manager.batch_processor.cache, answers)
        self._manager.start()

    @property
    def alive(self) -> bool:
        """Whether it takes answers."""
        status = self._manager.background_thread_status
        return bool(self._manager.is_running()) and status.can_accept_new_requests() is None

    def add(self, request: str, tokens: Sequence[int], limit: int, ends: frozenset[int]) -> bool:
        """Begin an answer; whether it was taken."""
        added = self._manager.add_request(
            list(tokens), request, max_new_tokens=limit, streaming=True, eos_token_id=sorted(ends)
        )
        return added is not None and self.alive

    def cancel(self, request: str) -> None:
        self._manager.cancel_request(request)

    def close(self) -> None:
        """Raises nothing; the cells are free afterwards."""
        if self._manager.is_running():
            self._manager.stop(block=True, hard_stop=True)
        del self._manager  # with its last error, whose frames hold the cells
        gc.collect()
        free_cached()


class _Choosing(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Chooses each answer's token as it is chosen without a batch; the greedy choice that follows finds only that."""

    supported_kwargs: ClassVar[dict[str, type]] = {}
    ignored_kwargs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._rows: list[str] = []

    def fill_defaults(self, int32_tensor: Any) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Any:
        self._rows = [future.state.request_id for future in requests_with_new_token]
        return torch.zeros(0, dtype=torch.int32)

    def __call__(self, scores: Any, tensor_arg: Any) -> Any:
        for row, request in enumerate(self._rows):
            token = self._answers.choose(request, scores[row])
            if token is not None:
                scores[row].fill_(-torch.inf)
                scores[row, token] = 0.0
        return scores


class _Router(OutputRouter):  # type: ignore[misc]
    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def deliver(self, output: Any) -> None:
        self._answers.came(output.request_id, output.generated_tokens)

    def deliver_batch(self, outputs: list[Any]) -> None:
        for output in outputs:
            self.deliver(output)

    def fail_and_deliver(self, state: Any, error: Exception) -> None:
        self._answers.failed(state.request_id, error)


def _count_matches(cache: Any, answers: Answers) -> None:
    search = cache.search_prefix_match

    def counted(request: str, tokens: list[int]) -> int:
        found = int(search(request, tokens))
        answers.matched(request, found)
        return found

    cache.search_prefix_match = counted
