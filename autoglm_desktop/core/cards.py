"""How much of its memory bandwidth a GPU turns into tokens, and how fast it reads a prompt.

From docs/numbers.md, section 6: Llama-2-7B Q4_0 ``tg128`` and ``pp512`` of llama.cpp's public
benchmark threads (discussions 15013, 10879, 4167), read second-hand. What is not in the tables falls back to
a default per architecture. None of it was measured by this project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .machine import Gpu

_DECODE: Mapping[str, float] = {
    "gtx 1060": 0.55, "gtx 1070 ti": 0.55, "rtx 2080 ti": 0.66, "rtx 3060": 0.79, "rtx 4060": 0.73,
    "rtx 4060 ti": 0.83, "rtx 3090": 0.63, "rtx 4090": 0.69, "rtx 5070": 0.71, "rtx 5070 ti": 0.74,
    "rtx a6000": 0.68, "a100": 0.37, "rx 7600": 0.76, "arc b580": 0.58,
    "m1": 0.75, "m2": 0.83, "m3": 0.80, "m4": 0.76, "m4 pro": 0.70, "m4 max": 0.57,
}  # fmt: skip
_PREFILL: Mapping[str, float] = {"rtx 3060": 2138, "rtx 4090": 11993, "m4": 221}

TURING = (7, 5)
NVIDIA_EFFICIENCY = 0.70
OLD_NVIDIA_EFFICIENCY = 0.55  # before Turing
HBM_EFFICIENCY = 0.37
HBM_BYTES_PER_S = 1_200_000_000_000  # cards beyond it are judged like the A100
AMD_EFFICIENCY = 0.70
INTEL_EFFICIENCY = 0.55
APPLE_EFFICIENCY = 0.75
APPLE_MAX_EFFICIENCY = 0.60
CPU_EFFICIENCY = 0.60
"""Of RAM bandwidth (0.6 to 0.7, the lower one)."""

_DECORATION = re.compile(r"\b(nvidia|geforce|amd|radeon|intel|apple|graphics|gpu|\(tm\)|\(r\)|\d+\s*gi?b)\b")


def short_name(name: str) -> str:
    """``NVIDIA GeForce RTX 4060`` → ``rtx 4060``; laptop parts keep the word and so match no desktop row."""
    text = _DECORATION.sub(" ", name.lower().replace("(r)", " ").replace("(tm)", " "))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text).split())


def decode_efficiency(gpu: Gpu) -> float:
    """The share of the memory bandwidth that decoding reaches."""
    name = short_name(gpu.name or "")
    if name in _DECODE:
        return _DECODE[name]
    if gpu.vendor == "amd":
        return AMD_EFFICIENCY
    if gpu.vendor == "intel":
        return INTEL_EFFICIENCY
    if gpu.vendor == "apple":
        return APPLE_MAX_EFFICIENCY if name.endswith((" max", " ultra")) else APPLE_EFFICIENCY
    if (gpu.memory_bandwidth_bytes_per_s or 0) > HBM_BYTES_PER_S:
        return HBM_EFFICIENCY
    old = name.startswith("gtx 10") if gpu.compute_capability is None else gpu.compute_capability < TURING
    return OLD_NVIDIA_EFFICIENCY if old else NVIDIA_EFFICIENCY


def llama2_prefill(gpu: Gpu) -> float | None:
    """Llama-2-7B Q4_0 ``pp512`` in tokens/s where a figure is public, else None."""
    return _PREFILL.get(short_name(gpu.name or ""))


LLAMA2_FLOP_PER_TOKEN = 2 * 6.476e9
"""Two for each weight in Llama-2-7B's 32 layers (4 x 4096 x 4096 + 3 x 4096 x 11008 each; a prefill computes the output
once): what turns a prefill figure into arithmetic per second."""
PREFILL_OF_FP32 = 2.0
"""Arithmetic of a prefill over a card's FP32 arithmetic."""


def arithmetic(gpu: Gpu) -> float | None:
    """FLOP/s that a prefill reaches: from the card's public figure, else from its cores and clock."""
    figure = llama2_prefill(gpu)
    if figure is not None:
        return figure * LLAMA2_FLOP_PER_TOKEN
    if gpu.cores and gpu.core_clock_mhz:
        return 2.0 * gpu.cores * gpu.core_clock_mhz * 1e6 * PREFILL_OF_FP32
    return None
