"""Who may use the engine now: some side by side, others alone, all in the order in which they came."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable


class Turns:
    """First come, first served. ``width``: how many may be inside side by side; it may change at any time, and
    ``look`` lets in who fits then. On the loop's thread."""

    def __init__(self, width: Callable[[], int]) -> None:
        self._width = width
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._inside = 0
        self._alone = False

    @property
    def taken(self) -> bool:
        """Whether somebody is inside or waits."""
        return self._inside > 0 or bool(self._waiting)

    @contextlib.asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncIterator[None]:
        """Inside after all who came before; ``alone``: once they have left, and nobody else meanwhile."""
        place = asyncio.get_running_loop().create_future(), alone
        self._waiting.append(place)
        self.look()
        try:
            await place[0]
        except asyncio.CancelledError:
            if place[0].cancelled() or not place[0].done():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(place)
            else:
                self._left()  # it was let in at the moment of the cancellation
            self.look()
            raise
        try:
            yield
        finally:
            self._left()

    def look(self) -> None:
        """Let in who may be inside now."""
        while self._waiting and self._fits(alone=self._waiting[0][1]):
            future, alone = self._waiting.popleft()
            if not future.done():
                self._inside += 1
                self._alone = alone
                future.set_result(None)

    def _fits(self, *, alone: bool) -> bool:
        return self._inside == 0 or (not alone and not self._alone and self._inside < self._width())

    def _left(self) -> None:
        self._inside -= 1
        self._alone = False
        self.look()
