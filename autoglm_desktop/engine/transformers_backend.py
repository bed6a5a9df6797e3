"""Text generation by transformers: prompt cache across turns, pictures, cancel within a token and in prefill."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import torch

from ..core import protocol
from . import transformers_failures as failures
from . import transformers_load as loading
from .channel import Channel
from .server import JobFailed
from .transformers_cache import PromptCache
from .transformers_prompt import Key, PromptMaker
from .transformers_run import Run


class TransformersBackend:
    """One model at a time. ``load`` first; ``generate`` streams deltas over the channel and returns ``done``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loaded: loading.Loaded | None = None
        self._maker: PromptMaker | None = None
        self._cache: PromptCache | None = None
        self._ends: frozenset[int] = frozenset()
        self._unread: list[Key] = []

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
        return loaded.proof

    def unload(self) -> None:
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

    def generate(self, request: protocol.Generate) -> protocol.Done:
        if self._loaded is None or self._maker is None or self._cache is None:
            raise JobFailed("unsupported", "no model is loaded")
        begun = time.perf_counter()
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
