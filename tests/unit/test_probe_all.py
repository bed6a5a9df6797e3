from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.machine import Cpu, Disk, Gpu, Memory, OsInfo, Runtime, to_json
from autoglm_desktop.core.machine_file import machine_from_json
from autoglm_desktop.probe import adapters
from autoglm_desktop.probe.all import PARTS, Probes, probe_machine
from autoglm_desktop.probe.gpu_table import GpuTable, Row
from autoglm_desktop.probe.gpus import GPU_PROBES, GpuProbe
from autoglm_desktop.probe.outcome import GpuFinding, ProbeReport
from tests.fakes import nvml
from tests.unit.test_probe_system import made_root

ROOT = Path(__file__).parents[2]
FAKES = Probes(
    os=lambda: OsInfo("Linux", "made", False),
    cpu=lambda: Cpu("made", 4, 4, 8),
    memory=lambda: Memory(16, 8, 0, 0),
    disk=lambda folder: Disk(str(folder), "nvme", 5),
    gpus=(),
    runtime=lambda: Runtime("3.12.0"),
)


def gpu_probe(
    name: str, finding: Callable[[tuple[Gpu, ...]], GpuFinding], timeout_s: float = 30.0
) -> GpuProbe:
    return GpuProbe(name, finding, timeout_s)


def run(probes: Probes, table: GpuTable | None = None) -> tuple[ProbeReport, dict[str, object]]:
    parts: dict[str, object] = {}
    report = asyncio.run(probe_machine(Path("models"), parts.__setitem__, table=table, probes=probes))
    return report, parts


def test_every_part_is_reported_and_in_the_machine() -> None:
    report, parts = run(FAKES)
    machine = report.machine
    assert set(parts) == set(PARTS)
    assert parts == {
        "os": machine.os,
        "cpu": machine.cpu,
        "memory": machine.memory,
        "disk": machine.disks[0],
        "gpus": machine.gpus,
        "runtime": machine.runtime,
    }
    assert {item.status for item in report.outcomes} == {"found"}


def test_a_part_is_reported_before_a_slower_one_has_answered() -> None:
    release = threading.Event()

    def slow() -> Cpu:
        assert release.wait(30)
        return Cpu("slow")

    seen: list[str] = []

    def on_part(name: str, value: object) -> None:
        seen.append(name)
        if set(seen) == set(PARTS) - {"cpu"}:
            release.set()

    report = asyncio.run(probe_machine(Path("x"), on_part, probes=replace(FAKES, cpu=slow)))
    assert seen[-1] == "cpu"
    assert report.machine.cpu.name == "slow"


def test_a_part_that_raises_is_unknown_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Memory:
        raise ZeroDivisionError("made")

    with caplog.at_level(logging.ERROR):
        report, parts = run(replace(FAKES, memory=broken))
    outcome = report.outcome("memory")
    assert outcome is not None and outcome.reason is not None
    assert (outcome.status, outcome.reason.code) == ("failed", "probe_failed")
    assert outcome.reason.as_dict() == {"error": "ZeroDivisionError: made"}
    assert parts["memory"] == report.machine.memory == Memory()
    assert report.machine.cpu.name == "made"
    assert any(record.exc_info for record in caplog.records)


def test_a_part_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def hangs(folder: Path) -> Disk:
        release.wait(60)
        return Disk("late")

    try:
        report, _ = run(replace(FAKES, disk=hangs, timeout_s=0.2))
    finally:
        release.set()
    outcome = report.outcome("disk")
    assert outcome is not None and outcome.reason is not None
    assert (outcome.status, outcome.reason.code) == ("failed", "probe_timed_out")
    assert report.machine.disks == (Disk("models"),)


