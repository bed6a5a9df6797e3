"""One request to a transformers model: prefill in batches, then token by token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..core import protocol
from . import transformers_load as loading
from .channel import Channel
from .stops import StopFilter
from .transformers_cache import PromptCache
from .transformers_pictures import encode
from .transformers_prompt import Key, Prompt
from .transformers_sampling import Sampler
from .transformers_warm import BATCH


class Cancelled(Exception):
    """The request was cancelled during prefill."""


class Run:
    """One request: prefill, then token by token. ``unread``: the last token, where it was said and not evaluated."""

    def __init__(
        self,
        loaded: loading.Loaded,
        cache: PromptCache,
        channel: Channel,
        request: protocol.Generate,
        made: Prompt,
        begun: float,
    ) -> None:
        self._loaded, self._cache, self._channel = loaded, cache, channel
        self._request, self._made, self._begun = request, made, begun
        self._first = self._last = 0.0
        self._count = 0
        self.unread: list[Key] = []
        self._shift = 0  # M-RoPE: a picture takes fewer positions than cells
        self._explicit = bool(made.pictures)

    def run(self, ends: frozenset[int]) -> protocol.Done:
        made = self._made
        cached = self._cache.keep(made.keys)
        try:
            logits = self._prefill(cached)
        except Cancelled:
            self._cache.cut(len(self._cache.keys))
            usage = protocol.Usage(len(made.tokens), 0, cached, made.dropped, made.image_tokens)
            return protocol.Done(self._request.id, usage, protocol.Timings(), "cancelled")
        prefilled = time.perf_counter()
        reason = self._decode(logits, ends)
        usage = protocol.Usage(len(made.tokens), self._count, cached, made.dropped, made.image_tokens)
        fresh = len(made.tokens) - cached
        timings = protocol.Timings(
            first_token_s=self._first - self._begun if self._count else None,
            prompt_tokens_per_s=fresh / (prefilled - self._begun) if prefilled > self._begun else None,
            tokens_per_s=self._speed(),
        )
        return protocol.Done(self._request.id, usage, timings, reason)

    def _speed(self) -> float | None:
        if self._count < 2 or self._last <= self._first:
            return None
        return (self._count - 1) / (self._last - self._first)

    def _prefill(self, cached: int) -> Any:
        """Evaluate what the cache lacks; the last token's logits. Raises Cancelled."""
        made = self._made
        positions = self._positions()
        with self._interruptible():
            rows = self._picture_rows(cached)
            logits = None
            for start in range(cached, len(made.tokens), BATCH):
                self._ask()
                end = min(start + BATCH, len(made.tokens))
                where = positions[..., start:end] if positions is not None else None
                logits = self._forward(list(made.tokens[start:end]), where, self._rows_in(rows, start, end))
                self._cache.keys += made.keys[start:end]
        float(logits[0])  # type: ignore[index]  # waits for a GPU: the time must be real
        return logits

    def _positions(self) -> Any:
        """M-RoPE positions (3, 1, tokens) of a prompt with pictures; None leaves them to the model."""
        made, reader = self._made, self._loaded.pictures
        if not self._explicit or reader is None:
            return None
        ids = torch.tensor([made.tokens], device=self._loaded.device)
        grids = torch.tensor([reader.grid(picture) for picture in made.pictures], device=self._loaded.device)
        kinds = (ids == reader.token).long()
        positions, shift = self._loaded.model.model.get_rope_index(ids, kinds, image_grid_thw=grids)
        self._shift = int(shift[0, 0])
        return positions

    def _picture_rows(self, cached: int) -> list[tuple[int, Any]]:
        """(first token, embeddings) of each picture that is not wholly in the cache."""
        made, reader = self._made, self._loaded.pictures
        rows = []
        for first, picture in zip(made.spans, made.pictures, strict=True):
            if reader is not None and first + reader.tokens(picture) > cached:
                self._ask()
                rows.append((first, encode(self._loaded.model, self._loaded.device, reader, picture)))
        return rows

    @staticmethod
    def _rows_in(rows: list[tuple[int, Any]], start: int, end: int) -> list[tuple[int, Any]]:
        """The parts of pictures between two tokens: (offset from ``start``, embeddings)."""
        found = []
        for first, values in rows:
            low, high = max(first, start), min(first + len(values), end)
            if low < high:
                found.append((low - start, values[low - first : high - first]))
        return found

    def _forward(self, tokens: list[int], positions: Any, rows: list[tuple[int, Any]]) -> Any:
        """Evaluate tokens behind the cache; logits of the last one."""
        model = self._loaded.model
        ids = torch.tensor([tokens], device=self._loaded.device)
        inputs: dict[str, Any] = {"input_ids": ids}
        if rows:
            embeddings = model.get_input_embeddings()(ids)
            for offset, values in rows:
                embeddings[0, offset : offset + len(values)] = values.to(embeddings.device, embeddings.dtype)
            inputs = {"inputs_embeds": embeddings}
        if positions is not None:
            inputs["position_ids"] = positions
        output = model(**inputs, past_key_values=self._cache.cells, use_cache=True, logits_to_keep=1)
        return output.logits[0, -1]

    def _ask(self) -> None:
        if self._channel.is_cancelled(self._request.id):
            raise Cancelled

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ask for a cancel before each layer of text and vision, as long as the prompt is evaluated."""

        def before(_module: Any, _inputs: Any) -> None:
            self._ask()

        model = self._loaded.model
        names = {str(name) for name in model._no_split_modules or ()}
        blocks = [module for module in model.modules() if type(module).__name__ in names]
        handles = [block.register_forward_pre_hook(before) for block in blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _decode(self, logits: Any, ends: frozenset[int]) -> str:
        """Stream the answer; the finish reason: stop, length or cancelled."""
        made, sampling = self._made, self._request.sampling
        limit = min(sampling.max_tokens, self._loaded.context - len(made.tokens))
        sampler, stops, words = (
            Sampler(sampling, logits.device, made.begun.tokens),
            StopFilter(sampling.stop),
            made.begun.speller,
        )
        reason = "length"
        while self._count < limit:
            token = sampler.choose(logits)
            now = time.perf_counter()
            if token in ends:
                reason = "stop"
                break
            self._last, self._first = now, self._first or now
            self._count += 1
            self.unread = [token]
            text, stopped = stops.feed(words.feed(token))
            self._say(text)
            if stopped:
                return "stop"
            if self._channel.is_cancelled(self._request.id):
                reason = "cancelled"
                break
            if self._count < limit:
                logits = self._next(token)
                self.unread = []
        self._say(stops.rest())
        return reason

    def _next(self, token: int) -> Any:
        positions = None
        if self._explicit:
            at = len(self._cache.keys) + self._shift
            positions = torch.full((3, 1, 1), at, dtype=torch.long, device=self._loaded.device)
        logits = self._forward([token], positions, [])
        self._cache.keys.append(token)
        return logits

    def _say(self, text: str) -> None:
        if text:
            self._channel.emit(protocol.Delta(self._request.id, text, self._count))
