"""The processor: name, cores this process may use, caches, and the instruction sets that matter to inference."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from ..core.machine import Cpu
from . import cpu_linux, cpu_macos, cpu_windows

# fmt: off
FEATURES = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni",
    "amx_tile", "amx_int8", "amx_bf16", "neon", "dotprod", "i8mm", "sve",
)
# fmt: on
# How Linux (arm64) and macOS name the same thing.
ALIASES = {
    "asimd": "neon",
    "advsimd": "neon",
    "asimddp": "dotprod",
    "feat_dotprod": "dotprod",
    "feat_i8mm": "i8mm",
    "avx1.0": "avx",
    "avx512vnni": "avx512_vnni",
}


def probe_cpu() -> Cpu:
    """Inside a container or with an affinity set, the cores are those that this process may use."""
    if sys.platform == "win32":
        raw = cpu_windows.probe()
    elif sys.platform == "darwin":
        raw = cpu_macos.probe()
    else:
        raw = cpu_linux.probe()
    return finish(raw)


def finish(raw: Cpu) -> Cpu:
    """Features under their common names in a fixed order; counts that cannot be are unknown."""
    logical = _positive(raw.logical_cores)
    physical = _at_most(_positive(raw.physical_cores), logical)
    performance = _at_most(_positive(raw.performance_cores), physical)
    return replace(
        raw,
        name=" ".join(raw.name.split()) or None if raw.name else None,
        physical_cores=physical,
        performance_cores=performance or physical,
        logical_cores=logical,
        features=normalise_features(raw.features),
        l1_data_bytes=_positive(raw.l1_data_bytes),
        l2_bytes=_positive(raw.l2_bytes),
        l3_bytes=_positive(raw.l3_bytes),
        numa_nodes=_positive(raw.numa_nodes),
    )


def normalise_features(flags: Iterable[str]) -> tuple[str, ...]:
    """Those of FEATURES that are among a system's own flags, in FEATURES' order."""
    lower = {flag.lower() for flag in flags}
    present = {ALIASES.get(flag, flag) for flag in lower}
    return tuple(name for name in FEATURES if name in present)


def _positive(count: int | None) -> int | None:
    return count if count is not None and count > 0 else None


def _at_most(count: int | None, limit: int | None) -> int | None:
    return count if count is None or limit is None else min(count, limit)
