"""Ends what nobody has used for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls ``act`` on the loop once ``seconds`` have passed since rest began (None or less than 0: never)."""

    def __init__(self, seconds: float | None, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._handle: asyncio.TimerHandle | None = None
        self._began: float | None = None

    def rest(self, *, resting: bool) -> None:
        """Begin to wait anew, or stop waiting. On the loop."""
        self._began = asyncio.get_running_loop().time() if resting else None
        self._schedule()

    def set(self, seconds: float | None) -> None:
        """Another time, counted from when the rest began. On the loop."""
        self._seconds = seconds
        self._schedule()

    def _schedule(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._began is not None and self._seconds is not None and self._seconds >= 0:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_at(self._began + self._seconds, self._act)
