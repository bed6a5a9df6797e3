"""The processor as Linux's /proc and /sys tell it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.machine import Cpu
from . import cgroup
from .cpu_caches import numa_nodes, probe_caches
from .files import is_cpu, parse_cpu_list, read_int, read_text, whole_lines

# The first processors of /proc/cpuinfo say all that is wanted; on big machines the rest costs real time.
CPUINFO_BYTES = 16 * 1024
# A core counts as a performance core from this share of the biggest core's capacity (ARM big.LITTLE).
BIG_CORE_SHARE = 0.6
# (implementer, part) of arm64 processors, which have no "model name": MIDR_EL1, Arm's and vendors' manuals.
ARM_PARTS = {
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
}


def probe(root: Path = Path("/"), allowed: frozenset[int] | None = None) -> Cpu:
    """``allowed`` are the CPUs this process may run on; by default its affinity."""
    if allowed is None:
        allowed = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
    cpuinfo = read_text(root / "proc/cpuinfo", CPUINFO_BYTES) or ""
    folder = root / "sys/devices/system/cpu"
    cpus = parse_cpu_list(read_text(folder / "online")) or allowed
    cpus = (cpus & allowed) or cpus
    cores = physical_cores(folder, cpus) or parse_cores(read_text(root / "proc/cpuinfo") or "", cpus)
    quota = cgroup.cpu_quota(root)
    physical = within(len(cores), quota) if cores else None
    performance = within(len(big_cores(root, cores)), quota) if cores else None
    caches = probe_caches(folder, cpus)
    return Cpu(
        parse_name(cpuinfo) or _board(root),
        physical,
        performance,
        within(len(cpus), quota),
        parse_flags(cpuinfo),
        l1_data_bytes=caches.l1_data,
        l2_bytes=caches.l2,
        l3_bytes=caches.l3,
        numa_nodes=numa_nodes(root, cpus),
    )


def within(count: int, quota: float | None) -> int:
    """Whole cores within a quota of CPU time. Rounded down: threads above a quota stop each other."""
    return count if quota is None else max(1, min(count, int(quota)))


def parse_name(cpuinfo: str) -> str | None:
    """The processor's name; arm64 by its part number, None where that is not known."""
    values = _fields(cpuinfo)
    name = values.get("model name") or values.get("cpu model")
    if name and not name.isdecimal():
        return name
    try:
        part = (int(values.get("cpu implementer", ""), 16), int(values.get("cpu part", ""), 16))
    except ValueError:
        return None
    return ARM_PARTS.get(part)


def parse_flags(cpuinfo: str) -> tuple[str, ...]:
    values = _fields(cpuinfo)
    return tuple((values.get("flags") or values.get("features") or "").split())


def parse_cores(cpuinfo: str, cpus: frozenset[int]) -> list[frozenset[int]]:
    """Which CPUs share a core, from /proc/cpuinfo; empty where it says nothing about the cores of one of them."""
    cores: dict[tuple[str, str], set[int]] = {}
    for block in re.split(r"\n\s*\n", "\n".join(whole_lines(cpuinfo))):
        values = _fields(f"{block}\n")
        number, core = values.get("processor", ""), values.get("core id")
        if is_cpu(number) and core is not None and int(number) in cpus:
            cores.setdefault((values.get("physical id", "0"), core), set()).add(int(number))
    told = {cpu for core in cores.values() for cpu in core}
    return [frozenset(core) for core in cores.values()] if told == cpus else []


def physical_cores(folder: Path, cpus: Iterable[int]) -> list[frozenset[int]]:
    """Which of these CPUs share a core, from /sys; empty where /sys doesn't say."""
    cores: set[frozenset[int]] = set()
    for cpu in cpus:
        topology = folder / f"cpu{cpu}" / "topology"
        text = read_text(topology / "core_cpus_list") or read_text(topology / "thread_siblings_list")
        siblings = parse_cpu_list(text)
        if cpu not in siblings:
            return []
        cores.add(siblings)
    return sorted(cores, key=min)


def big_cores(root: Path, cores: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """The performance cores among these: Intel's by PMU, others by capacity; all where alike."""
    fast = parse_cpu_list(read_text(root / "sys/devices/cpu_core/cpus"))
    if fast:
        return [core for core in cores if core & fast] or list(cores)
    folder = root / "sys/devices/system/cpu"
    capacities = [read_int(folder / f"cpu{min(core)}" / "cpu_capacity") or 0 for core in cores]
    least = max(capacities, default=0) * BIG_CORE_SHARE
    return [core for core, capacity in zip(cores, capacities, strict=True) if capacity >= least]


def _fields(text: str) -> dict[str, str]:
    """The first value of each ``name : value`` line, names in lower case."""
    values: dict[str, str] = {}
    for line in whole_lines(text):
        name, colon, value = line.partition(":")
        if colon:
            values.setdefault(name.strip().lower(), value.strip())
    return values


def _board(root: Path) -> str | None:
    """The board's name where there is no processor's (Raspberry Pi and the like)."""
    text = read_text(root / "sys/firmware/devicetree/base/model", 256)
    return text.strip("\0 \n") or None if text else None
