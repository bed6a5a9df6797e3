"""The decode loop of one request."""

from __future__ import annotations

import time
from collections.abc import Callable

import llama_cpp.llama_cpp as native

from ..core import protocol
from . import llama_load
from .continuing import Begun
from .llama_cells import Cells
from .sampling import Chooser
from .server import JobFailed
from .stops import StopFilter

Emit = Callable[[protocol.Event], None]


class Run:
    """Samples and decodes until the answer ends; ``count`` tokens so far; ``unread``: the last one, where it was said
    and not evaluated."""

    def __init__(
        self,
        request: protocol.Generate,
        limit: int,
        begun: float,
        emit: Emit,
        before: Begun,
    ) -> None:
        """``limit``: tokens at most; ``begun``: when the request came (``time.perf_counter``); ``before``: what the
        answer says already, which counts for its penalties."""
        self._request = request
        self._limit = limit
        self._begun = begun
        self._emit = emit
        self._before = before
        self.unread: list[int] = []
        self._first = self._last = 0.0
        self.count = 0

    @property
    def first_token_s(self) -> float | None:
        return self._first - self._begun if self.count else None

    @property
    def tokens_per_s(self) -> float | None:
        if self.count < 2 or self._last <= self._first:
            return None
        return (self.count - 1) / (self._last - self._first)

    def decode(
        self,
        loaded: llama_load.Loaded,
        cells: Cells,
        chooser: Chooser,
        cancelled: Callable[[], bool],
    ) -> str:
        """Stream the answer; returns the finish reason: stop, length or cancelled. Raises JobFailed."""
        speller = self._before.speller
        stops = StopFilter(self._request.sampling.stop)
        reason = "length"
        while self.count < self._limit:
            token = chooser.choose(loaded.context)
            now = time.perf_counter()
            if token is None:
                text = f"{protocol.BAD_SCHEMA}: this model has no words for what it demands"
                raise JobFailed("unsupported", text)
            if native.llama_vocab_is_eog(loaded.vocab, token):
                reason = "stop"
                break
            self._last = now
            self._first = self._first or now
            self.count += 1
            self.unread = [token]
            text, stopped = stops.feed(speller.feed(token))
            self._tell(text)
            if stopped:
                return "stop"
            if cancelled():
                reason = "cancelled"
                break
            if not cells.evaluate([token]):
                break
            self.unread = []
        self._tell(stops.rest())  # the first bytes of a character that never came are left out
        return reason

    def _tell(self, text: str) -> None:
        if text:
            self._emit(protocol.Delta(self._request.id, text, self.count))
