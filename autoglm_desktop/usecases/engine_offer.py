"""Which engine environment this machine should have, for the first run and for ``engines list``. Installs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.environment_choice import KINDS, obstacle
from ..core.environment_choice import choose as choose_environments
from ..core.errors import Reason
from ..core.limits import GPU_RUNGS, best_gpu
from ..core.machine import Machine
from ..core.rungs import ModelPlan
from ..host.environments import Description
from ..host.install_options import attempts_for, this_place
from .services import Services

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
