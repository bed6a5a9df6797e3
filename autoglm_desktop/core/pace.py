"""How fast the processor and a graphics card work on one variant: measured here, or estimated. Pure.

Bytes/s, FLOP/s, seconds; unknown is None. Estimates: docs/numbers.md, section 6. Three sources, the best first: cuts of
this very variant were measured on this device; cuts of another variant or model were, and their bytes/s and FLOP/s are
taken over; public figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .cards import CPU_EFFICIENCY, Cards
from .machine import Cpu, Gpu, Machine
from .measured import LayerSpeed, Measurements
from .ram import ram_bandwidth
from .subject import GgufWeights, TextShape

NO_TABLE = Cards()

PCIE_LANE_BYTES_PER_S = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Of one lane and direction, by generation (PCI Express base specifications, after line coding)."""
PCIE_EFFICIENCY = 0.8
PCIE_WHERE_UNKNOWN = 12e9
"""Where the card won't tell its link: what 16 lanes of generation 3, or 8 of generation 4, reach (an assumption)."""

CORE_FLOP_PER_S = {"amx_int8": 150e9, "avx512f": 120e9, "avx2": 60e9, "neon": 40e9}
"""What a performance core reaches in a prefill (assumptions; a desktop processor with 6 to 8 cores then takes the 63 to
180 s for the 50 TFLOP of a screenshot that section 6 tells)."""
CORE_FLOP_WHERE_UNKNOWN = 15e9
THEORETICAL_SHARE = 0.8
"""Of a RAM's theoretical bandwidth, what reading reaches (an assumption)."""


SAFE_SHARE = 0.92
"""Of the decoding speed that is left without the CPU kernels' own weight layout (section 9: 8 % slower)."""


@dataclass(frozen=True)
class Pace:
    """``read``: bytes/s of weights while decoding; ``arithmetic``: FLOP/s of a prefill and of vision; ``layer``: the
    cuts of this very variant; ``link``: bytes/s of a card's connection; ``measured``: not taken from public figures."""

    read: float | None = None
    arithmetic: float | None = None
    layer: LayerSpeed | None = None
    link: float | None = None
    measured: bool = False


def of_cpu(
    machine: Machine,
    shape: TextShape,
    weights: GgufWeights,
    known: Measurements | None,
    *,
    safe: bool = False,
) -> Pace:
    """The processor's pace; ``safe``: without the CPU kernels' own weight layout."""
    device = "cpu-safe" if safe else "cpu"
    found = _measured(known, device, shape, weights)
    if found is not None:
        return found
    cpu = machine.cpu
    bandwidth = cpu.memory_bandwidth_bytes_per_s or module_bandwidth(machine)
    read = bandwidth * CPU_EFFICIENCY * (SAFE_SHARE if safe else 1.0) if bandwidth else None
    return Pace(read=read, arithmetic=cpu_arithmetic(cpu))


def of_gpu(
    gpu: Gpu | None,
    shape: TextShape,
    weights: GgufWeights,
    known: Measurements | None,
    table: Cards = NO_TABLE,
) -> Pace:
    """A card's pace; nothing is known of none."""
    if gpu is None:
        return Pace()
    link = pcie(gpu)
    found = _measured(known, f"gpu:{gpu.index}", shape, weights)
    if found is not None:
        return Pace(found.read, found.arithmetic, found.layer, link, measured=True)
    bandwidth = gpu.memory_bandwidth_bytes_per_s
    read = bandwidth * table.decode_efficiency(gpu) if bandwidth else None
    return Pace(read=read, arithmetic=table.arithmetic(gpu), link=link)


def module_bandwidth(machine: Machine) -> float | None:
    """What the modules' speed and channels promise, times the share that reading reaches."""
    peak = ram_bandwidth(machine.memory.speed_mt_s, machine.memory.channels)
    return peak * THEORETICAL_SHARE if peak is not None else None


def cpu_arithmetic(cpu: Cpu) -> float | None:
    """FLOP/s of all performance cores by their widest instruction set; None where the cores are unknown."""
    cores = cpu.performance_cores or cpu.physical_cores
    if not cores:
        return None
    each = next(
        (flop for name, flop in CORE_FLOP_PER_S.items() if name in cpu.features), CORE_FLOP_WHERE_UNKNOWN
    )
    return cores * each


def pcie(gpu: Gpu) -> float | None:
    """Bytes/s to a card by the best link it can have (an idle card lowers it); infinite where memory is shared."""
    if gpu.vendor == "apple" or gpu.integrated:
        return math.inf
    generation = gpu.pcie_generation_max or gpu.pcie_generation
    lanes = gpu.pcie_width or gpu.pcie_width_max
    lane = PCIE_LANE_BYTES_PER_S.get(generation or 0)
    return lane * lanes * PCIE_EFFICIENCY if lane and lanes else PCIE_WHERE_UNKNOWN


def _measured(known: Measurements | None, device: str, shape: TextShape, weights: GgufWeights) -> Pace | None:
    """From cuts of this variant, else of the nearest in size of the same model, else of any model."""
    found = [one for one in known.layers if one.device == device] if known is not None else []
    layers = [
        one
        for one in found
        if (one.layer_bytes and one.layer_parameters)
        or (one.shape, one.variant) == (shape.key, weights.variant)
    ]
    if not layers:
        return None
    exact = next((one for one in layers if (one.shape, one.variant) == (shape.key, weights.variant)), None)
    same = [one for one in layers if one.shape == shape.key and one.layer_bytes]
    mean = sum(weights.table.layers) / max(len(weights.table.layers), 1)
    near = exact or min(same or layers, key=lambda one: abs(one.layer_bytes - mean))
    read = near.layer_bytes / near.decode_layer_s if near.layer_bytes else None
    flop = 2 * near.layer_parameters / near.prefill_layer_s if near.layer_parameters else None
    return Pace(read=read, arithmetic=flop, layer=exact, measured=True)
