"""The loaded model of this application: load, generate, free; who asked first is answered first."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from ..core import protocol
from ..core.errors import EngineError
from ..host.process import HUNG_AFTER_S
from ..host.supervisor import Running
from .aftermath import Aftermath
from .answers import Answers, needs_all
from .card_watch import Free, free_of_cards
from .deaths import MOST_REPEATS, Broken
from .engine_keeper import EngineKeeper
from .idle import IdleTimer
from .loading import PLANNED, Prepare, Prepared, Wishes, choose_plans
from .services import Services
from .session_state import Board, Listener, SessionState
from .targets import Target
from .turns import Turns
from .walk import Telling, Walker

__all__ = ["Prepare", "Prepared", "Session", "SessionState", "Wishes", "choose_plans"]

log = logging.getLogger(__name__)


class Session:
    """One model at a time, and as many answers at once as its engine writes. ``prepare`` plans a target
    (usecases.plan.prepare).

    ``idle_s``: seconds without a request after which the model is unloaded (None: never). ``hung_after_s``: without a
    sign of life an engine counts as hung.
    """

    def __init__(
        self,
        services: Services,
        prepare: Prepare,
        *,
        idle_s: float | None = None,
        hung_after_s: float = HUNG_AFTER_S,
        gpu_free: Free = free_of_cards,
    ) -> None:
        self._board = board = Board()
        board.listen(self._rest)
        telling = Telling(board.planned, board.installing, board.step)
        walker = Walker(services, prepare, hung_after_s, telling)
        self._after = Aftermath(services.crashes)
        self._answers = Answers(board, self._after)
        self._turns = Turns(lambda: self.width)
        self._keeper = EngineKeeper(walker, board, self._after, self._answers, gpu_free, self._turns.look)
        self._phase = board.state.phase
        self._idle = IdleTimer(idle_s, self._unload_idle)
        self._unloading: asyncio.Task[None] | None = None
        self._freed = 0  # times that the user ended the engine, whoever waits

    @property
    def state(self) -> SessionState:
        """What is shown of it now."""
        return self._board.state

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change of ``state``, on the loop's thread; returns how to stop."""
        return self._board.listen(listener)

    async def load(self, target: Target, wishes: Wishes = PLANNED) -> SessionState:
        """Load a target by its ladder, ending what was loaded. Cancelling ends the engine being started.

        Raises AppError: LadderFailed with every try, or why nothing could be tried.
        """
        async with self._turns.turn(alone=True):
            self._after.forget()
            await self._keeper.load(target, wishes)
        return self.state

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState:
        """Load a target where nothing is loaded; what is loaded stays. Raises as ``load``, and for who waits as
        ``generate``."""
        async with self._turn(alone=True):
            keeper = self._keeper
            if keeper.living is None:
                if (target, wishes) != (keeper.target, keeper.wishes):
                    self._after.forget()
                await keeper.load(target, wishes)
        return self.state

    @property
    def width(self) -> int:
        """How many text answers are written at once; 1 where nothing is loaded."""
        living = self._keeper.living
        return 1 if living is None else living.proof.batch or 1

    @property
    def wishes(self) -> Wishes:
        """What the target was loaded with, or is to be loaded with again."""
        return self._keeper.wishes

    def lock(self, rung: str | None) -> None:
        """From the next load on only ``rung`` is tried; None: the whole ladder again."""
        self._keeper.wishes = dataclasses.replace(self._keeper.wishes, rung=rung)
        self._board.change(locked=rung)

    def set_idle(self, seconds: float | None) -> None:
        """Another time without a request after which the model is unloaded; None: never."""
        self._idle.set(seconds)

    async def unload(self) -> None:
        """End the engine when its answers are done; the next message loads the target again."""
        await self._unload("freed")

    async def free(self) -> None:
        """End the engine at once, whatever it does: an answer ends with engine_freed, and so do requests that wait for
        their turn; what has come of an answer stays valid.
        The next message loads the target again."""
        self._freed += 1
        self.cancel_load()
        self._keeper.kill()
        await self._unload("freed")

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """For work on the files that a model is loaded from: what runs is ended first, and nothing loads meanwhile."""
        self.cancel_load()
        self.stop()
        async with self._turns.turn(alone=True):
            await self._keeper.end()
            self._keeper.show("idle")
            yield

    def retarget(self, target: Target | None) -> None:
        """The file of the target lies elsewhere now, or is gone (None). Only while ``held``."""
        self._keeper.target = target
        self._keeper.show("idle")

    async def close(self) -> None:
        """End the engine for good, also in the middle of something, and one that is being started. Who waits for its
        turn gets engine_freed."""
        self._freed += 1
        await self._keeper.close()
        self._idle.rest(resting=False)

    async def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """Stream an answer: deltas, then ``done``. A model that was unloaded or died is loaded again first; where an
        engine fails before its first word, the next way to run the model is asked.

        Up to ``width`` text answers are written at once; one with pictures or a grammar is written alone, and who came
        before is first. Closing the iterator stops this answer. Raises EngineError; what was streamed until then stays
        valid. Who waits for a load shares its end: the error, or CancelledError.
        """
        freed = self._freed
        async with self._turn(alone=needs_all(messages, sampling)):
            for repeat in range(MOST_REPEATS + 1):
                running = await self._alive(freed)
                try:
                    watch = self._keeper.watch
                    assert watch is not None
                    answer = self._answers.answer(running, watch, messages, sampling)
                    async with contextlib.aclosing(answer) as events:
                        async for event in events:
                            yield event
                    return
                except Broken as broken:
                    error = await self._keeper.died(running, broken)
                    if not broken.repeatable or repeat == MOST_REPEATS:
                        raise error from None
                    log.warning("%s failed before its first word; the next is asked", running.plan.rung)

    @contextlib.asynccontextmanager
    async def _turn(self, *, alone: bool) -> AsyncIterator[None]:
        """After all who came before. Who waits for a load shares its end."""
        fruitless, freed = self._keeper.fruitless, self._freed
        async with self._turns.turn(alone=alone):
            if freed != self._freed:
                raise EngineError("engine_freed")
            if fruitless != self._keeper.fruitless and self._keeper.running is None:
                raise self.state.error or asyncio.CancelledError
            yield

    def stop(self) -> None:
        """Stop all answers being generated; they end with ``done``, finish reason ``cancelled``."""
        self._answers.stop()

    def cancel_load(self) -> None:
        """Cancel a load that runs, whoever began it; who waits for it gets CancelledError."""
        self._keeper.cancel_load()

    async def _alive(self, freed: int) -> Running:
        """The engine; one that ended is loaded again, once for all who ask. Raises EngineError: engine_freed where the
        user has freed it since the count was ``freed``."""
        while True:
            await self._keeper.settled()
            if freed != self._freed:
                raise EngineError("engine_freed")
            if (living := self._keeper.living) is not None:
                return living
            await self._keeper.load_again()

    async def _unload(self, why: str) -> None:
        async with self._turns.turn(alone=True):
            await self._keeper.end()
            self._keeper.show("idle", unloaded=why if self._keeper.target is not None else None)

    def _unload_idle(self) -> None:
        if self.state.phase == "ready" and not self._turns.taken:
            log.info("idle: unloaded")
            self._unloading = asyncio.ensure_future(self._unload("idle"))

    def _rest(self, state: SessionState) -> None:
        """Wait for the idle unload while the session rests."""
        if state.phase != self._phase:
            self._phase = state.phase
            self._idle.rest(resting=state.phase == "ready" and self._keeper.running is not None)
