"""``check`` with a made NVIDIA card, from its library to the sentence on the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import nvml

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    nvml.reason_not_buildable() is not None, reason=nvml.reason_not_buildable() or ""
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


def check(environment: dict[str, str], home: Path) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "autoglm_desktop", "check", "--json"],
        env=dict(environment, AUTOGLM_HOME=str(home), AUTOGLM_LANG="en"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr and done.stdout, done.stderr
    return {item["id"]: item for item in json.loads(done.stdout)["checks"]}


def test_a_hot_card_whose_memory_a_game_holds(library: Path, tmp_path: Path) -> None:
    card = nvml.RTX_4060 | {
        "MemoryInfo": {"total_mib": 8188, "free_mib": 4000, "reserved_mib": 280},
        "ComputeRunningProcesses": [
            {"pid": 7_000_001, "mib": 3200, "name": "/home/made/secret/game --token=abc"}
        ],
        "CurrentClocksEventReasons": 0x24,
        "Temperature": 84,
        "UtilizationRates": 97,
    }
    found = check(nvml.environment(library, [card]), tmp_path)
    assert "game (3.1 GiB)" in found["gpu.memory"]["text"] and "secret" not in str(found)
    assert found["gpu.temperature"]["text"] == "84 °C: heat slows the card down right now."
    assert "PCIe 1.0 ×8 instead of PCIe 4.0 ×8" in found["gpu.present"]["text"]
    assert found["gpu.driver"]["code"] == "driver_cuda"


def test_a_driver_that_waits_for_a_restart(library: Path, tmp_path: Path) -> None:
    found = check(nvml.environment(library, nvmlInitWithFlags=18), tmp_path)
    assert found["gpu.driver"]["status"] == "warn"
    assert "waits for a restart" in found["gpu.driver"]["text"]
    assert found["gpu.driver"]["advice"]


def test_sixteen_cards_of_which_one_is_lost(library: Path, tmp_path: Path) -> None:
    told = nvml.environment(library, [nvml.A100_80] * 16, nvmlDeviceGetHandleByIndex_v2_at_7=15)
    found = check(told, tmp_path)
    assert found["gpu.present"]["value"] == {"number": 16, "unit": "gpus"}
    assert "a card does not respond" in found["gpu.present"]["text"]
