"""Signs that a loaded model has lost the memory it was loaded into: what the user is warned of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from ..core import protocol
from ..core.errors import Reason
from ..core.rungs import RungPlan
from ..core.spill import SpeedWatch
from ..host.supervisor import on_card
from .card_watch import CardWatch, Free

log = logging.getLogger(__name__)


class RunWatch:
    """For one loaded plan; ``warn`` hears of each sign, of a slow answer once. On a plan without a card nothing
    is to be seen. None: others have taken nothing. ``gpu_layers``: as proven; None: not known.

    How fast tokens come says something of an answer that is written alone: beside others each is slower.
    """

    def __init__(
        self,
        plan: RungPlan,
        free: Free,
        warn: Callable[[Reason | None], None],
        gpu_layers: int | None = None,
    ) -> None:
        self._on_card = on_card(plan) and gpu_layers != 0
        self._speed = SpeedWatch()
        self._cards = CardWatch(plan, free)
        self._warn = warn
        self._slow = False
        self._answers: set[str] = set()
        self._alone: str | None = None  # the answer that had the card to itself from its beginning
        self.looking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Right after loading."""
        await self._cards.begin()

    def asked(self, request: str) -> None:
        """An answer begins."""
        self._alone = None if self._answers else request
        self._answers.add(request)
        self._speed.begin()
        self._slow = False

    def left(self, request: str) -> None:
        """An answer is over."""
        self._answers.discard(request)

    def token(self, delta: protocol.Delta) -> None:
        """Looks whether a rung on the GPU became much slower than it was."""
        watched = self._on_card and delta.id == self._alone
        times = self._speed.token(time.monotonic(), delta.tokens) if watched else None
        if times is None or self._slow:
            return
        self._slow = True
        log.warning("tokens come %.1f times slower than before", times)
        self._warn(Reason.of("speed_fell", times=round(times)))

    def answered(self) -> None:
        """Looks, beside what goes on, whether others have taken the card's memory meanwhile."""
        if self.looking is None or self.looking.done():
            self.looking = asyncio.ensure_future(self._look())

    def end(self) -> None:
        if self.looking is not None:
            self.looking.cancel()

    async def _look(self) -> None:
        self._warn(await self._cards.look())
