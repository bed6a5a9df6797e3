"""Which engine environment this machine should have, for the first run and for ``engines list``. Installs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.environment_choice import KINDS, obstacle
from ..core.environment_choice import choose as choose_environments
from ..core.errors import Reason
from ..core.limits import GPU_RUNGS, best_gpu
from ..core.machine import Gpu, Machine
from ..core.rungs import ModelPlan, RungPlan
from ..host.environments import Description, Environment
from ..host.install_options import attempts_for, this_place
from ..store import settings
from .engines import DEFAULT_ENGINE
from .services import Services

if TYPE_CHECKING:
    from .check import CheckResult

DEFAULT_RUNG = "gguf-gpu"


@dataclass(frozen=True)
class Offer:
    """An environment that suits a rung here. Sizes in MB, None where they are not known. ``kinds``: ways to install it,
    the preferred first (for ``engines.install``)."""

    name: str
    rung: str
    reason: Reason
    kinds: tuple[str, ...] = KINDS
    download_mb: int | None = None
    installed_mb: int | None = None


@dataclass(frozen=True)
class Listed:
    """An environment as the program knows it. ``obstacle``: why it can't work here."""

    description: Description
    obstacle: Reason | None
    download_mb: int | None


@dataclass(frozen=True)
class Gain:
    """What an offered engine brings: ``plan`` of the model ``title`` by it, and ``now`` by the processor (None: not at
    all)."""

    title: str
    plan: RungPlan
    now: RungPlan | None


@dataclass(frozen=True)
class Standing:
    """Where a machine stands with engines for its card. ``failed``: engines that are installed and whose self-test
    failed here. ``declined_names``: engines that the user does not want to hear of."""

    offer: Offer | None = None
    gpu: Gpu | None = None
    gain: Gain | None = None
    failed: tuple[Environment, ...] = ()
    declined_names: tuple[str, ...] = ()

    @property
    def declined(self) -> bool:
        """Whether the user has said no to this offer."""
        return self.offer is not None and self.offer.name in self.declined_names

    @property
    def names(self) -> tuple[str, ...]:
        """Every engine that there is something to say of."""
        offered = (self.offer.name,) if self.offer is not None else ()
        return (*offered, *(one.description.name for one in self.failed))


NOTHING = Standing()


def standing(services: Services, result: CheckResult) -> Standing:
    """What to say after a check of this machine. Nothing is offered where no model would run by it. Reads files."""
    if result.described:
        return NOTHING
    failed = tuple(
        one
        for one in services.environments.installed()
        if one.record.self_test == "failed" and one.description.name != DEFAULT_ENGINE
    )
    offered = offer(services, result.machine, rung_for(result.models))
    gain = gain_of(offered, result) if offered is not None else None
    if offered is None or (gain is None and result.models):
        offered, gain = None, None
    return Standing(offered, best_gpu(result.machine), gain, failed, declined(services))


def gain_of(offered: Offer, result: CheckResult) -> Gain | None:
    """Of the models that the offered engine runs the one that recommends its rung, else the first."""
    found = []
    for subject, model in zip(result.subjects, result.models, strict=True):
        plans = {plan.rung: plan for plan in model.ladder if plan.status == "fits"}
        wanted = model.recommended.rung if model.recommended is not None else None
        runs = [plan for plan in plans.values() if _same_engine(plan.rung, offered.rung)]
        best = next((plan for plan in runs if plan.rung == wanted), next(iter(runs), None))
        if best is not None:
            found.append((best.rung != wanted, Gain(subject.title, best, plans.get("gguf-cpu"))))
    return min(found, key=lambda one: one[0])[1] if found else None


def _same_engine(rung: str, other: str) -> bool:
    """Whether an engine for one rung runs the other on the card."""
    if other.startswith("transformers"):
        return rung.startswith("transformers")
    return rung in GPU_RUNGS


def declined(services: Services) -> tuple[str, ...]:
    """Engines that the user did not want when they were offered. Reads a file."""
    told = settings.load(services.home).declined_engines
    return tuple(told.split()) if told else ()


def decline(services: Services, engines: Iterable[str]) -> bool:
    """Remember them; False (logged) where that can't be kept."""
    names = dict.fromkeys((*declined(services), *engines))
    return settings.update(services.home, declined_engines=" ".join(names))


def offer(services: Services, machine: Machine, rung: str = DEFAULT_RUNG) -> Offer | None:
    """The GPU engine that this machine should have for a rung and lacks; None where there is no card that is worth it,
    where one that suits is there and works, or where none suits. One that failed its self-test here is passed over."""
    gpu = best_gpu(machine)
    if gpu is None or (gpu.integrated and gpu.vendor != "apple"):
        return None
    for one in offers(services, machine, rung):
        if not services.environments.describe(one.name).gpu:
            continue
        found = services.environments.find(one.name)
        if found is None:
            return one
        if found.record.self_test != "failed":
            return None
    return None


def offers(services: Services, machine: Machine, rung: str) -> tuple[Offer, ...]:
    """Every environment that suits a rung here, the best first, installed or not."""
    place, known = this_place(machine), services.environments.descriptions
    found = []
    for choice in choose_environments(place, rung, (d.candidate for d in known.values())):
        description = known[choice.name]
        attempt = next(iter(attempts_for(description, place, choice.kinds)), None)
        size = attempt.download_mb if attempt is not None else None
        found.append(Offer(choice.name, rung, choice.reason, choice.kinds, size, description.installed_mb))
    return tuple(found)


def rung_for(plans: Iterable[ModelPlan]) -> str:
    """The GPU rung that plans recommend, of the first that recommends one."""
    told = (plan.recommended.rung for plan in plans if plan.recommended is not None)
    return next((rung for rung in told if rung in GPU_RUNGS or rung.startswith("transformers")), DEFAULT_RUNG)


def listed(services: Services, machine: Machine) -> tuple[Listed, ...]:
    """Every environment that is described, with what keeps it from this machine."""
    place = this_place(machine)
    found = []
    for description in services.environments.descriptions.values():
        attempt = next(iter(attempts_for(description, place, KINDS)), None)
        size = attempt.download_mb if attempt is not None else None
        found.append(Listed(description, obstacle(place, description.candidate), size))
    return tuple(found)
