"""The GPU probes, the best source first. Each one sees what those before it found.

One module per vendor and source: ``nvidia`` and ``nvidia_smi``. AMD, Intel and Apple have none yet; ``adapters`` names
their cards, whose memory stays unknown (Apple's is the system's). Theirs belong before ``adapters`` in GPU_PROBES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.machine import Gpu
from .adapters import probe_adapters
from .nvidia import probe_nvml
from .nvidia_smi import probe_smi
from .outcome import GpuFinding


@dataclass(frozen=True)
class GpuProbe:
    """``run`` gets the GPUs found so far and returns those it adds, or why there are none."""

    name: str
    run: Callable[[tuple[Gpu, ...]], GpuFinding]
    timeout_s: float


# NVML needs seconds on servers whose driver is loaded only for the asking.
GPU_PROBES = (
    GpuProbe("gpus.nvml", probe_nvml, 20.0),
    GpuProbe("gpus.nvidia-smi", probe_smi, 25.0),
    GpuProbe("gpus.adapters", probe_adapters, 5.0),
)
