"""Walks the ladder: starts an engine for each plan until one is ready, and tells what happened to the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import protocol
from ..core.errors import EngineError
from ..core.rungs import SAFE_TWINS, RungPlan
from .command import engine_command, engine_environment
from .crashes import Crash, CrashMemory, file_key
from .environments import Environment
from .process import EngineProcess
from .self_test import Command

log = logging.getLogger(__name__)
MAX_SMALLER_PLANS = 4


@dataclass(frozen=True)
class Try:
    """One try of a rung. ``kind`` None: it worked. ``message`` is the engine's own."""

    rung: str
    kind: str | None
    message: str
    seconds: float


@dataclass(frozen=True)
class Running:
    """A loaded model: its process, the plan it runs by, its proof and the tries that led to it."""

    process: EngineProcess
    plan: RungPlan
    proof: protocol.Proof
    tries: tuple[Try, ...]


@dataclass(frozen=True)
class Step:
    """What the supervisor is doing: a rung being tried, with progress; or a try that just failed."""

    plan: RungPlan
    progress: protocol.Progress | None = None
    failed: Try | None = None


class LadderFailed(EngineError):
    """No rung worked; ``tries`` says why each did not."""

    def __init__(self, code: str, tries: tuple[Try, ...], **values: object) -> None:
        super().__init__(code, **values)
        self.tries = tries


class Supervisor:
    """``hardware`` is crashes.hardware_key of this machine; ``command`` builds the engine's command line."""

    def __init__(self, crashes: CrashMemory, hardware: str, command: Command = engine_command) -> None:
        self._crashes = crashes
        self._hardware = hardware
        self._command = command

    async def load(
        self,
        file: Path,
        environment: Environment,
        plans: Sequence[RungPlan],
        smaller: Callable[[RungPlan], Iterator[RungPlan]],
        on_step: Callable[[Step], None] = lambda _step: None,
        *,
        threads: int | None = None,
    ) -> Running:
        """Try ``plans`` in order: out of memory goes on with ``smaller`` plans of the same rung, a crash with the
        safe twin, a bad file ends it. Raises LadderFailed with every try. Cancelling ends the engine."""
        tries: list[Try] = []
        queue = list(plans)
        while queue:
            plan = queue.pop(0)
            result = await self._try(file, environment, plan, on_step, tuple(tries), threads)
            if isinstance(result, Running):
                return result
            tries.append(result)
            on_step(Step(plan, failed=result))
            if result.kind == "bad_file":
                raise LadderFailed("file_refused", tuple(tries), path=str(file), detail=result.message)
            queue = self._next(result, plan, queue, smaller, tries)
        last = tries[-1] if tries else None
        raise LadderFailed(
            "no_rung_worked", tuple(tries), path=str(file), detail=last.message if last else ""
        )

    def _next(
        self,
        result: Try,
        plan: RungPlan,
        queue: list[RungPlan],
        smaller: Callable[[RungPlan], Iterator[RungPlan]],
        tries: list[Try],
    ) -> list[RungPlan]:
        if result.kind == "out_of_memory":
            same = sum(1 for tried in tries if tried.rung == plan.rung)
            found = next(smaller(plan), None) if same <= MAX_SMALLER_PLANS else None
            return [found, *queue] if found is not None else queue
        twin = SAFE_TWINS.get(plan.rung)
        if result.kind in ("crashed", "hung") and twin is not None:
            return sorted(queue, key=lambda other: other.rung != twin)
        return queue

    async def _try(
        self,
        file: Path,
        environment: Environment,
        plan: RungPlan,
        on_step: Callable[[Step], None],
        tries: tuple[Try, ...],
        threads: int | None,
    ) -> Running | Try:
        started = time.monotonic()
        on_step(Step(plan, protocol.Progress("open", 0.0)))
        phase = "open"

        def progress(event: protocol.Progress) -> None:
            nonlocal phase
            phase = event.phase
            on_step(Step(plan, event))

        job = protocol.Load(
            backend=environment.description.backend,
            model=str(file),
            context=plan.context or 4096,
            gpu_layers=plan.gpu_layers or 0,
            kv_type=plan.kv_type or "f16",
            threads=threads,
            options=plan.options,
        )
        engine = await EngineProcess.start(self._command(environment.python), engine_environment())
        ready = False
        try:
            event = await engine.job(job, progress)
            if isinstance(event, protocol.Ready):
                running = self._worked(file, environment, plan, engine, event.proof, tries, started)
                ready = True
                return running
        finally:
            if not ready:
                await engine.close()
        assert isinstance(event, protocol.Failed)
        log.warning("%s failed in %s: %s: %s", plan.rung, phase, event.kind, event.message)
        if engine.exit is not None and engine.exit.is_crash:
            self._crashes.add(self._crash(file, environment, plan, phase, event))
        return Try(plan.rung, event.kind, event.message, time.monotonic() - started)

    def _worked(
        self,
        file: Path,
        environment: Environment,
        plan: RungPlan,
        engine: EngineProcess,
        proof: protocol.Proof,
        tries: tuple[Try, ...],
        started: float,
    ) -> Running:
        record = environment.record
        self._crashes.worked(
            self._hardware, record.version or "", environment.description.backend, plan.rung, file_key(file)
        )
        done = Try(plan.rung, None, "", time.monotonic() - started)
        return Running(engine, plan, proof, (*tries, done))

    def _crash(
        self, file: Path, environment: Environment, plan: RungPlan, phase: str, event: protocol.Failed
    ) -> Crash:
        return Crash(
            hardware=self._hardware,
            build=environment.record.version or "",
            backend=environment.description.backend,
            rung=plan.rung,
            phase=phase,
            kind=event.kind,
            message=event.message,
            seen_with=file_key(file),
        )
