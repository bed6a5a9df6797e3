"""The loaded model of this application: load by the ladder, generate, free, and come back after a death."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import protocol
from ..core.errors import AppError, EngineError
from ..core.machine import Machine
from ..core.rungs import ModelPlan, RungPlan
from ..host.crashes import Crash, file_key, hardware_key
from ..host.environments import Environment
from ..host.install import InstallProgress
from ..host.outcome import Exit
from ..host.supervisor import LadderFailed, Running, Step, Supervisor, Try
from . import engines
from .services import Services
from .targets import Target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wishes:
    """What the user asked of a load; None is the planner's choice. ``context`` in tokens."""

    rung: str | None = None
    context: int | None = None
    wish: str | None = None


@dataclass(frozen=True)
class Prepared:
    """What a target needs to be loaded: its file, the ladder for it, and how to go on after out of memory."""

    file: Path
    plan: ModelPlan
    machine: Machine
    smaller: Callable[[RungPlan], Iterator[RungPlan]]


Prepare = Callable[[Services, Target, Wishes], Awaitable[Prepared]]


@dataclass(frozen=True)
class SessionState:
    """What the window's badge shows. ``phase``: idle | installing | loading | ready | generating | failed."""

    phase: str = "idle"
    target: Target | None = None
    install: InstallProgress | None = None
    step: Step | None = None
    engine: str | None = None  # name of the environment
    plan: RungPlan | None = None
    proof: protocol.Proof | None = None
    tries: tuple[Try, ...] = ()
    memory: protocol.MemoryUse | None = None
    tokens_per_s: float | None = None
    error: AppError | None = None


