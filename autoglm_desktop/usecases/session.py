"""The loaded model of this application: load by the ladder, generate, free, and come back after a death."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from ..core import protocol
from ..core.errors import AppError, EngineError, Reason
from ..core.rungs import RungPlan
from ..core.spill import SpeedWatch
from ..host.crashes import hardware_key
from ..host.install import InstallProgress
from ..host.outcome import Exit
from ..host.process import HUNG_AFTER_S
from ..host.supervisor import LadderFailed, Running, Step, Supervisor, Try, crash_of, tried
from .card_watch import CardWatch, Free, cards_work, free_of_cards
from .deaths import MOST_REPEATS, Broken
from .loading import PLANNED, Prepare, Prepared, Wishes, after_out_of_memory, choose_plans, starts_for
from .services import Services
from .session_state import SessionState
from .targets import Target

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
        self._services = services
        self._prepare = prepare
        self._hung_after_s = hung_after_s
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._running: Running | None = None
        self._request: str | None = None
        self._walking: asyncio.Future[Running] | None = None
        self._target: Target | None = None
        self._wishes = Wishes()
        self._too_big: RungPlan | None = None  # ran out of memory while it answered
        self._gpu_lost = False  # since the last answer that came to its end
        self._speed = SpeedWatch()
        self._gpu_free = gpu_free
        self._cards: CardWatch | None = None
        self._looking: asyncio.Task[None] | None = None
        self._fruitless = 0  # loads that ended without an engine
        self._hardware = ""
        self._busy = asyncio.Lock()
        self._listeners: list[Callable[[SessionState], None]] = []
        self.state = SessionState()

    def listen(self, listener: Callable[[SessionState], None]) -> Callable[[], None]:
        """Call ``listener`` on every change of ``state``, on the loop's thread; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def load(self, target: Target, wishes: Wishes = PLANNED) -> SessionState:
        """Load a target by its ladder, ending what was loaded. Cancelling ends the engine being started.

        Raises AppError: LadderFailed with every try, or why nothing could be tried.
        """
        async with self._busy:
            self._too_big, self._gpu_lost = None, False
            await self._load(target, wishes)
        return self.state

    def lock(self, rung: str | None) -> None:
        """From the next load on only ``rung`` is tried; None: the whole ladder again."""
        self._wishes = dataclasses.replace(self._wishes, rung=rung)
        self._change(locked=rung)

    async def unload(self) -> None:
        """End the engine when its answer is done; the next message loads the target again."""
        async with self._busy:
            await self._end()
            self._set(SessionState(target=self._target, locked=self._wishes.rung))

    async def free(self) -> None:
        """End the engine at once, whatever it does: an answer ends with engine_freed, what has come of it stays valid.
        The next message loads the target again."""
        self.cancel_load()
        if self._running is not None:
            self._running.process.kill()
        await self.unload()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """For work on the files that a model is loaded from: what runs is ended first, and nothing loads meanwhile."""
        self.cancel_load()
        self.stop()
        async with self._busy:
            await self._end()
            self._set(SessionState(target=self._target))
            yield

    def retarget(self, target: Target | None) -> None:
        """The file of the target lies elsewhere now, or is gone (None). Only while ``held``."""
        self._target = target
        self._set(SessionState(target=target))

    async def close(self) -> None:
        """End the engine for good, also in the middle of something."""
        await self._end()
        self._rest()
        if self._looking is not None:
            self._looking.cancel()

    async def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """Stream an answer: deltas, then ``done``. A model that was unloaded or died is loaded again first; where an
        engine fails before its first word, the next way to run the model is asked.

        Closing the iterator stops the generation. Raises EngineError; what was streamed until then stays valid. Who
        waits for a load shares its end: the error, or CancelledError.
        """
        fruitless = self._fruitless
        async with self._busy:
            if fruitless != self._fruitless and self._running is None:
                raise self.state.error or asyncio.CancelledError
            failed: tuple[Try, ...] = ()
            for repeat in range(MOST_REPEATS + 1):
                running = await self._alive(failed)
                try:
                    async with contextlib.aclosing(self._answer(running, messages, sampling)) as events:
                        async for event in events:
                            yield event
                    return
                except Broken as broken:
                    error = await self._died(running, broken)
                    if not broken.repeatable or repeat == MOST_REPEATS:
                        raise error from None
                    failed = (*failed, self._failure(running, broken))
                    log.warning("%s failed before its first word; the next is asked", running.plan.rung)

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
        self._change(phase="generating", error=None, warning=None)
        self._speed.begin()
        try:
            async with contextlib.aclosing(running.process.generate(request)) as events:
                async for event in events:
                    if isinstance(event, protocol.Failed):
                        raise Broken(event, running.process.exit, spoken=spoken, freed=running.process.closed)
                    if isinstance(event, protocol.Delta):
                        spoken = True
                        self._watch(event)
                    else:
                        self._gpu_lost = False
                        self._looking = asyncio.ensure_future(self._look())
                        speed = event.timings.tokens_per_s
                        self._change(tokens_per_s=speed or self.state.tokens_per_s)
                    yield event
        finally:
            self._request = None
            if running.process.exit is None:
                self._change(phase="ready", memory=running.process.memory)

    async def _alive(self, failed: tuple[Try, ...] = ()) -> Running:
        if self._running is not None and self._running.process.exit is None:
            return self._running
        if self._target is None:
            raise EngineError("no_model_loaded")
        await self._load(self._target, self._wishes, failed)
        assert self._running is not None
        return self._running

    async def _load(self, target: Target, wishes: Wishes, failed: tuple[Try, ...] = ()) -> None:
        """``failed``: what was tried before for the same message."""
        await self._end()
        self._target, self._wishes = target, wishes
        self._set(SessionState("loading", target, tries=failed, locked=wishes.rung))
        try:
            self._walking = asyncio.ensure_future(self._walk(target, wishes))
            running = await self._walking
        except AppError as error:
            self._fruitless += 1
            self._too_big = None  # the next message tries all of it afresh
            tries = (*failed, *error.tries) if isinstance(error, LadderFailed) else failed
            state = SessionState("failed", target, error=error, tries=tries, locked=wishes.rung)
            self._set(state)
            raise
        except asyncio.CancelledError:
            self._fruitless += 1
            self._set(SessionState("idle", target, locked=wishes.rung))
            raise
        except Exception:  # a bug, told by the caller; nobody shall wait for this load for ever
            self._set(SessionState("failed", target, locked=wishes.rung))
            raise
        finally:
            self._walking = None
        self._running = running
        self._loaded(target, running, failed)
        self._cards = CardWatch(running.plan, self._gpu_free)
        await self._cards.begin()

    def _loaded(self, target: Target, running: Running, failed: tuple[Try, ...]) -> None:
        running.process.on_end = self._ended
        self._speed = SpeedWatch()
        self._set(
            SessionState(
                "ready",
                target,
                engine=running.start.environment.description.name,
                plan=running.plan,
                proof=running.proof,
                tries=(*failed, *running.tries),
                memory=running.process.memory,
                tokens_per_s=running.proof.warm_up_tokens_per_s,
                locked=self._wishes.rung,
            )
        )

    async def _walk(self, target: Target, wishes: Wishes) -> Running:
        async def prepare() -> Prepared:
            return await self._prepare(self._services, target, wishes)

        prepared, starts = await starts_for(self._services, prepare, wishes, self._installing)
        if self._too_big is not None:
            starts = after_out_of_memory(starts, self._too_big, prepared.smaller)
        self._hardware = hardware_key(prepared.machine)
        supervisor = Supervisor(
            self._services.crashes, self._hardware, self._services.command, self._hung_after_s, cards_work
        )
        threads = prepared.machine.cpu.performance_cores or prepared.machine.cpu.physical_cores
        try:
            return await supervisor.load(starts, prepared.smaller, self._on_step, threads=threads)
        except LadderFailed as error:
            if wishes.rung is None or error.code != "no_rung_worked":
                raise
            detail = error.values["detail"]
            raise LadderFailed("locked_rung_failed", error.tries, rung=wishes.rung, detail=detail) from None

    async def _died(self, running: Running, broken: Broken) -> EngineError:
        """The error for a failed generation; a death is remembered as a crash of its rung, out of memory as its plan's,
        and an engine that lives on after that is ended."""
        if broken.refused:
            return broken.error(running.plan.rung)
        log.warning(
            "%s failed while answering: %s: %s", running.plan.rung, broken.event.kind, broken.event.message
        )
        if broken.out_of_memory and not broken.freed:
            self._too_big = running.plan
        if broken.end is None:
            await self._end()
        forgiven = broken.gpu_lost and not self._gpu_lost  # once: after a sleep, or a driver's reset
        self._gpu_lost = self._gpu_lost or broken.gpu_lost
        if broken.end is not None and broken.end.is_crash and not forgiven:
            crash = await asyncio.to_thread(
                crash_of, self._hardware, running.start, "generate", broken.event.kind, broken.event.message
            )
            await asyncio.to_thread(self._services.crashes.add, crash)
        error = broken.error(running.plan.rung)
        if not broken.freed:
            self._change(phase="failed", error=error, memory=None)
        return error

    def _failure(self, running: Running, broken: Broken) -> Try:
        found = tried(running.start, broken.event.kind, broken.event.message, 0.0)
        return dataclasses.replace(found, phase="generate")

    def _ended(self, end: Exit) -> None:
        if end.kind is not None:
            error = EngineError("engine_died", kind=end.kind, detail=end.message, rung=self._rung())
            self._change(phase="failed", error=error, memory=None)

    def _rung(self) -> str:
        return self.state.plan.rung if self.state.plan is not None else ""

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.on_end = None
            await running.process.close()

    def _watch(self, delta: protocol.Delta) -> None:
        """Warn where a rung on the GPU becomes much slower than it was; each answer begins without a warning."""
        if self.state.plan is None or self.state.plan.rung.startswith("gguf-cpu"):
            return
        times = self._speed.token(time.monotonic(), delta.tokens)
        if times is not None and self.state.warning is None:
            self._change(warning=Reason.of("speed_fell", times=round(times)))
            log.warning("tokens come %.1f times slower than before", times)

    async def _look(self) -> None:
        """After an answer: whether others have taken the card's memory meanwhile."""
        reason = await self._cards.look() if self._cards is not None else None
        if reason is not None and self.state.phase in ("ready", "generating"):
            self._change(warning=reason)

    def _rest(self) -> None:
        """Begin to wait for the idle unload, where the session rests; else stop waiting."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self.state.phase == "ready" and self._idle_s is not None and self._running is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_s, self._unload_idle)

    def _unload_idle(self) -> None:
        if self.state.phase == "ready" and not self._busy.locked():
            log.info("idle for %s s: unloaded", self._idle_s)
            self._unloading = asyncio.ensure_future(self.unload())

    def _installing(self, progress: InstallProgress) -> None:
        self._change(phase="installing", install=progress)

    def _on_step(self, step: Step) -> None:
        tries = (*self.state.tries, step.failed) if step.failed is not None else self.state.tries
        self._change(phase="loading", install=None, step=step, tries=tries)

    def _change(self, **changes: object) -> None:
        self._set(dataclasses.replace(self.state, **changes))  # type: ignore[arg-type]

    def _set(self, state: SessionState) -> None:
        rests = state.phase != self.state.phase
        self.state = state
        if rests:
            self._rest()
        for listener in list(self._listeners):
            listener(state)
