"""Text and pictures by llama.cpp: prompt cache across turns, native sampling, cancel within a token."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..core import protocol
from . import llama_load
from .channel import Channel
from .llama_cells import Cells
from .llama_grammar import make_chooser
from .llama_pictures import Item, cells_of, pictures_of
from .llama_prompt import Fitted, PromptMaker
from .llama_prove import prove_pictures
from .llama_run import Run
from .llama_vision import Cancelled
from .llama_vocab import Vocabulary
from .sampling import Chooser
from .server import JobFailed


@dataclass(frozen=True)
class _Model:
    """A loaded model and what belongs to it."""

    loaded: llama_load.Loaded
    vocabulary: Vocabulary
    prompts: PromptMaker
    cells: Cells


class LlamaBackend:
    """One model at a time. ``load`` first; ``generate`` streams deltas over the channel and returns ``done``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._model: _Model | None = None
        self._unread: list[int] = []

    def load(self, job: protocol.Load) -> protocol.Proof:
        def progress(phase: str, fraction: float) -> None:
            self._channel.emit(protocol.Progress(phase, fraction))

        self.unload()
        loaded = llama_load.open_model(job, progress)
        try:
            vocabulary = Vocabulary(loaded.vocab)
            template = vocabulary.template(loaded.model, loaded.header.architecture)
            ends = vocabulary.picture_ends() if loaded.vision is not None else None
            prompts = PromptMaker(vocabulary, template, loaded.cells, ends)
            cells = Cells(loaded)
            if job.projector is not None:
                loaded.proof = prove_pictures(loaded, job.projector, cells, progress)
        except JobFailed:
            loaded.close()
            raise
        self._model = _Model(loaded, vocabulary, prompts, cells)
        return loaded.proof

    def unload(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.loaded.close()

    def memory(self) -> protocol.MemoryUse:
        """Resident bytes (Linux), and what llama.cpp said it took on each GPU."""
        devices: dict[str, int] = {}
        if self._model is not None:
            sizes = llama_load.log.memory.items()
            devices = {key: sum(causes.values()) for key, causes in sizes if key.startswith("gpu")}
        if not sys.platform.startswith("linux"):
            return protocol.MemoryUse(devices=devices)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        import resource

        return protocol.MemoryUse(pages * resource.getpagesize(), devices)

    def generate(self, request: protocol.Generate) -> protocol.Done:
        begun = time.perf_counter()
        if self._model is None:
            raise JobFailed("unsupported", "no model is loaded")
        loaded, cells = self._model.loaded, self._model.cells
        fitted = self._model.prompts.fit(request, cells.shared, [*cells.items, *self._unread])
        chooser = make_chooser(request.sampling, self._model.vocabulary, loaded.cells, fitted.begun.tokens)
        self._unread = []
        try:
            return self._answer(request, fitted, chooser, begun)
        finally:
            chooser.close()

    def _answer(
        self, request: protocol.Generate, fitted: Fitted, chooser: Chooser, begun: float
    ) -> protocol.Done:
        assert self._model is not None
        loaded, cells = self._model.loaded, self._model.cells
        kept = cells.keep_prefix(fitted.items)
        cached = cells_of(fitted.items[:kept])

        def cancelled() -> bool:
            return self._channel.is_cancelled(request.id)

        try:
            cells.prefill(fitted.items[kept:], cancelled)
        except Cancelled:
            usage = _usage(fitted.items, 0, cached, fitted.dropped)
            return protocol.Done(request.id, usage, protocol.Timings(), "cancelled")
        prefilled = time.perf_counter()
        total = cells_of(fitted.items)
        limit = min(request.sampling.max_tokens, loaded.cells - total)
        run = Run(request, limit, begun, self._channel.emit, fitted.begun)
        reason = run.decode(loaded, cells, chooser, cancelled)
        self._unread = run.unread
        timings = protocol.Timings(
            first_token_s=run.first_token_s,
            prompt_tokens_per_s=(total - cached) / (prefilled - begun) if prefilled > begun else None,
            tokens_per_s=run.tokens_per_s,
        )
        usage = _usage(fitted.items, run.count, cached, fitted.dropped)
        return protocol.Done(request.id, usage, timings, reason)


def _usage(items: list[Item], completion: int, cached: int, dropped: int) -> protocol.Usage:
    """Tokens are counted in cells of the context, a picture's too."""
    return protocol.Usage(cells_of(items), completion, cached, dropped, pictures_of(items))
