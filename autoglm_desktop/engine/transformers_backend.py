"""Text generation by transformers: prompt cache across turns, pictures, cancel within a token and in prefill."""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from ..core import protocol
from . import transformers_failures as failures
from . import transformers_load as loading
from .channel import Channel
from .server import JobFailed
from .transformers_batch import Batch
from .transformers_batchable import has_pictures, not_batched, tried
from .transformers_cache import PromptCache
from .transformers_prompt import Key, PromptMaker
from .transformers_run import Run


class TransformersBackend:
    """One model at a time. ``load`` first; ``generate`` streams deltas over the channel and returns ``done``, ``take``
    begins an answer beside others where the model was loaded for a batch.

    Both have a cache of the whole context. Only one of them exists at any time: the plan has room for one.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loaded: loading.Loaded | None = None
        self._maker: PromptMaker | None = None
        self._cache: PromptCache | None = None
        self._ends: frozenset[int] = frozenset()
        self._unread: list[Key] = []
        self._width = 1
        self._batch: Batch | None = None

    def load(self, job: protocol.Load) -> protocol.Proof:
        def progress(phase: str, fraction: float) -> None:
            self._channel.emit(protocol.Progress(phase, fraction))

        loaded = loading.open_model(job, progress)
        self._ends = _end_tokens(loaded)
        self._maker = PromptMaker(
            loaded.tokenizer, loaded.model.config.model_type, loaded.pictures, self._ends
        )
        self._cache = PromptCache(loaded.model.config)
        self._loaded = loaded
        self._width = self._proven_width(job.batch)
        return replace(loaded.proof, batch=self._width)

    def unload(self) -> None:
        self._end_batch()
        self._loaded = self._maker = self._cache = None
        gc.collect()
        failures.free_cached()

    def memory(self) -> protocol.MemoryUse:
        """What torch holds on each GPU, freed memory that it keeps included."""
        keys = self._loaded.keys if self._loaded is not None else {}
        devices = {}
        if torch.cuda.is_available():
            for index in range(torch.cuda.device_count()):
                name = f"gpu:{index}"
                devices[keys.get(name, name)] = torch.cuda.memory_reserved(index)
        return protocol.MemoryUse(_resident_bytes(), devices)

    def take(self, request: protocol.Generate) -> bool:
        """Begin an answer beside those that run. False: it must be written alone, since it has pictures or nothing was
        loaded for a batch. Raises JobFailed."""
        if self._width < 2 or self._maker is None or self._loaded is None or has_pictures(request):
            return False
        begun = time.perf_counter()
        if self._batch is None or not self._batch.alive:
            self._open_batch()
        assert self._batch is not None
        with self._batch.change:  # the tokenizer may not be asked in two threads at once
            made = self._maker.fit(request, self._loaded.context, *self._batch.standing)
        self._batch.add(request, made, begun)
        return True

    def generate(self, request: protocol.Generate) -> protocol.Done:
        """Write an answer alone, after all that run. Raises JobFailed."""
        if self._loaded is None or self._maker is None or self._cache is None:
            raise JobFailed("unsupported", "no model is loaded")
        begun = time.perf_counter()
        self._end_batch()
        made = self._maker.fit(request, self._loaded.context, [*self._cache.keys, *self._unread])
        self._unread = []
        try:
            with failures.translated(), torch.inference_mode():
                run = Run(self._loaded, self._cache, self._channel, request, made, begun)
                done = run.run(self._ends)
                self._unread = run.unread
                return done
        except JobFailed as failure:
            self._cache.clear()  # a broken forward may have left layers of different lengths
            if failure.kind != "out_of_memory":
                raise
            short = JobFailed(failure.kind, str(failure))
        gc.collect()  # out here: the exception's frames held the tensors that did not fit
        failures.free_cached()
        raise short

    def _proven_width(self, wanted: int) -> int:
        """How many answers transformers really writes at once with this model, after it has written some."""
        if wanted < 2 or self._loaded is None:
            return 1
        reason = not_batched(self._loaded) or tried(self._loaded, wanted)
        if reason is not None:
            print(f"one answer at a time: {reason}", file=sys.stderr)  # noqa: T201 - the application's log
            return 1
        self._width = wanted
        self._open_batch()  # the first answer need not wait for it
        return wanted

    def _open_batch(self) -> None:
        assert self._loaded is not None and self._cache is not None
        self._end_batch()
        self._cache.clear()
        self._unread = []
        gc.collect()
        failures.free_cached()
        with failures.translated():
            self._batch = Batch(self._loaded, self._width, self._ends, self._channel, self._told)
        self._channel.on_cancel = self._batch.cancel

    def _end_batch(self) -> None:
        """Wait for all its answers, then free its cells."""
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.drain()
            self._channel.on_cancel = None
            batch.close()

    def _told(self) -> None:
        self._channel.emit(self.memory())


def _end_tokens(loaded: loading.Loaded) -> frozenset[int]:
    ends = {loaded.tokenizer.eos_token_id}
    for source in (loaded.model.generation_config, loaded.model.config.get_text_config()):
        found = getattr(source, "eos_token_id", None)
        ends |= set(found) if isinstance(found, (list, tuple)) else {found}
    return frozenset(token for token in ends if token is not None)


def _resident_bytes() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
