"""One piece of work that several wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..store.transfer.ending import to_the_end


class Joined:
    """``work`` runs once for all who wait for it at the same time, and ends when the last of them leaves. On the loop's
    thread."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._waiting = 0

    @property
    def deserted(self) -> bool:
        """Asked inside the work: whether nobody waits for it any more."""
        return asyncio.current_task() is self._task and self._waiting == 0

    async def wait(self) -> None:
        """Begin the work, or join it. Its error, or its cancellation, is raised for all."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
        task = self._task
        self._waiting += 1
        try:
            await asyncio.shield(task)
        finally:
            self._waiting -= 1
            if self._waiting == 0 and not task.done():
                task.cancel()
                await to_the_end(asyncio.wait({task}))

    def cancel(self) -> None:
        """End the work for all who wait for it."""
        if self._task is not None:
            self._task.cancel()
