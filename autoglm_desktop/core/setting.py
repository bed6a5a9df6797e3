"""What a plan is made for: a machine, a model, a wish, and what is known of both. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from . import pace
from .cards import Cards
from .errors import Reason
from .machine import Disk, Gpu, Machine
from .measured import Measurements
from .memory import Budget, Placement, gpu_budget, layers_on_gpu, ram_budget
from .pace import NO_TABLE, Pace
from .protocol import Layout
from .rungs import CrashNote, DeviceMemory, EngineState, RungPlan
from .subject import GgufWeights, Subject
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

    def gpu_paces(self, weights: GgufWeights) -> tuple[Pace, ...]:
        """Of all cards that are used, on a variant."""
        if weights.variant not in self._paces:
            cards = (self.gpu, *self.more_gpus) if self.gpu is not None else ()
            self._paces[weights.variant] = tuple(
                pace.of_gpu(card, self.subject.shape, weights, self.measured, self.cards) for card in cards
            )
        return self._paces[weights.variant]

    @cached_property
    def _paces(self) -> dict[str, tuple[Pace, ...]]:
        """A plan asks for each of its placements."""
        return {}

    def layers_on_gpu(self, weights: GgufWeights, place: Placement) -> tuple[int, ...]:
        """``memory.layers_on_gpu`` of a variant."""
        key = (weights.variant, place.context, place.kv_type)
        if key not in self._sizes:
            self._sizes[key] = layers_on_gpu(self.subject.shape, weights, place)
        return self._sizes[key]

    @cached_property
    def _sizes(self) -> dict[tuple[str, int, str], tuple[int, ...]]:
        return {}

    def cpu_pace(self, weights: GgufWeights, *, safe: bool = False) -> Pace:
        return pace.of_cpu(self.machine, self.subject.shape, weights, self.measured, safe=safe)

    def with_status(self, plan: RungPlan) -> RungPlan:
        """``fits`` or ``too_big`` by the plan's memory."""
        status, reason = self.status(plan.memory)
        return replace(plan, status=status, reason=reason)

    def status(self, memory: Mapping[str, DeviceMemory]) -> tuple[str, Reason | None]:
        """``fits``, or ``too_big`` with what is missing where. Of several devices that lack memory the reason names the
        one that lacks most."""
        lacking = [("gpu_memory_short", budget, memory.get(budget.key)) for budget in self.gpu_budgets]
        lacking.append(("ram_short", self.ram_budget, memory.get("ram")))
        if self.gpu is not None and self.gpu.vendor == "apple":
            whole = DeviceMemory(total=sum(device.total for device in memory.values()))
            lacking.append(("unified_memory_short", self.ram_budget, whole))
        code, budget, device = max(lacking, key=lambda item: item[1].lacks(item[2]))
        if device is None or budget.lacks(device) <= 0:
            return "fits", None
        return "too_big", _too_big(code, budget, device)


def _too_big(code: str, budget: Budget, device: DeviceMemory) -> Reason:
    need = device.total + budget.margin
    limit = budget.limit or 0
    return Reason.of(
        code, needed_bytes=need, free_bytes=limit, short_bytes=need - limit, margin_bytes=budget.margin,
        assumed=budget.available is None, own_bytes=budget.own,
    )  # fmt: skip
