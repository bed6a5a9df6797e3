"""What is counted and timed while a server's answer comes."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from ..core.protocol import Done, Timings, Usage
from ..core.remote import RemoteError
from ..core.remote_stream import Piece

MOST_CHARACTERS = 8 * 1024 * 1024


@dataclass(frozen=True)
class RemoteDone(Done):
    """``counted``: the server told how many tokens it were; else ``completion_tokens`` counts pieces of text and
    ``prompt_tokens`` is no count at all."""

    counted: bool = True


@dataclass
class Tally:
    """What is counted and timed while an answer comes."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: float = field(default_factory=time.monotonic)
    first: float | None = None
    last: float | None = None
    pieces: int = 0
    characters: int = 0
    finish: str | None = None
    told: Piece = field(default_factory=Piece)

    def note(self, piece: Piece) -> None:
        """Raises RemoteError(remote_too_long)."""
        if piece.text:
            self.last = time.monotonic()
            self.first = self.first if self.first is not None else self.last
            self.pieces += 1
            self.characters += len(piece.text)
            self.check(0)
        if piece.done and self.finish is None:
            self.finish = "stop"
        self.finish = piece.finish or self.finish
        if piece.completion_tokens is not None or piece.tokens_per_s is not None:
            self.told = piece

    def check(self, held: int) -> None:
        if self.characters > MOST_CHARACTERS or held > MOST_CHARACTERS:
            raise RemoteError("remote_too_long")

    def done(self, *, streamed: bool, reason: str | None = None) -> RemoteDone:
        """Raises RemoteError(remote_filtered)."""
        if reason is None and self.finish == "content_filter":
            raise RemoteError("remote_filtered")
        told = self.told
        counted = told.completion_tokens is not None and reason is None
        tokens = told.completion_tokens if counted and told.completion_tokens is not None else self.pieces
        usage = Usage(told.prompt_tokens or 0, tokens, told.cached_tokens or 0)
        return RemoteDone(
            self.id,
            usage,
            Timings(
                self.first - self.begun if self.first is not None and streamed else None,
                told.prompt_tokens_per_s,
                told.tokens_per_s or (self._speed(tokens) if counted and streamed else None),
            ),
            reason or ("length" if self.finish == "length" else "stop"),
            counted,
        )

    def _speed(self, tokens: int) -> float | None:
        if self.first is None or self.last is None or tokens < 2 or self.last <= self.first:
            return None
        return (tokens - 1) / (self.last - self.first)