def test_a_hanging_probe_does_not_keep_python_alive() -> None:
    script = """
import asyncio, dataclasses, pathlib, threading
from autoglm_desktop.core.machine import Cpu
from autoglm_desktop.probe.all import Probes, probe_machine
forever = Probes(cpu=lambda: threading.Event().wait() or Cpu(), gpus=(), timeout_s=0.2)
print(asyncio.run(probe_machine(pathlib.Path("."), probes=forever)).outcome("cpu").reason.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "probe_timed_out"


def test_gpu_probes_see_what_those_before_found() -> None:
    seen: list[tuple[Gpu, ...]] = []

    def second(found: tuple[Gpu, ...]) -> GpuFinding:
        seen.append(found)
        return GpuFinding((Gpu(1, "amd"),))

    probes = (
        gpu_probe(
            "gpus.none", lambda found: GpuFinding.skipped("nvidia_driver_missing", "install_nvidia_driver")
        ),
        gpu_probe("gpus.one", lambda found: GpuFinding((Gpu(0, "nvidia"),))),
        gpu_probe("gpus.two", second),
    )
    report, _ = run(replace(FAKES, gpus=probes))
    assert seen == [(Gpu(0, "nvidia"),)]
    assert [gpu.vendor for gpu in report.machine.gpus] == ["nvidia", "amd"]
    skipped = report.outcome("gpus.none")
    assert skipped is not None and skipped.advice is not None
    assert (skipped.status, skipped.advice.code) == ("skipped", "install_nvidia_driver")


def test_a_gpu_probe_that_crashes_leaves_the_next(caplog: pytest.LogCaptureFixture) -> None:
    def broken(found: tuple[Gpu, ...]) -> GpuFinding:
        raise OSError("made")

    probes = (
        gpu_probe("gpus.bad", broken),
        gpu_probe("gpus.good", lambda found: GpuFinding((Gpu(0, "nvidia"),))),
    )
    report, _ = run(replace(FAKES, gpus=probes))
    assert len(report.machine.gpus) == 1
    bad = report.outcome("gpus.bad")
    assert bad is not None and bad.status == "failed"


def test_the_table_fills_in_bandwidths() -> None:
    table = GpuTable((Row(("RTX 4060",), "nvidia", 272, "made"),))
    probes = (
        gpu_probe("gpus.one", lambda found: GpuFinding((Gpu(0, "nvidia", "NVIDIA GeForce RTX 4060"),))),
    )
    report, parts = run(replace(FAKES, gpus=probes), table)
    assert report.machine.gpus[0].memory_bandwidth_bytes_per_s == 272_000_000_000
    assert parts["gpus"] == report.machine.gpus


def test_what_is_found_survives_json() -> None:
    report, _ = run(FAKES)
    assert machine_from_json(json.loads(json.dumps(to_json(report.machine)))) == report.machine


def test_this_machine(tmp_path: Path) -> None:
    report = asyncio.run(probe_machine(tmp_path))
    assert report.machine.os.name in ("Linux", "Windows", "macOS")
    assert [item.reason for item in report.outcomes if item.name in PARTS] == [None] * 5
    assert all(item.seconds >= 0 for item in report.outcomes)


@pytest.mark.skipif(nvml.reason_not_buildable() is not None, reason=nvml.reason_not_buildable() or "")
def test_the_whole_with_a_made_card(tmp_path: Path) -> None:
    script = """
import asyncio, json, pathlib
from autoglm_desktop.core.machine import to_json
from autoglm_desktop.probe.all import probe_machine
print(json.dumps(to_json(asyncio.run(probe_machine(pathlib.Path("."))).machine)))
"""
    environment = nvml.environment(nvml.build(tmp_path / "library"), [nvml.RTX_4060])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    machine = machine_from_json(json.loads(done.stdout))
    assert machine.gpus[0].name == "NVIDIA GeForce RTX 4060"
    assert machine.cpu.logical_cores


def test_probing_imports_nothing_heavy() -> None:
    script = """
import sys
import autoglm_desktop.probe.all
heavy = {"torch", "llama_cpp", "transformers", "numpy", "PySide6", "fastapi", "pynvml"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_best_source_is_asked_first() -> None:
    assert [probe.name for probe in GPU_PROBES] == ["gpus.nvml", "gpus.nvidia-smi", "gpus.adapters"]


def pci(number: int, kind: str, vendor: str) -> dict[str, str]:
    folder = f"sys/bus/pci/devices/0000:0{number}:00.0"
    return {f"{folder}/class": kind + "\n", f"{folder}/vendor": vendor + "\n"}


def test_adapters_on_the_pci_bus(tmp_path: Path) -> None:
    files = pci(0, "0x030000", "0x8086") | pci(1, "0x030000", "0x1002") | pci(2, "0x030200", "0x10de")
    files |= pci(3, "0x020000", "0x8086") | pci(4, "0x030000", "0x1a03") | pci(5, "garbage", "0x1002")
    found = adapters.linux(made_root(tmp_path, files))
    assert [gpu.vendor for gpu in found] == ["intel", "amd", "nvidia"]
    assert all(gpu.name is None and gpu.memory_total_bytes is None for gpu in found)


def test_adapters_of_a_vendor_already_found_are_not_added() -> None:
    known = (Gpu(0, "nvidia", "A"), Gpu(1, "nvidia", "B"))
    noticed = [Gpu(0, "nvidia"), Gpu(1, "amd"), Gpu(2, "intel")]
    assert adapters.new_ones(noticed, known) == (Gpu(2, "amd"), Gpu(3, "intel"))


def test_windows_lists_a_card_once_for_all_its_outputs() -> None:
    devices = [
        ("NVIDIA GeForce RTX 4060", r"PCI\VEN_10DE&DEV_2882&SUBSYS_1&REV_A1"),
        ("NVIDIA GeForce RTX 4060", r"PCI\VEN_10DE&DEV_2882&SUBSYS_1&REV_A1"),
        ("AMD Radeon(TM) Graphics", r"PCI\VEN_1002&DEV_164E"),
        ("Microsoft Remote Display Adapter", "RdpIdd"),
        ("Made", r"PCI\VEN_ZZZZ"),
    ]
    found = adapters.parse_display_devices(devices)
    assert [(gpu.index, gpu.vendor, gpu.name) for gpu in found] == [
        (0, "nvidia", "NVIDIA GeForce RTX 4060"),
        (1, "amd", "AMD Radeon(TM) Graphics"),
    ]
