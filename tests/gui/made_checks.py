"""made_* checks for pictures and tests of the pages: invented machines, judged by the real planner."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from autoglm_desktop.core.cuts import shape_key
from autoglm_desktop.core.ladder import engines_of
from autoglm_desktop.core.machine import Cpu, Disk, Gpu, GpuProcess, Machine, Memory, OsInfo, Tuning
from autoglm_desktop.core.measured import DiskSpeed, LayerSpeed, Measurements
from autoglm_desktop.core.units import GB, GIB, MIB
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.host.environments import Environments, Record, environment_python
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, planned, result
from autoglm_desktop.usecases.knowledge import Knowledge
from autoglm_desktop.usecases.services import Services, create_services
from tests.fakes import made_machines as made
from tests.fakes.fake_engine import fake_command

PARTS = {"os": "os", "cpu": "cpu", "memory": "memory", "disk": "disks", "gpus": "gpus", "runtime": "runtime"}


def made_measured(services: Services, variants: Sequence[str] = ("Q4_K_M",)) -> Measurements:
    """Round numbers for the first model's shapes on the CPU and the first card."""
    shapes = planned(None, services)[0].subject.shapes
    assert shapes is not None
    key = shape_key(shapes)
    layers = tuple(
        LayerSpeed(device, key, variant, seconds, seconds, seconds / 10, seconds, engine="made", build="1")
        for variant in variants
        for device, seconds in (("cpu", 0.004), ("gpu:0", 0.0005))
    )
    disk = DiskSpeed("models", 3_200_000_000, 12_000, 0.00008)
    return Measurements("made", 1_763_700_000.0, 40 * GB, (disk,), layers)


def made_rich() -> Machine:
    """All that probes can tell, two cards, a measured RAM and disk."""
    machine = made.with_engine(made.made_rtx_4060())
    holders = tuple(
        GpuProcess(name, size * MIB) for name, size in (("made-b.exe", 150), ("made-a.exe", 700), (None, 90))
    )
    first = dataclasses.replace(
        machine.gpus[0], processes=holders, pcie_generation=1, pcie_generation_max=4, pcie_width=8,
        pcie_width_max=16, power_draw_w=14.2, power_limit_w=115.0, temperature_c=47, utilisation_percent=3,
        memory_reserved_bytes=300 * MIB,
    )  # fmt: skip
    second: Gpu = dataclasses.replace(made.made_rtx_4060().gpus[0], index=1, memory_free_bytes=6800 * MIB)
    cpu = Cpu("made CPU", 14, 6, 20, ("avx2",), None, 48 * 1024, 14 * MIB, 24 * MIB, 2)
    memory = dataclasses.replace(
        machine.memory, kind="DDR5", speed_mt_s=5600, channels=2, limit_bytes=12 * GIB
    )
    disk = dataclasses.replace(machine.disks[0], file_system="ext4")
    tuning = (Tuning("swappiness", "60"), Tuning("open_files", "1024"), Tuning("swap_device", "none"))
    system = OsInfo("Linux", "6.8", tuning=(*tuning, Tuning("huge_pages")))
    return dataclasses.replace(
        machine, os=system, cpu=cpu, memory=memory, disks=(disk,), gpus=(first, second)
    )


MACHINES = {
    "rich": made_rich,
    "gaming": lambda: made.with_engine(made.made_rtx_4060()),
    "game-open": lambda: made.with_engine(made.with_game(made.made_rtx_4060())),
    "large": lambda: made.with_engine(made.made_rtx_4090()),
    "laptop": lambda: made.made_laptop(made.DDR4_DUAL),
    "small": lambda: dataclasses.replace(
        made.made_small(), memory=Memory(8 * GIB, 2 * GIB, 4 * GIB, 3 * GIB)
    ),
    "mac": lambda: made.with_engine(made.made_mac()),
    "unknown": lambda: Machine(disks=(Disk("models"),)),
}


def made_services(home: Path, *engine: object) -> Services:
    """Services with their data in ``home``. ``engine``: mode and arguments of the fake engine that is installed
    there; none: no engine is installed."""
    services = create_services(home)
    environments = Environments(home / "engines", services.environments.descriptions, None)
    services = dataclasses.replace(services, environments=environments)
    if not engine:
        return services
    python = environment_python(environments.path("llama-cpu"))
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    hardware = hardware_key(_this_machine(services))
    environments.write(Record("llama-cpu", "0.3.36", hardware, self_test="passed"), own=False)
    return dataclasses.replace(services, command=fake_command(*engine))


_seen: list[Machine] = []


def _this_machine(services: Services) -> Machine:
    """Probed once: the engine's record must name this hardware, or it would be tested again."""
    if not _seen:
        _seen.append(asyncio.run(services.machine()))
    return _seen[0]


def made_check(
    machine: Machine,
    services: Services,
    wish: str | None = None,
    order: str | None = None,
    measured: bool = False,
) -> CheckResult:
    """The conclusions on a machine."""
    known = Knowledge(made_measured(services) if measured else None, order or "designed")
    machine = known.applied(machine)
    engines = engines_of(machine.runtime.engines)
    return result(machine, planned(None, services), CheckOptions(wish=wish), engines, (), known)


def checker(machine: Machine, measured: bool = False):
    """A check that finds this machine, reporting part by part as the real one does."""

    async def check(services: Services, options: CheckOptions, on_part) -> CheckResult:
        for part, field in PARTS.items():
            value = getattr(machine, field)
            on_part(part, value[0] if part == "disk" else value)
        return made_check(machine, services, options.wish, options.order, measured)

    return check
