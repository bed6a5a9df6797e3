"""NVIDIA GPUs by ``nvidia-smi``: where its library cannot be loaded but the tool is there (WSL)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ..core.machine import Gpu
from .files import run_text
from .outcome import GpuFinding

FIELDS = (
    "index",
    "name",
    "memory.total",
    "memory.free",
    "compute_cap",
    "driver_version",
    "enforced.power.limit",
    "temperature.gpu",
    "display_active",
)
MIB = 1024 * 1024
TIMEOUT_S = 10.0


def probe_smi(
    found: tuple[Gpu, ...] = (),
    find: Callable[[], str | None] | None = None,
    run: Callable[[tuple[str, ...], float], str | None] = run_text,
) -> GpuFinding:
    """Asked only where NVML found nothing."""
    if any(gpu.vendor == "nvidia" for gpu in found):
        return GpuFinding.skipped("not_needed")
    tool = (find or find_tool)()
    if tool is None:
        return GpuFinding.skipped("nvidia_smi_missing")
    query = (tool, "--query-gpu=" + ",".join(FIELDS), "--format=csv,noheader,nounits")
    text = run(query, TIMEOUT_S)
    if text is None:
        return GpuFinding.failed("nvidia_smi_failed", "install_nvidia_driver")
    cuda = parse_cuda_version(run((tool,), TIMEOUT_S) or "")
    gpus = parse_smi(text, cuda)
    return GpuFinding(gpus) if gpus else GpuFinding.skipped("nvidia_no_devices")


def find_tool() -> str | None:
    """nvidia-smi's path: on PATH, else where WSL and Windows keep it."""
    found = shutil.which("nvidia-smi")
    if found:
        return found
    places = [Path("/usr/lib/wsl/lib/nvidia-smi")]
    if os.name == "nt":
        places = [Path(os.environ.get("WINDIR", r"C:\Windows")) / "System32" / "nvidia-smi.exe"]
    return next((str(place) for place in places if place.is_file()), None)


def parse_smi(text: str, cuda: str | None = None) -> tuple[Gpu, ...]:
    """``--query-gpu=`` FIELDS as CSV without units (memory in MiB); "[N/A]" and the like are unknown."""
    gpus: list[Gpu] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        # A name may hold a comma: what is too much belongs to it.
        if len(cells) < len(FIELDS) or not cells[0].isdecimal():
            continue
        extra = len(cells) - len(FIELDS)
        cells[1 : 2 + extra] = [", ".join(cells[1 : 2 + extra])]
        values = dict(zip(FIELDS, cells, strict=True))
        total, free = _mib(values["memory.total"]), _mib(values["memory.free"])
        temperature = _number(values["temperature.gpu"])
        gpus.append(
            Gpu(
                int(values["index"]),
                "nvidia",
                name=_known(values["name"]),
                memory_total_bytes=total or None,
                memory_free_bytes=free if total else None,
                compute_capability=parse_capability(values["compute_cap"]),
                driver_version=_known(values["driver_version"]),
                cuda_version=cuda,
                power_limit_w=_number(values["enforced.power.limit"]) or None,
                temperature_c=None if temperature is None else int(temperature),
                display_attached={"enabled": True, "disabled": False}.get(values["display_active"].lower()),
            )
        )
    return tuple(gpus)


def parse_capability(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def parse_cuda_version(text: str) -> str | None:
    """From the head of nvidia-smi's table: ``CUDA Version: 12.6`` (newer ones: ``CUDA UMD Version``)."""
    match = re.search(r"CUDA(?: UMD)? Version\s*:\s*(\d+\.\d+)", text)
    return match[1] if match else None


def _known(text: str) -> str | None:
    return None if not text or text.startswith("[") or text.upper() in ("N/A", "ERR!") else text


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _mib(text: str) -> int | None:
    number = _number(text)
    return None if number is None else int(number * MIB)
