"""What plans on this machine are made with beside the machine and the model: measurements, cards, the chosen order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.choice import DESIGNED, ORDERS
from ..core.machine import Disk, Machine
from ..core.measured import Measurements
from ..core.measured_age import Outdated
from ..core.setting import DryRuns
from ..core.subject import Subject
from ..host.crashes import hardware_key
from ..store import settings
from .services import Services, gpu_table


@dataclass(frozen=True)
class Knowledge:
    """``measured`` None: nothing was measured on this machine with these engines. ``dry_runs``: by subject's id;
    ``outdated``: what was measured before and no longer counts."""

    measured: Measurements | None = None
    order: str = DESIGNED
    dry_runs: Mapping[str, DryRuns] = field(default_factory=dict)
    outdated: tuple[Outdated, ...] = ()

    @property
    def for_plans(self) -> dict[str, Any]:
        """As ``core.ladder.plan_model`` takes it."""
        return {**self.for_smaller_plans, "order": self.order}

    def for_plans_of(self, subject: Subject) -> dict[str, Any]:
        """With what engines' dry runs told of this subject."""
        return {**self.for_plans, "dry_runs": self.dry_runs.get(subject.id)}

    @property
    def for_smaller_plans(self) -> dict[str, Any]:
        """As ``core.ladder.smaller_plans`` takes it."""
        return {"measured": self.measured, "cards": gpu_table()}

    def applied(self, machine: Machine) -> Machine:
        """The machine with the speeds that were measured of its RAM and disks."""
        if self.measured is None:
            return machine
        cpu = machine.cpu
        if self.measured.ram_bytes_per_s is not None:
            cpu = replace(cpu, memory_bandwidth_bytes_per_s=self.measured.ram_bytes_per_s)
        return replace(machine, cpu=cpu, disks=tuple(self._disk(disk) for disk in machine.disks))

    def _disk(self, disk: Disk) -> Disk:
        known = self.measured.disks if self.measured is not None else ()
        found = next((one for one in known if one.path == disk.path), None)
        if found is None:
            return disk
        return replace(
            disk,
            sequential_read_bytes_per_s=found.bytes_per_s,
            random_read_iops=found.iops,
            random_read_latency_s=found.latency_s,
        )


NOTHING_KNOWN = Knowledge()


def knowledge(services: Services, machine: Machine, order: str | None = None) -> Knowledge:
    """What is known here. ``order`` None: as the settings say. Reads files."""
    chosen = order or settings.load(services.home).order
    hardware = hardware_key(machine)
    return Knowledge(
        services.measured(hardware),
        chosen if chosen in ORDERS else DESIGNED,
        outdated=services.outdated(hardware),
    )
