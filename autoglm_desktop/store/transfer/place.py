"""A place that one file can be read from, any range, as often as needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ...core.errors import Reason, TransferError

__all__ = ["Place", "Reply", "TransferError", "TryAgain"]


@dataclass(frozen=True)
class Reply:
    """What answers a request for a range. ``start`` is the offset of the first byte: 0, whatever was asked for,
    where the place sends whole files only (``whole``). ``total``: the file's bytes as the place says, None if it
    doesn't."""

    start: int
    total: int | None
    chunks: AsyncIterator[bytes]
    whole: bool = False


class Place(Protocol):
    """``name`` is the source's id, as it is shown. ``file_size``, ``sha256``: what this source says of the file."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    @property
    def sha256(self) -> str | None: ...

    def open(self, start: int, end: int | None) -> AbstractAsyncContextManager[Reply]:
        """Bytes ``start`` to ``end`` (exclusive; None: all). Raises TryAgain, TransferError; reading the chunks
        may raise TryAgain too."""


class TryAgain(Exception):
    """It did not work this time. ``reason`` for people (``texts.reasons``), ``after`` seconds to wait if the place
    said so; ``offline``: nothing could be reached at all."""

    def __init__(self, reason: Reason, after: float | None = None, *, offline: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.offline = offline
