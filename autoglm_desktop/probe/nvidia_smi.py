"""NVIDIA GPUs by ``nvidia-smi``: where its library cannot be loaded but the tool is there (WSL)."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..core.machine import Gpu
from .files import run_text
from .nvidia_processes import is_own_process, merge_processes
from .nvidia_smi_csv import known, mib, parse_smi, rows
from .outcome import GpuFinding

Run = Callable[[tuple[str, ...], float], "str | None"]
OLD = ("index", "pci.bus_id", "driver_version", "memory.total", "memory.free", "temperature.gpu", "name")
BASIC = (
    *OLD[:-1], "compute_cap", "enforced.power.limit", "display_active", "power.draw", "utilization.gpu",
    "clocks.max.memory", "clocks.max.sm", "pcie.link.gen.current", "pcie.link.gen.max", "pcie.link.width.current",
    "pcie.link.width.max", "name",
)  # fmt: skip
FIELDS = (*BASIC[:-1], "memory.reserved", "clocks_event_reasons.active", "name")
"""The name is last: it may hold a comma, and what is cut off hits it first."""
LEVELS = (FIELDS, (*BASIC[:-1], "clocks_throttle_reasons.active", "name"), BASIC, OLD)
"""One unknown field makes the tool refuse all; older drivers are asked again with what they know."""
PROGRAMS = ("gpu_bus_id", "pid", "used_memory", "process_name")
QUERY_S = 10.0
TABLE_S = 6.0
"""Together less than the whole probe may take (gpus.GPU_PROBES)."""


def probe_smi(
    found: tuple[Gpu, ...] = (),
    find: Callable[[], str | None] | None = None,
    run: Run = run_text,
) -> GpuFinding:
    """Asked only where NVML found nothing."""
    if any(gpu.vendor == "nvidia" for gpu in found):
        return GpuFinding.skipped("not_needed")
    tool = (find or find_tool)()
    if tool is None:
        return GpuFinding.skipped("nvidia_smi_missing")
    text = query(tool, run, QUERY_S)
    if text is None:
        return GpuFinding.failed("nvidia_smi_failed", "install_nvidia_driver")
    gpus = parse_smi(text, parse_cuda_version(run((tool,), TABLE_S) or ""))
    if not gpus:
        return GpuFinding.skipped("nvidia_no_devices")
    programs = (tool, "--query-compute-apps=" + ",".join(PROGRAMS), "--format=csv,nounits")
    return GpuFinding(with_programs(gpus, text, run(programs, TABLE_S) or ""))


def query(tool: str, run: Run, limit_s: float) -> str | None:
    """What the tool prints for FIELDS, or for as many of them as it knows; None where it fails.
    Asks again as long as ``limit_s`` seconds have not passed."""
    end = time.monotonic() + limit_s
    answer: str | None = None
    for fields in LEVELS:
        left = end - time.monotonic()
        if left <= 0:
            break
        text = run((tool, "--query-gpu=" + ",".join(fields), "--format=csv,nounits"), left)
        if text is not None and rows(text):
            return text
        answer = answer if text is None else text
    return answer


def find_tool() -> str | None:
    """nvidia-smi's path: on PATH, else where WSL and Windows keep it."""
    found = shutil.which("nvidia-smi")
    if found:
        return found
    places = [Path("/usr/lib/wsl/lib/nvidia-smi")]
    if os.name == "nt":
        programs = Path(os.environ.get("PROGRAMFILES", r"C:\Program Files"))
        folders = (
            Path(os.environ.get("WINDIR", r"C:\Windows")) / "System32",
            programs / "NVIDIA Corporation/NVSMI",
        )
        places = [folder / "nvidia-smi.exe" for folder in folders]
    return next((str(place) for place in places if place.is_file()), None)


def with_programs(gpus: tuple[Gpu, ...], query_text: str, programs: str) -> tuple[Gpu, ...]:
    """The cards with the programs that compute on them; the tool's query does not tell of graphics."""
    buses = {known(row.get("pci.bus_id")): row.get("index") for row in rows(query_text)}
    entries: dict[str, list[tuple[int, int | None]]] = {}
    names: dict[int, str | None] = {}
    for row in rows(programs):
        index, pid = buses.get(known(row.get("gpu_bus_id"))), row.get("pid") or ""
        if index is not None and pid.isascii() and pid.isdecimal():
            entries.setdefault(index, []).append(
                (int(pid), mib(row.get("used_memory") or row.get("used_gpu_memory")))
            )
            names[int(pid)] = known(row.get("process_name"))
    return tuple(
        replace(gpu, processes=merge_processes(entries.get(str(gpu.index), []), names.get, is_own_process))
        for gpu in gpus
    )


def parse_cuda_version(text: str) -> str | None:
    """From the head of nvidia-smi's table: ``CUDA Version: 12.6`` (newer ones: ``CUDA UMD Version``)."""
    match = re.search(r"CUDA(?: UMD)? Version\s*:\s*(\d{1,4}\.\d{1,4})(?=\s)", text)
    return match[1] if match else None
