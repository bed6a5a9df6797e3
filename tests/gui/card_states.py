"""made_* states of the System check page for NVIDIA cards: what the made library shows goes through the real probe."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoglm_desktop.core.checks_gpu_trouble import explained
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.machine import Gpu, Machine, OsInfo, Program, from_json
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.probe.outcome import FAILED
from autoglm_desktop.usecases.advice import with_advice
from autoglm_desktop.usecases.check import CheckOptions, CheckResult
from autoglm_desktop.usecases.services import Services
from tests.fakes import made_machines as made
from tests.fakes import nvml
from tests.gui.made_checks import made_check

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, pathlib
from autoglm_desktop.core.machine import to_json
from autoglm_desktop.probe.nvidia import probe_nvml
print(json.dumps(to_json(probe_nvml(root=pathlib.Path("/no-such-folder")))))
"""
HELD = [
    {"pid": 7_000_001, "mib": 1229, "name": "/usr/lib/firefox/firefox --made"},
    {"pid": 7_000_002, "mib": 420, "name": "/usr/bin/gnome-shell"},
    {"pid": 7_000_003, "mib": 310, "name": "/opt/made/blender"},
    {"pid": 7_000_004, "mib": 96, "name": "/usr/bin/made-editor"},
]
HOT_LAPTOP = nvml.LAPTOP | {
    "MemoryInfo": {"total_mib": 8188, "free_mib": 5800, "reserved_mib": 225}, "EnforcedPowerLimit": 60_000,
    "PowerUsage": 58_900, "Temperature": 87, "UtilizationRates": 96, "CurrentClocksEventReasons": 0x24,
    "DisplayMode": 1, "DisplayActive": 1, "CurrPcieLinkGeneration": 4, "ComputeRunningProcesses": HELD[:1],
    "GraphicsRunningProcesses": HELD[1:],
}  # fmt: skip

TOLD: dict[str, dict[str, Any]] = {
    "laptop": {"driver": "560.35.03", "cuda": 12060, "cards": [HOT_LAPTOP]},
    "two": {"driver": "560.35.03", "cuda": 12060, "cards": [nvml.RTX_4060, nvml.RTX_3060]},
    "sixteen": {
        "driver": "560.35.03", "cuda": 12060, "cards": [nvml.A100_80] * 16,
        "errors": {"nvmlDeviceGetHandleByIndex_v2#7": 15},
    },
    "lost": {
        "driver": "560.35.03", "cuda": 12060, "cards": [nvml.RTX_4060],
        "errors": {"nvmlDeviceGetHandleByIndex_v2": 15},
    },
    "denied": {"driver": "560.35.03", "cuda": 12060, "cards": [nvml.RTX_4060], "errors": {"nvmlInitWithFlags": 4}},
    "mig": nvml.description("made_mig.json"),
    "old": {"driver": "470.57.02", "cuda": 11040, "cards": [nvml.GTX_1060]},
}  # fmt: skip


@functools.lru_cache(maxsize=1)
def library() -> Path:
    return nvml.build(Path(tempfile.mkdtemp(prefix="made-nvml-")))


@functools.cache
def asked(name: str) -> dict[str, Any]:
    """What the probe finds in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=nvml.described(library(), TOLD[name]), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def machine_of(name: str) -> Machine:
    """A PC with these cards; where the driver says nothing, the system still sees that there is one."""
    gpus = tuple(from_json(Gpu, item) for item in asked(name)["gpus"]) or (Gpu(0, "nvidia"),)
    machine = made.with_engine(made.made_rtx_4060(bandwidth=made.DDR4_DUAL))
    return dataclasses.replace(machine, gpus=gpus, os=OsInfo("Linux", "6.8", False))


def checked(services: Services, machine: Machine, finding: dict[str, Any] | None = None) -> CheckResult:
    """The check as the real one would come to it, with what would help."""
    found = made_check(machine, services)
    if finding is not None:
        reason, advice = (_reason(finding[key]) for key in ("reason", "advice"))
        checks = explained(found.checks, machine, reason, advice, failed=finding["status"] == FAILED)
        found = dataclasses.replace(found, checks=checks)
    return with_advice(found, CheckOptions(), (), (), services.home)


def _reason(data: dict[str, Any] | None) -> Reason | None:
    return Reason(data["code"], tuple(tuple(pair) for pair in data["values"])) if data is not None else None


def card_check(name: str) -> Callable[[Services], CheckResult]:
    return lambda services: checked(services, machine_of(name), asked(name))


def no_card(services: Services) -> CheckResult:
    return checked(services, made.with_engine(made.made_laptop(made.DDR4_DUAL)))


def crowded(services: Services) -> CheckResult:
    """RAM is short, and who holds it is known; a model of this program is loaded, too."""
    machine = made.with_engine(made.made_laptop(made.DDR4_DUAL))
    programs = (
        Program("autoglm-desktop", 900 * MIB), Program("firefox", 5 * GIB), Program("made-studio", 3 * GIB),
        Program("thunderbird", 600 * MIB),
    )  # fmt: skip
    memory = dataclasses.replace(machine.memory, available_bytes=2 * GIB, programs=programs)
    return checked(services, dataclasses.replace(machine, memory=memory))


BUILDABLE = nvml.reason_not_buildable() is None
CHECKS: dict[str, Callable[[Services], CheckResult]] = {
    **{f"gpu-{name}": card_check(name) for name in TOLD if BUILDABLE},
    "gpu-none": no_card,
    "ram-short": crowded,
}
