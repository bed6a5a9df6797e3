"""Caches and NUMA nodes of a processor as Linux's /sys tells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .files import parse_cpu_list, read_int, read_text

LARGEST = 1 << 34
"""Bytes beyond every cache."""
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Caches:
    """Bytes. ``l1_data``: of one core, the largest; the others: all of a level together."""

    l1_data: int | None = None
    l2: int | None = None
    l3: int | None = None


def probe_caches(folder: Path, cpus: frozenset[int]) -> Caches:
    """The caches of these CPUs under ``/sys/devices/system/cpu``; each shared one counts once."""
    sizes: dict[int, dict[frozenset[int], int]] = {}
    broken: set[int] = set()
    for cpu in sorted(cpus):
        for index in sorted((folder / f"cpu{cpu}" / "cache").glob("index*")):
            level = read_int(index / "level")
            if level is None or (read_text(index / "type", 32) or "").strip() == "Instruction":
                continue
            shared = parse_cpu_list(read_text(index / "shared_cpu_list"))
            size = parse_size(read_text(index / "size", 32))
            if cpu not in shared or size is None:
                broken.add(level)
            else:
                sizes.setdefault(level, {})[shared] = size
    first = sizes.get(1, {}).values()
    return Caches(
        max(first) if first and 1 not in broken else None,
        *(sum(sizes[level].values()) if level in sizes and level not in broken else None for level in (2, 3)),
    )


def parse_size(text: str | None) -> int | None:
    """``32768K`` in bytes; None for anything else and for what no cache has."""
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", (text or "").strip())
    size = int(match[1]) * UNITS[match[2]] if match else 0
    return size if 0 < size < LARGEST else None


def numa_nodes(root: Path, cpus: frozenset[int]) -> int | None:
    """How many NUMA nodes these CPUs lie in; None where /sys does not say."""
    folder = root / "sys/devices/system/node"
    online = parse_cpu_list(read_text(folder / "online"))
    lists = [parse_cpu_list(read_text(folder / f"node{node}" / "cpulist")) for node in online]
    return sum(bool(found & cpus) for found in lists) or None
