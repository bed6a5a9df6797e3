"""made_* checks for pictures and tests of the pages: invented machines, judged by the real planner."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from autoglm_desktop.core.ladder import engines_of
from autoglm_desktop.core.machine import Disk, Machine, Memory
from autoglm_desktop.core.units import GIB
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.host.environments import Environments, Record, environment_python
from autoglm_desktop.usecases.check import CheckOptions, CheckResult, planned, result
from autoglm_desktop.usecases.services import Services, create_services
from tests.fakes import made_machines as made
from tests.fakes.fake_engine import fake_command

PARTS = {"os": "os", "cpu": "cpu", "memory": "memory", "disk": "disks", "gpus": "gpus", "runtime": "runtime"}

MACHINES = {
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


def made_check(machine: Machine, services: Services, wish: str | None = None) -> CheckResult:
    """The conclusions on a machine."""
    options = CheckOptions(wish=wish)
    engines = engines_of(machine.runtime.engines)
    return result(machine, planned(None, services), options, engines, ())


def checker(machine: Machine):
    """A check that finds this machine, reporting part by part as the real one does."""

    async def check(services: Services, options: CheckOptions, on_part) -> CheckResult:
        for part, field in PARTS.items():
            value = getattr(machine, field)
            on_part(part, value[0] if part == "disk" else value)
        return made_check(machine, services, options.wish)

    return check