class Session:
    """One model at a time, one generation at a time. ``prepare`` plans a target (usecases.plan.prepare)."""

    def __init__(self, services: Services, prepare: Prepare) -> None:
        self._services = services
        self._prepare = prepare
        self._running: Running | None = None
        self._request: str | None = None
        self._walking: asyncio.Future[Running] | None = None
        self._target: Target | None = None
        self._wishes = Wishes()
        self._fruitless = 0  # loads that ended without an engine
        self._hardware = ""
        self._environment: Environment | None = None
        self._busy = asyncio.Lock()
        self._listeners: list[Callable[[SessionState], None]] = []
        self.state = SessionState()

    def listen(self, listener: Callable[[SessionState], None]) -> Callable[[], None]:
        """Call ``listener`` on every change of ``state``, on the loop's thread; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def load(self, target: Target, wishes: Wishes = Wishes()) -> SessionState:
        """Load a target by its ladder, ending what was loaded. Cancelling ends the engine being started.

        Raises AppError: LadderFailed with every try, or why nothing could be tried.
        """
        async with self._busy:
            await self._load(target, wishes)
        return self.state

    async def unload(self) -> None:
        """End the engine; the target stays known and is loaded again by the next message."""
        async with self._busy:
            await self._end()
            self._set(SessionState(target=self._target))

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

    async def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """Stream an answer: deltas, then ``done``. A model that was unloaded or died is loaded again first.

        Closing the iterator stops the generation. Raises EngineError; what was streamed until then stays valid. Who
        waits for a load shares its end: the error, or CancelledError.
        """
        fruitless = self._fruitless
        async with self._busy:
            if fruitless != self._fruitless and self._running is None:
                raise self.state.error or asyncio.CancelledError
            running = await self._alive()
            request = protocol.Generate(uuid.uuid4().hex, tuple(messages), sampling)
            self._request = request.id
            self._change(phase="generating", error=None)
            try:
                async with contextlib.aclosing(running.process.generate(request)) as events:
                    async for event in events:
                        if isinstance(event, protocol.Failed):
                            raise await self._died(running, event)
                        if isinstance(event, protocol.Done):
                            speed = event.timings.tokens_per_s
                            self._change(tokens_per_s=speed or self.state.tokens_per_s)
                        yield event
            finally:
                self._request = None
                if running.process.exit is None:
                    self._change(phase="ready", memory=running.process.memory)

    def stop(self) -> None:
        """Stop the answer being generated; it ends with ``done``, finish reason ``cancelled``."""
        if self._running is not None and self._request is not None:
            self._running.process.cancel(self._request)

    def cancel_load(self) -> None:
        """Cancel a load that runs, whoever began it; who waits for it gets CancelledError."""
        if self._walking is not None:
            self._walking.cancel()

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
        self._target, self._wishes = target, wishes
        self._set(SessionState("loading", target))
        try:
            self._walking = asyncio.ensure_future(self._walk(target, wishes))
            running = await self._walking
        except AppError as error:
            self._fruitless += 1
            tries = error.tries if isinstance(error, LadderFailed) else ()
            self._set(SessionState("failed", target, error=error, tries=tries))
            raise
        except asyncio.CancelledError:
            self._fruitless += 1
            self._set(SessionState("idle", target))
            raise
        except Exception:  # a bug, told by the caller; nobody shall wait for this load for ever
            self._set(SessionState("failed", target))
            raise
        finally:
            self._walking = None
        self._running = running
        running.process.on_end = self._ended
        self._set(
            SessionState(
                "ready",
                target,
                engine=self._engine_name(),
                plan=running.plan,
                proof=running.proof,
                tries=running.tries,
                memory=running.process.memory,
                tokens_per_s=running.proof.warm_up_tokens_per_s,
            )
        )

    async def _walk(self, target: Target, wishes: Wishes) -> Running:
        prepared = await self._prepare(
            self._services, target, wishes
        )  # a bad file fails before anything installs
        before = self._services.environments.find(engines.DEFAULT_ENGINE)
        environment = await engines.require(self._services, report=self._installing)
        if before is None or before.record != environment.record:
            prepared = await self._prepare(self._services, target, wishes)  # with what the self-test found
        self._environment = environment
        self._hardware = hardware_key(prepared.machine)
        plans = choose_plans(prepared.plan, wishes.rung)
        supervisor = Supervisor(self._services.crashes, self._hardware, self._services.command)
        threads = prepared.machine.cpu.performance_cores or prepared.machine.cpu.physical_cores
        return await supervisor.load(
            prepared.file, environment, plans, prepared.smaller, self._on_step, threads=threads
        )

    async def _died(self, running: Running, event: protocol.Failed) -> EngineError:
        """The error for a failed generation; a death is remembered as a crash of its rung."""
        if event.kind == "unsupported":
            code, _, detail = event.message.partition(": ")
            known = code in ("context_full", "no_vision")
            return EngineError(code if known else "request_refused", detail=detail or event.message)
        end = running.process.exit
        if end is not None and end.is_crash and self._environment is not None and self._target is not None:
            crash = Crash(
                hardware=self._hardware,
                build=self._environment.record.version or "",
                backend=self._environment.description.backend,
                rung=running.plan.rung,
                phase="generate",
                kind=event.kind,
                message=event.message,
                seen_with=file_key(self._target.file),
            )
            await asyncio.to_thread(self._services.crashes.add, crash)
        return EngineError("engine_died", kind=event.kind, detail=event.message, rung=running.plan.rung)

    def _ended(self, end: Exit) -> None:
        if end.kind is not None:
            error = EngineError("engine_died", kind=end.kind, detail=end.message, rung=self._rung())
            self._change(phase="failed", error=error, memory=None)

    def _engine_name(self) -> str | None:
        return self._environment.description.name if self._environment is not None else None

    def _rung(self) -> str:
        return self.state.plan.rung if self.state.plan is not None else ""

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.on_end = None
            await running.process.close()

    def _installing(self, progress: InstallProgress) -> None:
        self._change(phase="installing", install=progress)

    def _on_step(self, step: Step) -> None:
        tries = (*self.state.tries, step.failed) if step.failed is not None else self.state.tries
        self._change(phase="loading", install=None, step=step, tries=tries)

    def _change(self, **changes: object) -> None:
        self._set(dataclasses.replace(self.state, **changes))  # type: ignore[arg-type]

    def _set(self, state: SessionState) -> None:
        self.state = state
        for listener in list(self._listeners):
            listener(state)


def choose_plans(plan: ModelPlan, rung: str | None) -> tuple[RungPlan, ...]:
    """The plans to try in order: everything installed that fits, from the chosen one on; or the one asked for.

    Raises EngineError: rung_unknown, rung_cannot, every_rung_crashed or nothing_fits.
    """
    if rung is not None:
        try:
            wanted = plan.rung(rung)
        except KeyError:
            raise EngineError(
                "rung_unknown", rung=rung, known=", ".join(p.rung for p in plan.ladder)
            ) from None
        if wanted.status == "too_big" or not wanted.installed:
            raise EngineError("rung_cannot", rung=rung, reason=wanted.reason)
        return (wanted,)
    found = tuple(p for p in plan.ladder if p.status == "fits" and p.installed and p.engine_installed)
    if not found:
        installed = [p for p in plan.ladder if p.installed]
        reason = installed[-1].reason if installed else None  # of the rung that asks least
        if reason is not None and reason.code == "crashes_here":
            raise EngineError("every_rung_crashed", name=engines.DEFAULT_ENGINE)
        raise EngineError("nothing_fits", reason=reason)
    return tuple(sorted(found, key=lambda p: p.rung != plan.chosen))
