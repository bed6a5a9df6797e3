"""How long a loaded (cut) model takes for a decoded token and for a batch of a prompt, at several depths.

The model is opened as any other (``llama_load``), so the times are those of the real path. A decoded token is timed
with its sampling, as a reply's is; a prefill batch asks for one token's logits.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import llama_cpp.llama_cpp as native

from ..core import protocol
from . import llama_load
from .sampling import make_chain
from .server import JobFailed

KNOWN_TOKENS = 256
"""Only tokens below this are fed; they are common to all vocabularies."""
MOST_DEPTH, MOST_ROUNDS = 1 << 20, 1000
DECODE_SHARE = 0.4
"""Of a depth's time, what decoding may take; the rest is the prefill's."""


def measure(job: protocol.Measure, progress: llama_load.Progress) -> protocol.Measured:
    """Time a model. Raises JobFailed: ``not_proven`` where GPU layers were asked for and none is on a GPU."""
    _check(job)
    depths = tuple(sorted(set(job.depths)))
    begun = time.perf_counter()
    context = depths[-1] + max(job.batch, job.rounds)
    load = protocol.Load(
        job.backend, job.model, context, job.gpu_layers, job.kv_type, job.threads, job.options
    )
    loaded = llama_load.open_model(load, progress, job.device)
    try:
        on_gpu, total = loaded.proof.gpu_layers or 0, loaded.proof.total_layers or 0
        if job.gpu_layers and not on_gpu:
            raise JobFailed("not_proven", "layers on a GPU were asked for, none is on one")
        meter = _Meter(loaded, job, begun + job.limit_s)
        points = meter.points(depths, lambda fraction: progress("warm_up", fraction))
    finally:
        loaded.close()
    return protocol.Measured(loaded.proof.build, points, on_gpu, total, loaded.proof.threads)


def _check(job: protocol.Measure) -> None:
    """Raises JobFailed(unsupported) for what can't be measured."""
    wrong = {
        "depths": not job.depths or not all(0 <= depth <= MOST_DEPTH for depth in job.depths),
        "batch": not 0 < job.batch <= llama_load.BATCH,
        "rounds": not 0 < job.rounds <= MOST_ROUNDS,
        "limit_s": not (math.isfinite(job.limit_s) and job.limit_s > 0),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise JobFailed("unsupported", f"measure: {name} is {getattr(job, name)!r}")


class _Meter:
    """Feeds tokens to one context and keeps count of the cells that are filled."""

    def __init__(self, loaded: llama_load.Loaded, job: protocol.Measure, deadline: float) -> None:
        self._context = loaded.context
        self._memory = native.llama_get_memory(loaded.context)
        self._job = job
        self._deadline = deadline
        self._known = min(KNOWN_TOKENS, native.llama_vocab_n_tokens(loaded.vocab))
        self._vocabulary = native.llama_vocab_n_tokens(loaded.vocab)
        self._cells_at_most = loaded.cells
        self._cells = 0

    def points(self, depths: tuple[int, ...], told: Callable[[float], None]) -> tuple[protocol.Point, ...]:
        """Two points for each depth. Where the time ends before a depth is reached its points are of the depth that
        was, or left out when that was measured already; the first depth's are always there."""
        chain = make_chain(protocol.Sampling(seed=1), self._vocabulary, self._cells_at_most)
        found: list[protocol.Point] = []
        try:
            for index, depth in enumerate(depths):
                now = time.perf_counter()
                ends = now + max(self._deadline - now, 0.0) / (len(depths) - index)
                reached = self._stand_at(depth, ends)
                if found and reached <= found[-1].depth:
                    break
                decode_ends = time.perf_counter() + (ends - time.perf_counter()) * DECODE_SHARE
                found.append(self._timed("decode", reached, 1, decode_ends, chain))
                told((index + 0.5) / len(depths))
                found.append(self._timed("prefill", reached, self._job.batch, ends, None))
                told((index + 1) / len(depths))
        finally:
            native.llama_sampler_free(chain)
        return tuple(found)

    def _timed(self, kind: str, depth: int, tokens: int, until: float, chain: Any) -> protocol.Point:
        """At least one round, at most the job's, none that would end after ``until``."""
        times: list[float] = []
        while len(times) < self._job.rounds:
            if kind == "prefill":
                self._stand_at(depth, math.inf)
            begun = time.perf_counter()
            if times and begun + times[-1] > until:
                break
            self._evaluate(tokens)
            if chain is not None:
                native.llama_sampler_sample(chain, self._context, -1)
            times.append(time.perf_counter() - begun)
        self._stand_at(depth, math.inf)
        return protocol.Point(kind, depth, tokens, statistics.median(times), min(times), len(times))

    def _stand_at(self, depth: int, until: float) -> int:
        """Empty or fill the cache to ``depth`` tokens; returns where it stands when ``until`` came first."""
        if self._cells > depth:
            if native.llama_memory_seq_rm(self._memory, 0, depth, -1):
                self._cells = depth
            else:  # recurrent models can't forget a part
                native.llama_memory_clear(self._memory, True)
                self._cells = 0
        last = 0.0
        while self._cells < depth:
            begun = time.perf_counter()
            if begun + 2 * last > until:  # a batch to get there and one to be timed
                break
            self._evaluate(min(self._job.batch, depth - self._cells))
            last = time.perf_counter() - begun
        return self._cells

    def _evaluate(self, count: int) -> None:
        """Decode ``count`` tokens behind the cells that are filled. Raises JobFailed."""
        numbers = [(self._cells + index) % self._known for index in range(count)]
        tokens = (native.llama_token * count)(*numbers)
        code = native.llama_decode(self._context, native.llama_batch_get_one(tokens, count))
        native.llama_synchronize(self._context)
        if code:
            kind, message = llama_load.log.failure(f"llama_decode returned {code}")
            raise JobFailed("out_of_memory" if code == -2 else kind, message)
        self._cells += count
