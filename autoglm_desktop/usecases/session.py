"""The loaded model of this application: load by the ladder, generate, free, and come back after a death."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from ..core import protocol
from ..core.errors import AppError, EngineError
from ..host.outcome import Exit
from ..host.process import HUNG_AFTER_S
from ..host.supervisor import LadderFailed, Running
from .aftermath import Aftermath
from .card_watch import Free, free_of_cards
from .deaths import MOST_REPEATS, Broken
from .idle import IdleTimer
from .loading import PLANNED, Prepare, Prepared, Wishes, choose_plans
from .run_watch import RunWatch
from .services import Services
from .session_state import Board, Listener, SessionState
from .targets import Target
from .walk import Telling, Walker

__all__ = ["Prepare", "Prepared", "Session", "SessionState", "Wishes", "choose_plans"]

log = logging.getLogger(__name__)


class Session:
    """One model at a time, one generation at a time. ``prepare`` plans a target (usecases.plan.prepare).

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
        self._phase = board.state.phase
        self._idle = IdleTimer(idle_s, self._unload_idle)
        self._unloading: asyncio.Task[None] | None = None
        self._running: Running | None = None
        self._request: str | None = None
        self._walking: asyncio.Future[Running] | None = None
        self._target: Target | None = None
        self._wishes = Wishes()
        self._gpu_free = gpu_free
        self._watch: RunWatch | None = None
        self._fruitless = 0  # loads that ended without an engine
        self._freed = 0  # times that the user freed the memory
        self._closed = False
        self._busy = asyncio.Lock()

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
        async with self._busy:
            self._after.forget()
            await self._load(target, wishes)
        return self.state

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState:
        """Load a target where nothing is loaded; what is loaded stays. Raises as ``load``, and for who waits as
        ``generate``."""
        async with self._turn():
            if self._running is None or self._running.process.exit is not None:
                if (target, wishes) != (self._target, self._wishes):
                    self._after.forget()
                await self._load(target, wishes)
        return self.state

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
        """End the engine when its answer is done; the next message loads the target again."""
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
        async with self._busy:
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

        Closing the iterator stops the generation. Raises EngineError; what was streamed until then stays valid. Who
        waits for a load shares its end: the error, or CancelledError.
        """
        async with self._turn():
            for repeat in range(MOST_REPEATS + 1):
                running = await self._alive()
                try:
                    async with contextlib.aclosing(self._answer(running, messages, sampling)) as events:
                        async for event in events:
                            yield event
                    return
                except Broken as broken:
                    error = await self._died(running, broken)
                    if not broken.repeatable or repeat == MOST_REPEATS:
                        raise error from None
                    log.warning("%s failed before its first word; the next is asked", running.plan.rung)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """After all who came before. Who waits for a load shares its end."""
        fruitless, freed = self._fruitless, self._freed
        async with self._busy:
            if freed != self._freed:
                raise EngineError("engine_freed")
            if fruitless != self._fruitless and self._running is None:
                raise self.state.error or asyncio.CancelledError
            yield

    def stop(self) -> None:
        """Stop the answer being generated; it ends with ``done``, finish reason ``cancelled``."""
        if self._running is not None and self._request is not None:
            self._running.process.cancel(self._request)

    def cancel_load(self) -> None:
        """Cancel a load that runs, whoever began it; who waits for it gets CancelledError."""
        if self._walking is not None:
            self._walking.cancel()

    async def _answer(
        self, running: Running, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """One try of an answer. Raises Broken."""
        request = protocol.Generate(uuid.uuid4().hex, tuple(messages), sampling)
        self._request, spoken = request.id, False
        self._board.answering()
        assert self._watch is not None
        self._watch.asked()
        try:
            async with contextlib.aclosing(running.process.generate(request)) as events:
                async for event in events:
                    if isinstance(event, protocol.Failed):
                        raise Broken(event, running.process.exit, spoken=spoken, freed=running.process.closed)
                    if isinstance(event, protocol.Delta):
                        spoken = True
                        self._watch.token(event)
                    else:
                        self._after.answered()
                        self._watch.answered()
                        speed = event.timings.tokens_per_s
                        self._board.change(tokens_per_s=speed or self.state.tokens_per_s)
                    yield event
        finally:
            self._request = None
            if running.process.exit is None:
                self._board.change(phase="ready", memory=running.process.memory)

    async def _alive(self) -> Running:
        if self._running is not None and self._running.process.exit is None:
            return self._running
        if self._target is None:
            raise EngineError("no_model_loaded")
        await self._load(self._target, self._wishes)
        assert self._running is not None
        return self._running

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

    async def _died(self, running: Running, broken: Broken) -> EngineError:
        """The error for a failed generation. An engine that lives on after more than a refusal is ended."""
        if broken.refused:
            return broken.error(running.plan.rung)
        if broken.end is None:
            await self._end()
        await self._after.note(running, broken, self._walker.hardware)
        error = broken.error(running.plan.rung)
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
        async with self._busy:
            await self._end()
            self._show("idle", self._target, unloaded=why if self._target is not None else None)

    def _unload_idle(self) -> None:
        if self.state.phase == "ready" and not self._busy.locked():
            log.info("idle: unloaded")
            self._unloading = asyncio.ensure_future(self._unload("idle"))

    def _show(self, phase: str, target: Target | None, **values: object) -> None:
        self._board.renew(phase, target, locked=self._wishes.rung, **values)

    def _rest(self, state: SessionState) -> None:
        """Wait for the idle unload while the session rests."""
        if state.phase != self._phase:
            self._phase = state.phase
            self._idle.rest(resting=state.phase == "ready" and self._running is not None)
