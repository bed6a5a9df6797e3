"""What a plan is made for: a machine, a model, a wish, and what is known of both. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from .cards import Cards
from .errors import Reason
from .machine import Disk, Gpu, Machine
from .measured import Measurements
from .memory import Budget, gpu_budget, ram_budget
from .pace import NO_TABLE
from .protocol import Layout
from .rungs import CrashNote, DeviceMemory, EngineState, RungPlan
from .subject import Subject
from .wishes import Need

DryRuns = Mapping[tuple[str, Layout], Mapping[str, Mapping[str, int]]]
"""Bytes by device and cause that an engine's dry run told, by variant and layout."""


@dataclass(frozen=True)
class Setting:
    """A machine, what is planned on it, and what for. ``gpu``: the card that plans use; ``more_gpus``: those that share
    the layers with it, in this order."""

    machine: Machine
    subject: Subject
    need: Need
    gpu: Gpu | None
    engines: tuple[EngineState, ...] = ()
    crashes: tuple[CrashNote, ...] = ()
    more_gpus: tuple[Gpu, ...] = ()
    measured: Measurements | None = None
    dry_runs: DryRuns = field(default_factory=dict)
    cards: Cards = NO_TABLE

    @cached_property
    def gpu_budget(self) -> Budget | None:
        return gpu_budget(self.gpu, self.machine) if self.gpu is not None else None

    @cached_property
    def gpu_budgets(self) -> tuple[Budget, ...]:
        """Of all cards that are used."""
        cards = (self.gpu, *self.more_gpus) if self.gpu is not None else ()
        return tuple(gpu_budget(card, self.machine) for card in cards)

    @cached_property
    def ram_budget(self) -> Budget:
        return ram_budget(self.machine)

    @property
    def disk(self) -> Disk | None:
        return self.machine.disks[0] if self.machine.disks else None

    def with_status(self, plan: RungPlan) -> RungPlan:
        """``fits`` or ``too_big`` by the plan's memory, with what is missing where. Of several devices that lack memory
        the reason names the one that lacks most."""
        lacking = [("gpu_memory_short", budget, plan.memory.get(budget.key)) for budget in self.gpu_budgets]
        lacking.append(("ram_short", self.ram_budget, plan.memory.get("ram")))
        if self.gpu is not None and self.gpu.vendor == "apple":
            whole = DeviceMemory(total=sum(device.total for device in plan.memory.values()))
            lacking.append(("unified_memory_short", self.ram_budget, whole))
        code, budget, device = max(lacking, key=lambda item: item[1].lacks(item[2]))
        if device is None or budget.lacks(device) <= 0:
            return replace(plan, status="fits", reason=None)
        return replace(plan, status="too_big", reason=_too_big(code, budget, device))


def _too_big(code: str, budget: Budget, device: DeviceMemory) -> Reason:
    need = device.total + budget.margin
    limit = budget.limit or 0
    return Reason.of(
        code, needed_bytes=need, free_bytes=limit, short_bytes=need - limit, margin_bytes=budget.margin,
        assumed=budget.available is None,
    )  # fmt: skip
