"""What a session tries to load, in which order: from a ladder to starts with their environments and files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.engine_tuning import Tuning
from ..core.environment_choice import choose
from ..core.errors import EngineError, Reason
from ..core.ladder import NEVER_AUTOMATIC
from ..core.limits import best_gpu, dtype_16bit
from ..core.machine import Machine
from ..core.rungs import ModelPlan, RungPlan
from ..host.environments import Environment
from ..host.install import InstallProgress, this_place
from ..host.starts import Files, Start
from . import engine_tuning, engines
from .services import Services
from .targets import Target

log = logging.getLogger(__name__)
Smaller = Callable[[RungPlan], Iterator[RungPlan]]


@dataclass(frozen=True)
class Wishes:
    """What the user asked of a load; None is the planner's choice. ``rung``: locked, no other is tried. ``context`` in
    tokens. ``batch``: text answers to write at once, where the engine can (None: one after the other)."""

    rung: str | None = None
    context: int | None = None
    wish: str | None = None
    batch: int | None = None


PLANNED = Wishes()
"""All is the planner's choice."""


@dataclass(frozen=True)
class Prepared:
    """What a target needs to be loaded: its file, the ladder for it, and how to go on after out of memory. ``files``
    says what a plan is loaded from, where that is not the file alone; ``make`` the same, once a smaller projector is
    made that the plan wants. ``spare``: of other files of the model, in the order in which they are tried after the
    ladder. ``apart`` as in ``Start``."""

    file: Path
    plan: ModelPlan
    machine: Machine
    smaller: Smaller
    files: Callable[[RungPlan], Files] | None = None
    make: Callable[[RungPlan], Awaitable[Files]] | None = None
    spare: tuple[RungPlan, ...] = ()
    apart: bool = False

    def files_of(self, plan: RungPlan) -> Files:
        return self.files(plan) if self.files is not None else Files(self.file)


Prepare = Callable[[Services, Target, Wishes], Awaitable[Prepared]]


async def starts_for(
    services: Services,
    prepare: Callable[[], Awaitable[Prepared]],
    wishes: Wishes,
    report: Callable[[InstallProgress], None],
) -> tuple[Prepared, tuple[Start, ...]]:
    """The plans to try in order, each with the environment that runs it, tested on this hardware.

    ``llama-cpu`` belongs to set-up and is installed where it is missing; nothing else is. Raises AppError.
    """
    prepared = await prepare()  # a bad file fails before anything installs
    before = _records(services)
    broken: dict[str, EngineError] = {}
    for name in _needed(services, prepared, wishes):
        try:
            await engines.require(services, name, report)
        except EngineError as error:
            log.warning("%s cannot be used: %s", name, error)
            broken[name] = error
    if _records(services) != before:
        prepared = await prepare()  # with what the self-test found
    plans = _plans(prepared, wishes) if not broken else _despite(prepared, wishes, broken)
    tuning = await asyncio.to_thread(engine_tuning.chosen, services)
    found = [one for plan in plans if (one := _start(services, prepared, plan, broken, tuning)) is not None]
    if not found:
        raise next(iter(broken.values()), None) or _no_engine(services, prepared, plans)
    return prepared, tuple(replace(one, batch=wishes.batch or 1, apart=prepared.apart) for one in found)


def choose_plans(plan: ModelPlan, rung: str | None) -> tuple[RungPlan, ...]:
    """The plans to try in order: everything installed that fits, from the chosen one on; or the one asked for.

    What is never automatic stays out where a GGUF that is here fits on the GPU. Raises EngineError: rung_unknown,
    rung_cannot, every_rung_crashed or nothing_fits.
    """
    if rung is not None:
        try:
            wanted = plan.rung(rung)
        except KeyError:
            raise EngineError(
                "rung_unknown", rung=rung, known=", ".join(p.rung for p in plan.ladder)
            ) from None
        if wanted.status == "too_big" or not wanted.installed:
            reason = wanted.reason if _weights_for(plan, rung) else Reason.of("no_such_weights")
            raise EngineError("rung_cannot", rung=rung, reason=reason)
        return (wanted,)
    found = tuple(p for p in plan.ladder if p.status == "fits" and p.installed and p.engine_installed)
    if any(p.rung == "gguf-gpu" for p in found):
        found = tuple(p for p in found if p.rung not in NEVER_AUTOMATIC)
    if not found:
        installed = [p for p in plan.ladder if p.installed]
        lacking = tuple(p for p in installed if p.status == "fits" and not p.engine_installed)
        if lacking:
            return lacking  # what has no engine is told by its name
        reason = installed[-1].reason if installed else None  # of the rung that asks least
        if reason is not None and reason.code == "crashes_here":
            raise EngineError("every_rung_crashed", name=engines.DEFAULT_ENGINE)
        raise EngineError("nothing_fits", reason=reason)
    return tuple(sorted(found, key=lambda p: p.rung != plan.chosen))


def _weights_for(plan: ModelPlan, rung: str) -> bool:
    """Whether weights are here that a rung, or another one of its backend, could run."""
    folder = rung.startswith("transformers")
    return any(row.installed for row in plan.ladder if row.rung.startswith("transformers") == folder)


