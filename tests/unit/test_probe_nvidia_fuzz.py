"""Every answer of NVML missing, failing or senseless, one at a time and many together: what is left is true."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autoglm_desktop.core.ladder import plan_model
from autoglm_desktop.core.machine import Gpu, Machine, Memory, to_json
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.core.subject import of_model
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.services import gpu_table
from tests.fakes import nvml

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, os, pathlib, sys
from autoglm_desktop.core.machine import to_json
from autoglm_desktop.probe.nvidia import probe_nvml
for path in sys.stdin.read().splitlines():
    os.environ["MADE_NVML"] = path
    print(json.dumps(to_json(probe_nvml(root=pathlib.Path("no-such-folder")))))
"""
unbuildable = nvml.reason_not_buildable()
pytestmark = pytest.mark.skipif(unbuildable is not None, reason=unbuildable or "")

CODES = (*range(1, 31), 999)
"""All of nvmlReturn_t."""
LOST = (15, 16)
WHOLE = {
    "nvmlInitWithFlags", "nvmlShutdown", "nvmlErrorString", "nvmlSystemGetDriverVersion",
    "nvmlSystemGetCudaDriverVersion_v2", "nvmlDeviceGetCount_v2", "nvmlSystemGetProcessName",
    "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
}  # fmt: skip
"""Not asked of one card."""
CARD = nvml.RTX_4060 | {
    "ComputeRunningProcesses": [{"pid": 7_000_077, "mib": 512, "name": "/srv/made/python3"}],
    "GraphicsRunningProcesses": [{"pid": 7_000_009, "mib": None, "name": "/usr/lib/xorg/Xorg"}],
}
OTHER = nvml.RTX_3060


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


def ask(library: Path, told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the probe says of each description, all in one process."""
    made = [nvml.described(library, one) for one in told]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input="".join(f"{one['MADE_NVML']}\n" for one in made), env=made[0],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(made)
    return answers


def described(
    errors: Mapping[str, int], cards: Iterable[Mapping[str, Any]] = (CARD, OTHER)
) -> dict[str, Any]:
    return {"driver": "560.35.03", "cuda": 12060, "cards": [*cards], "errors": dict(errors)}


def gpus(answer: Mapping[str, Any]) -> tuple[Gpu, ...]:
    """As a machine file would bring them: nothing in them is out of range, and they can be planned on."""
    return machine_from_json({"gpus": answer["gpus"]}).gpus


def invented(found: Gpu, true: Gpu) -> list[str]:
    """Fields that are neither true nor unknown. Of processes fewer may be known, and less of each."""
    names = [
        item.name for item in dataclasses.fields(Gpu) if item.name not in ("processes", "display_attached")
    ]
    wrong = [name for name in names if getattr(found, name) not in (None, getattr(true, name))]
    for one in found.processes:
        known = [
            p
            for p in true.processes
            if one.name in (None, p.name) and one.memory_bytes in (None, p.memory_bytes)
        ]
        wrong += [] if known else [f"processes: {one}"]
    return wrong


def test_every_question_with_every_error(library: Path) -> None:
    functions = sorted(nvml.functions() - WHOLE)
    cases = [(function, code) for function in functions for code in CODES]
    true, *answers = ask(library, [described({}), *(described({f"{name}#0": code}) for name, code in cases)])
    card, other = gpus(true)
    assert card.processes and card.memory_total_bytes == 8188 * MIB
    changed = set()
    for (function, code), answer in zip(cases, answers, strict=True):
        found = gpus(answer)
        assert answer["status"] == "found" and len(found) == 2, (function, code)
        assert found[1] == other, (function, code)
        assert invented(found[0], card) == [], (function, code)
        if code in LOST:
            bare = Gpu(0, "nvidia", driver_version="560.35.03", cuda_version="12.6")
            asked = found[0] != card
            assert not asked or (found[0], answer["reason"]["code"]) == (bare, "gpu_not_responding")
        if found[0] != card:
            changed.add(function)
    spare = {
        "nvmlDeviceGetPowerManagementLimit", "nvmlDeviceGetTemperatureV", "nvmlDeviceGetMigMode",
        "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetDisplayActive", "nvmlDeviceGetDisplayMode",
    }  # fmt: skip
    assert set(functions) - changed <= spare, "the others are really asked"


def test_what_holds_for_all_cards_with_every_error(library: Path) -> None:
    names = ("nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetProcessName")
    cases = [(name, code) for name in names for code in CODES]
    true, *answers = ask(library, [described({}), *(described({name: code}) for name, code in cases)])
    for case, answer in zip(cases, answers, strict=True):
        for found, card in zip(gpus(answer), gpus(true), strict=True):
            assert invented(found, card) == [], case


def test_the_whole_with_every_error(library: Path) -> None:
    cases = [(name, code) for name in ("nvmlInitWithFlags", "nvmlDeviceGetCount_v2") for code in CODES]
    answers = ask(library, [described({name: code}) for name, code in cases])
    for (name, code), answer in zip(cases, answers, strict=True):
        if name == "nvmlInitWithFlags" and code == 5:  # "already" is no failure to the binding of some years
            continue
        assert answer["gpus"] == [] and answer["reason"] and answer["status"] in ("failed", "skipped"), (
            name,
            code,
        )


NUMBERS = (0, 1, 100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 62) // MIB, (1 << 64) - 1)


def senseless(random_: random.Random) -> dict[str, Any]:
    """A card that answers anything, or nothing."""
    card: dict[str, Any] = {}
    for key, value in CARD.items():
        if random_.random() < 0.2:
            continue
        if isinstance(value, int):
            card[key] = random_.choice((value, *NUMBERS))
        elif isinstance(value, dict):
            card[key] = {part: random_.choice((number, *NUMBERS)) for part, number in value.items()}
        elif key == "CudaComputeCapability":
            card[key] = random_.choice((value, [0, 0], [-1, 5], [99, 99], ["x", "y"]))
        elif key == "Name":
            card[key] = random_.choice((value, "", " ", "N" * 90, "\x1b]0;made\x07", "显卡", "a, b"))
        else:
            card[key] = value
    return card


def test_senseless_answers_are_planned_on_without_harm(library: Path) -> None:
    seed = random.Random(4)
    functions = sorted(nvml.functions() - {"nvmlInitWithFlags", "nvmlDeviceGetCount_v2"})
    told = []
    for _ in range(150):
        errors = {name: seed.choice(CODES) for name in functions if seed.random() < 0.15}
        cards = [senseless(seed) for _ in range(seed.randint(1, 3))]
        told.append(described(errors, cards) | {"cuda": seed.choice((12060, 0, -5, 0x7FFFFFFF, None))})
    subject = of_model(catalog.load().models[0]).only("Q4_K_M")
    for answer in ask(library, told):
        found = gpus(answer)
        for gpu in found:
            assert gpu.memory_free_bytes is None or gpu.memory_free_bytes <= (gpu.memory_total_bytes or 0)
            assert gpu.memory_total_bytes != 0 and gpu.power_limit_w != 0
        machine = Machine(memory=Memory(16 * GIB, 11 * GIB), gpus=found)
        plan = plan_model(machine, subject, cards=gpu_table())
        assert len(plan.ladder) == 8 and json.dumps(to_json(plan.ladder), allow_nan=False)
