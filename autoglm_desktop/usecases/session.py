"""The loaded model of this application: load by the ladder, generate, free, and come back after a death."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from ..core import protocol
from ..core.errors import AppError, EngineError
from ..host.outcome import Exit
from ..host.process import HUNG_AFTER_S
from ..host.supervisor import LadderFailed, Running
from ..store.transfer.ending import to_the_end
from .aftermath import Aftermath
from .answers import Answers, needs_all
from .card_watch import Free, free_of_cards
from .deaths import MOST_REPEATS, Broken
from .idle import IdleTimer
from .loading import PLANNED, Prepare, Prepared, Wishes, choose_plans
from .run_watch import RunWatch
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
        self._walker = Walker(services, prepare, hung_after_s, telling)
        self._after = Aftermath(services.crashes)
        self._answers = Answers(board, self._after)
        self._phase = board.state.phase
        self._idle = IdleTimer(idle_s, self._unload_idle)
        self._unloading: asyncio.Task[None] | None = None
        self._running: Running | None = None
        self._walking: asyncio.Future[Running] | None = None
        self._target: Target | None = None
        self._wishes = Wishes()
        self._gpu_free = gpu_free
        self._watch: RunWatch | None = None
        self._fruitless = 0  # loads that ended without an engine
        self._freed = 0  # times that the user freed the memory
        self._closed = False
        self._turns = Turns(lambda: self.width)
        self._mending = asyncio.Lock()
        self._fallen: Running | None = None
        self._revival: asyncio.Task[None] | None = None
        self._askers = 0  # who waits for the revival

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
            await self._load(target, wishes)
        return self.state

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState:
        """Load a target where nothing is loaded; what is loaded stays. Raises as ``load``, and for who waits as
        ``generate``."""
        async with self._turn(alone=True):
            if self._running is None or self._running.process.exit is not None:
                if (target, wishes) != (self._target, self._wishes):
                    self._after.forget()
                await self._load(target, wishes)
        return self.state

    @property
    def width(self) -> int:
        """How many text answers are written at once; 1 where nothing is loaded."""
        if self._running is None or self._running.process.exit is not None:
            return 1
        return self._running.proof.batch or 1

    @property
    def wishes(self) -> Wishes:
        """What the target was loaded with, or is to be loaded with again."""
        return self._wishes

    def lock(self, rung: str | None) -> None:
        """From the next load on only ``rung`` is tried; None: the whole ladder again."""
        self._wishes = dataclasses.replace(self._wishes, rung=rung)
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
        if self._running is not None:
            self._running.process.kill()
        await self._unload("freed")

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """For work on the files that a model is loaded from: what runs is ended first, and nothing loads meanwhile."""
        self.cancel_load()
        self.stop()
        async with self._turns.turn(alone=True):
            await self._end()
            self._show("idle", self._target)
            yield

    def retarget(self, target: Target | None) -> None:
        """The file of the target lies elsewhere now, or is gone (None). Only while ``held``."""
        self._target = target
        self._show("idle", target)

    async def close(self) -> None:
        """End the engine for good, also in the middle of something, and one that is being started."""
        self._closed = True
        walking = self._walking
        if walking is not None:
            walking.cancel()
            await asyncio.wait({walking})
        await self._end()
        self._idle.rest(resting=False)
        if self._watch is not None:
            self._watch.end()

    async def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """Stream an answer: deltas, then ``done``. A model that was unloaded or died is loaded again first; where an
        engine fails before its first word, the next way to run the model is asked.

        Up to ``width`` text answers are written at once; one with pictures or a grammar is written alone, and who came
        before is first. Closing the iterator stops this answer. Raises EngineError; what was streamed until then stays
        valid. Who waits for a load shares its end: the error, or CancelledError.
        """
        async with self._turn(alone=needs_all(messages, sampling)):
            for repeat in range(MOST_REPEATS + 1):
                running = await self._alive()
                try:
                    assert self._watch is not None
                    answer = self._answers.answer(running, self._watch, messages, sampling)
                    async with contextlib.aclosing(answer) as events:
                        async for event in events:
                            yield event
                    return
                except Broken as broken:
                    error = await self._died(running, broken)
                    if not broken.repeatable or repeat == MOST_REPEATS:
                        raise error from None
                    log.warning("%s failed before its first word; the next is asked", running.plan.rung)

    @contextlib.asynccontextmanager
    async def _turn(self, *, alone: bool) -> AsyncIterator[None]:
        """After all who came before. Who waits for a load shares its end."""
        fruitless, freed = self._fruitless, self._freed
        async with self._turns.turn(alone=alone):
            if freed != self._freed:
                raise EngineError("engine_freed")
            if fruitless != self._fruitless and self._running is None:
                raise self.state.error or asyncio.CancelledError
            yield

    def stop(self) -> None:
        """Stop all answers being generated; they end with ``done``, finish reason ``cancelled``."""
        self._answers.stop()

    def cancel_load(self) -> None:
        """Cancel a load that runs, whoever began it; who waits for it gets CancelledError."""
        if self._walking is not None:
            self._walking.cancel()

    async def _alive(self) -> Running:
        """The engine; one that ended is loaded again, once for all who ask."""
        freed = self._freed
        while self._running is None or self._running.process.exit is not None:
            if self._target is None:
                raise EngineError("no_model_loaded")
            await self._revived(self._target)
            if freed != self._freed:
                raise EngineError("engine_freed")
        return self._running

    async def _revived(self, target: Target) -> None:
        """Wait for the load that all wait for. Who leaves does not end it as long as another one waits."""
        if self._revival is None or self._revival.done():
            self._revival = asyncio.ensure_future(self._load(target, self._wishes))
        revival = self._revival
        self._askers += 1
        try:
            await asyncio.shield(revival)
        except asyncio.CancelledError:
            if self._askers == 1 and not revival.done():
                revival.cancel()
                await to_the_end(asyncio.wait({revival}))
            raise
        finally:
            self._askers -= 1

    async def _load(self, target: Target, wishes: Wishes) -> None:
        await self._end()
        failed = self._after.tries
        self._target, self._wishes = target, wishes
        self._show("loading", target, tries=failed)
        try:
            self._walking = asyncio.ensure_future(self._walker.walk(target, wishes, self._after.too_big))
            running = await self._walking
        except AppError as error:
            self._fruitless += 1
            self._after.in_vain()
            tries = (*failed, *error.tries) if isinstance(error, LadderFailed) else failed
            self._show("failed", target, error=error, tries=tries)
            raise
        except asyncio.CancelledError:
            self._fruitless += 1
            self._show("idle", target)
            raise
        except Exception:  # a bug, told by the caller; nobody shall wait for this load for ever
            self._show("failed", target)
            raise
        finally:
            self._walking = None
        if self._closed:  # it came in the moment of closing
            await running.process.close()
            raise asyncio.CancelledError
        self._running = running
        running.process.on_end = self._ended
        self._watch = RunWatch(running.plan, self._gpu_free, self._board.warn)
        self._show(
            "ready",
            target,
            engine=running.start.environment.description.name,
            plan=running.plan,
            proof=running.proof,
            tries=(*failed, *running.tries),
            memory=running.process.memory,
            tokens_per_s=running.proof.warm_up_tokens_per_s,
            file=running.start.files.model,
        )
        await self._watch.begin()
        self._turns.look()

    async def _died(self, running: Running, broken: Broken) -> EngineError:
        """The error for a failed generation. An engine that lives on after more than a refusal is ended, and with it
        all of its answers; the first of them is told of."""
        error = broken.error(running.plan.rung)
        if broken.refused:
            return error
        async with self._mending:
            if running is self._fallen:
                return error
            self._fallen = running
            if broken.end is None:
                self._answers.blame(running, broken.event)
                await self._end()
            await self._after.note(running, broken, self._walker.hardware)
            if not broken.freed:
                self._board.change(phase="failed", error=error, memory=None)
        return error

    def _ended(self, end: Exit) -> None:
        if end.kind is not None:
            rung = self.state.plan.rung if self.state.plan is not None else ""
            error = EngineError("engine_died", kind=end.kind, detail=end.message, rung=rung)
            self._board.change(phase="failed", error=error, memory=None)

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.on_end = None
            await running.process.close()

    async def _unload(self, why: str) -> None:
        async with self._turns.turn(alone=True):
            await self._end()
            self._show("idle", self._target, unloaded=why if self._target is not None else None)

    def _unload_idle(self) -> None:
        if self.state.phase == "ready" and not self._turns.taken:
            log.info("idle: unloaded")
            self._unloading = asyncio.ensure_future(self._unload("idle"))

    def _show(self, phase: str, target: Target | None, **values: object) -> None:
        self._board.renew(phase, target, locked=self._wishes.rung, **values)

    def _rest(self, state: SessionState) -> None:
        """Wait for the idle unload while the session rests."""
        if state.phase != self._phase:
            self._phase = state.phase
            self._idle.rest(resting=state.phase == "ready" and self._running is not None)