def _plans(prepared: Prepared, wishes: Wishes) -> tuple[RungPlan, ...]:
    """The ladder's, then the other files'; where the ladder has none, those alone. Raises EngineError."""
    spare = tuple(plan for plan in prepared.spare if wishes.rung in (None, plan.rung))
    try:
        return (*choose_plans(prepared.plan, wishes.rung), *spare)
    except EngineError as error:
        if not spare or error.code == "rung_unknown":
            raise
        return spare


def after_out_of_memory(starts: Sequence[Start], failed: RungPlan, smaller: Smaller) -> tuple[Start, ...]:
    """The starts where ``failed`` ran out of memory while it answered: instead of what is no smaller on its rung, the
    next smaller plan, if there is one; what comes before it in the ladder asks for more and is left out."""
    same = [start.plan.rung == failed.rung and start.plan.variant == failed.variant for start in starts]
    if not any(same):
        return tuple(starts)
    found: list[Start] = []
    for start in starts[same.index(True) :]:
        if (
            start.plan.rung != failed.rung
            or start.plan.variant != failed.variant
            or is_smaller(start.plan, failed)
        ):
            found.append(start)
        else:
            less = next(smaller(failed), None)
            found += [replace(start, plan=less)] if less is not None else []
    return tuple(found)


def is_smaller(plan: RungPlan, other: RungPlan) -> bool:
    """Whether a plan of the same rung takes less where it matters: on the cards, without one in RAM."""
    mine, its = _bytes(plan), _bytes(other)
    if mine is not None and its is not None:
        return mine < its
    return (plan.context or 0, plan.gpu_layers or 0) < (other.context or 0, other.gpu_layers or 0)


def environment_of(
    services: Services, machine: Machine, rung: str, broken: Sequence[str] = ()
) -> Environment | None:
    """The installed environment that suits a rung best here; one whose self-test failed does not count."""
    installed = {one.description.name: one for one in services.environments.installed()}
    able = [
        one
        for one in installed.values()
        if one.record.self_test != "failed" and one.description.name not in broken
    ]
    described = [one.description.candidate for one in able]
    for choice in choose(this_place(machine), rung, described):
        return installed[choice.name]
    backend = "transformers" if rung.startswith("transformers") else "llama.cpp"
    # The planner knows an engine by its backend: one that the choice does not rank runs it all the same.
    needs_gpu = rung in ("gguf-gpu", "gguf-split")
    same = (one for one in able if one.description.backend == backend)
    return next((one for one in same if one.state().gpu or not needs_gpu), None)


def _start(
    services: Services, prepared: Prepared, plan: RungPlan, broken: dict[str, EngineError], tuning: Tuning
) -> Start | None:
    environment = environment_of(services, prepared.machine, plan.rung, tuple(broken))
    if environment is None:
        return None
    cards = tuple((f"gpu:{gpu.index}", gpu.name) for gpu in prepared.machine.gpus if gpu.name)
    dtype = dtype_16bit(best_gpu(prepared.machine))
    return Start(plan, environment, prepared.files_of(plan), cards, dtype, tuning, prepared.make)


def _needed(services: Services, prepared: Prepared, wishes: Wishes) -> tuple[str, ...]:
    """Environments that the plans would be tried by; the one of set-up also where it is not there yet."""
    names: dict[str, None] = {}
    for plan in (*prepared.plan.ladder, *prepared.spare):
        if not plan.installed or plan.status == "too_big" or (wishes.rung or plan.rung) != plan.rung:
            continue
        found = environment_of(services, prepared.machine, plan.rung)
        if found is not None:
            names[found.description.name] = None
        if plan.rung.startswith("gguf-cpu"):
            names[found.description.name if found is not None else engines.DEFAULT_ENGINE] = None
    gguf = any(plan.installed and plan.rung.startswith("gguf") for plan in prepared.plan.ladder)
    if not names and gguf:
        names[engines.DEFAULT_ENGINE] = None
    return tuple(names)


def _despite(prepared: Prepared, wishes: Wishes, broken: dict[str, EngineError]) -> tuple[RungPlan, ...]:
    """The plans where an engine cannot be used: why it can't says more than that nothing fits."""
    try:
        return _plans(prepared, wishes)
    except EngineError:
        raise next(iter(broken.values())) from None


def _no_engine(services: Services, prepared: Prepared, plans: Sequence[RungPlan]) -> EngineError:
    described = [description.candidate for description in services.environments.descriptions.values()]
    suited = [
        choice for plan in plans for choice in choose(this_place(prepared.machine), plan.rung, described)
    ]
    name = suited[0].name if suited else engines.DEFAULT_ENGINE
    return EngineError(
        "engine_not_installed", name=name, size_mb=services.environments.describe(name).installed_mb
    )


def _records(services: Services) -> tuple[object, ...]:
    return tuple(one.record for one in services.environments.installed())


def _bytes(plan: RungPlan) -> int | None:
    if not plan.memory:
        return None
    cards = [memory.total for key, memory in plan.memory.items() if key.startswith("gpu:")]
    return sum(cards) if cards else sum(memory.total for memory in plan.memory.values())
