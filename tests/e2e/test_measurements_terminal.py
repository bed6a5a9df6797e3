"""``check --forget-measurements`` as somebody types it; what no longer counts is said."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_desktop.core.measured import LayerSpeed, Measurements
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.usecases.services import Services, create_services

ROOT = Path(__file__).parents[2]


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return create_services(tmp_path / "数据 home")


def check(services: Services, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "autoglm_desktop", "check", *arguments],
        env=dict(os.environ, AUTOGLM_HOME=str(services.home), AUTOGLM_LANG="en"),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def test_what_was_measured_is_shown_with_its_age_and_can_be_forgotten(services: Services) -> None:
    hardware = hardware_key(asyncio.run(services.machine()))
    layer = LayerSpeed("cpu", "made", "Q4_K_M", 0.01, 0.02, 0.001, 0.1, engine="made engine", build="1")
    services.measurements.save(Measurements(hardware, 1_763_700_000.0, 40 * 10**9, (), (layer,)))
    done = check(services)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Measured RAM: 2025-11-2" in said and " days ago" in said
    assert "The speed of Q4_K_M on the CPU (2025-11-2" in said
    assert "no longer counts: the engine made engine is no longer installed." in said
    done = check(services, "--forget-measurements")
    assert done.returncode == 0 and "is forgotten" in done.stderr
    assert "Measured" not in done.stdout
    assert services.measurements.all() == ()


def test_nothing_to_forget(services: Services) -> None:
    done = check(services, "--forget-measurements")
    assert done.returncode == 0 and done.stderr.strip() == "Nothing was measured here."
    assert not (services.home / "state").exists()


def test_another_machine_s_figures_are_none_of_this_one_s_business(
    services: Services, tmp_path: Path
) -> None:
    described = tmp_path / "machine.json"
    described.write_text("{}", encoding="utf-8")
    done = check(services, "--forget-measurements", "--machine", str(described))
    assert done.returncode == 2 and "leave out --machine" in done.stderr
