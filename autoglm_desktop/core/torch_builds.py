"""Whether an installed torch can use a card: its build's CUDA against driver and compute capability. Pure.

Minimums: docs/numbers.md, section 7. What the version does not tell is not judged.
"""

from __future__ import annotations

import re

from .limits import BLACKWELL, DRIVER_CUDA12, DRIVER_CUDA13, version
from .machine import Gpu

FIRST_BLACKWELL_CUDA = (12, 8)
TURING = (7, 5)
VOLTA = (7, 0)
LAST_OLD_TORCH = (2, 14)
"""From torch 2.15 on there is CUDA 13 alone, without Maxwell, Pascal and Volta."""
CU128_WITHOUT_PASCAL, CU128_WITHOUT_VOLTA = (2, 8), (2, 11)


def cuda_of(torch: str) -> tuple[int, ...] | None:
    """``2.14.0+cu126`` → (12, 6); None where the version names no CUDA."""
    match = re.search(r"\+cu(\d+)(\d)$", torch)
    return (int(match[1]), int(match[2])) if match else None


def is_cpu_build(torch: str, system: str | None) -> bool:
    """A ``+cpu`` build; on Windows also one without a tag, which is what the package index has."""
    return "+cpu" in torch or (system == "Windows" and "+" not in torch)


def hindrance(torch: str, gpu: Gpu, system: str | None) -> str | None:
    """The code of what keeps this torch from an NVIDIA card; None where nothing is known to.
    ``system``: whose driver it is."""
    if is_cpu_build(torch, system):
        return "torch_cpu_only"
    cuda, capability, release = cuda_of(torch), gpu.compute_capability, (version(torch) or ())[:2]
    if capability is not None and _left_behind(release, cuda, capability):
        return "torch_too_new_for_card"
    if cuda is None:
        return None
    if capability is not None and capability >= BLACKWELL and cuda < FIRST_BLACKWELL_CUDA:
        return "torch_too_old_for_card"
    driver = version(gpu.driver_version)
    least = DRIVER_CUDA13 if cuda >= (13,) else DRIVER_CUDA12.get(system or "", DRIVER_CUDA12["Linux"])
    return "torch_driver_old" if cuda >= (12,) and driver is not None and driver < least else None


def _left_behind(release: tuple[int, ...], cuda: tuple[int, ...] | None, capability: tuple[int, int]) -> bool:
    """Whether the card's generation was dropped from this release, or from its build for this CUDA."""
    if capability >= TURING:
        return False
    if release > LAST_OLD_TORCH or (cuda is not None and cuda >= (13,)):
        return True
    if cuda == FIRST_BLACKWELL_CUDA:
        return release >= (CU128_WITHOUT_VOLTA if capability >= VOLTA else CU128_WITHOUT_PASCAL)
    return False
