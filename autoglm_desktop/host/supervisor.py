"""Walks the ladder: starts an engine for each plan until one is ready, and tells what happened to the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..core import protocol
from ..core.errors import AppError, EngineError, Reason
from ..core.rungs import SAFE_TWINS, RungPlan
from .command import engine_command, engine_environment
from .crashes import Crash, CrashMemory, file_key
from .process import HUNG_AFTER_S, EngineProcess
from .proven import in_plans_words, told, unproven
from .self_test import Command
from .starts import Start, load_job

log = logging.getLogger(__name__)
MAX_SMALLER_PLANS = 4


@dataclass(frozen=True)
class Try:
    """One try of a rung. ``kind`` None: it worked. ``message`` is the engine's own, ``reason`` what the application
    itself found (a proof that does not hold). ``planned``: bytes by device; ``at``: seconds since the epoch."""

    rung: str
    kind: str | None
    message: str
    seconds: float
    variant: str | None = None
    engine: str | None = None  # name of the environment
    context: int | None = None
    kv_type: str | None = None
    gpu_layers: int | None = None
    projector: str | None = None
    planned: dict[str, int] = field(default_factory=dict, hash=False)
    phase: str | None = None
    at: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class Running:
    """A loaded model: its process, how it was started, its proof and the tries that led to it."""

    process: EngineProcess
    start: Start
    proof: protocol.Proof
    tries: tuple[Try, ...]

    @property
    def plan(self) -> RungPlan:
        return self.start.plan


@dataclass(frozen=True)
class Step:
    """What the supervisor is doing: a rung being tried, with progress; or a try that just failed. ``ahead``: what
    would be tried next, in order."""

    plan: RungPlan
    progress: protocol.Progress | None = None
    failed: Try | None = None
    ahead: tuple[RungPlan, ...] = ()


class LadderFailed(EngineError):
    """No rung worked; ``tries`` says why each did not."""

    def __init__(self, code: str, tries: tuple[Try, ...], **values: object) -> None:
        super().__init__(code, **values)
        self.tries = tries


Smaller = Callable[[RungPlan], Iterator[RungPlan]]


class Supervisor:
    """``hardware`` is crashes.hardware_key of this machine; ``command`` builds the engine's command line; ``active``
    says whether one of the cards ``gpu:0`` … works now."""

    def __init__(
        self,
        crashes: CrashMemory,
        hardware: str,
        command: Command = engine_command,
        hung_after_s: float = HUNG_AFTER_S,
        active: Callable[[Collection[str]], bool] = lambda _cards: False,
    ) -> None:
        self._crashes = crashes
        self._hardware = hardware
        self._command = command
        self._hung_after_s = hung_after_s
        self._active = active

    async def load(
        self,
        starts: Sequence[Start],
        smaller: Smaller,
        on_step: Callable[[Step], None] = lambda _step: None,
        *,
        threads: int | None = None,
    ) -> Running:
        """Try ``starts`` in order: out of memory goes on with ``smaller`` plans of the same rung, a crash with the
        safe twin, a bad file with other files. Raises LadderFailed with every try. Cancelling ends the engine."""
        tries: list[Try] = []
        queue = list(starts)
        path = str(starts[0].files.model) if starts else ""
        while queue:
            start = queue.pop(0)
            result = await self._try(start, _with_ahead(on_step, queue), tuple(tries), threads)
            if isinstance(result, Running):
                return result
            tries.append(result)
            path = str(start.files.model)
            queue = follow(result, start, queue, smaller, tries)
            _with_ahead(on_step, queue)(Step(start.plan, failed=result))
        last = tries[-1] if tries else None
        code = "file_refused" if last is not None and last.kind == "bad_file" else "no_rung_worked"
        detail = (last.reason or last.message) if last is not None else ""
        raise LadderFailed(code, tuple(tries), path=path, detail=detail)

    async def _try(
        self, start: Start, on_step: Callable[[Step], None], tries: tuple[Try, ...], threads: int | None
    ) -> Running | Try:
        began, plan, environment = time.monotonic(), start.plan, start.environment
        on_step(Step(plan, protocol.Progress("open", 0.0)))
        phase = "open"

        def progress(event: protocol.Progress) -> None:
            nonlocal phase
            phase = event.phase
            on_step(Step(plan, event))

        def ended(kind: str | None, message: str = "", reason: Reason | None = None) -> Try:
            found = tried(start, kind, message, time.monotonic() - began)
            return replace(found, phase=phase if kind is not None else None, reason=reason)

        log.info("%s: %s", environment.description.name, _numbers(start))
        try:
            start = await start.ready()
        except AppError as error:
            log.warning("files of %s: %s", plan.rung, error)
            return ended("unsupported", f"not_made: {error.code} {error.values.get('path', '')}".strip())
        command = self._command(environment.python)
        variables = engine_environment(python=environment.python)
        cards = frozenset(key for key in plan.memory if key.startswith("gpu:"))
        try:
            engine = await EngineProcess.start(
                command, variables, self._hung_after_s, lambda: bool(cards) and self._active(cards)
            )
        except EngineError as error:  # its Python is gone or may not run: another rung has another one
            log.warning("%s: %s", environment.description.name, error)
            return ended("missing_dependency", f"{command[0]}: {error.values['detail']}")
        ready = False
        try:
            job = load_job(start, threads)
            event = await engine.job(job, progress)
            if isinstance(event, protocol.Ready):
                proof = in_plans_words(plan, job, event.proof)
                reason = unproven(plan, job, proof)
                if reason is not None:
                    log.warning("%s is not proven: %s; %s", plan.rung, told(reason), proof)
                    return ended("not_proven", told(reason), reason)
                self._worked(start)
                ready = True
                log.info("%s works after %.1f s", plan.rung, time.monotonic() - began)
                return Running(engine, start, proof, (*tries, ended(None)))
        finally:
            if not ready:
                await engine.close()
        assert isinstance(event, protocol.Failed)
        log.warning("%s failed in %s: %s: %s", plan.rung, phase, event.kind, event.message)
        if engine.exit is not None and engine.exit.is_crash:
            self._crashes.add(crash_of(self._hardware, start, phase, event.kind, event.message))
        return ended(event.kind, event.message)

    def _worked(self, start: Start) -> None:
        environment, key = start.environment, file_key(start.files.model)
        backend = environment.description.backend
        build = environment.record.version or ""
        self._crashes.worked(self._hardware, build, backend, start.plan.rung, key, apart=start.apart)


def _with_ahead(on_step: Callable[[Step], None], queue: Sequence[Start]) -> Callable[[Step], None]:
    ahead = tuple(start.plan for start in queue)
    return lambda step: on_step(replace(step, ahead=ahead))


def on_card(plan: RungPlan) -> bool:
    """Whether a plan's speed is a card's."""
    return not plan.rung.startswith("gguf-cpu") and not plan.on_processor


def follow(
    result: Try, start: Start, queue: list[Start], smaller: Smaller, tries: Sequence[Try]
) -> list[Start]:
    """What is still to be tried after a try that failed."""
    plan = start.plan
    if result.kind == "out_of_memory":
        same = sum(1 for tried in tries if (tried.rung, tried.variant) == (plan.rung, plan.variant))
        found = next(smaller(plan), None) if same <= MAX_SMALLER_PLANS else None
        return [replace(start, plan=found), *queue] if found is not None else queue
    if (
        result.kind == "bad_file" and start.files.projector is not None
    ):  # which of the two is bad, the next try tells
        return [without_projector(start), *(other for other in queue if other.files != start.files)]
    if result.kind == "bad_file":
        return [other for other in queue if other.files.model != start.files.model]
    twin = SAFE_TWINS.get(plan.rung)
    if result.kind in ("crashed", "hung") and twin is not None:
        return sorted(queue, key=lambda other: other.plan.rung != twin)
    return queue


def without_projector(start: Start) -> Start:
    """The same for text alone."""
    plan = replace(start.plan, projector="none", projector_type=None, phone_step=None)
    return replace(start, plan=plan, files=replace(start.files, projector=None))


def crash_of(hardware: str, start: Start, phase: str, kind: str, message: str) -> Crash:
    """What the crash memory keeps of a start that died. Reads the model's header."""
    key = file_key(start.files.model)
    return Crash(
        hardware=hardware,
        build=start.environment.record.version or "",
        backend=start.environment.description.backend,
        rung=start.plan.rung,
        phase=phase,
        kind=kind,
        message=message,
        seen_with=key,
        file=key if start.apart else None,
    )


def tried(start: Start, kind: str | None, message: str, seconds: float) -> Try:
    """A try of ``start`` with its numbers, as it is kept and shown."""
    plan = start.plan
    return Try(
        plan.rung,
        kind,
        message,
        seconds,
        variant=plan.variant,
        engine=start.environment.description.name,
        context=plan.context,
        kv_type=plan.kv_type,
        gpu_layers=plan.gpu_layers,
        projector=plan.projector,
        planned={key: memory.total for key, memory in plan.memory.items()},
        at=time.time(),
    )


def _numbers(start: Start) -> str:
    plan = start.plan
    planned = {key: memory.total for key, memory in plan.memory.items()}
    return (
        f"{plan.rung} of {start.files.model.name}: context {plan.context}, KV {plan.kv_type}, "
        f"{plan.gpu_layers} layers on the GPU, projector {plan.projector}, bytes {planned}"
    )
