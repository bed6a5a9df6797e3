"""Published memory bandwidths by GPU name: for cards that won't tell, other vendors, ``--machine`` files."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.machine import Gpu, Machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GB = 1_000_000_000
GIB = 1 << 30
# Vendors' decorations, which don't tell one model from another.
# fmt: off
NOISE = frozenset((
    "nvidia", "geforce", "amd", "radeon", "intel", "apple", "gpu", "graphics", "generation", "tm", "r",
    "with", "design",
))
# fmt: on
LAPTOP = frozenset(("laptop", "mobile", "notebook"))


@dataclass(frozen=True)
class Row:
    names: tuple[str, ...]
    vendor: str
    bandwidth_gb_s: float
    source: str
    memory_gib: int | None = None  # only where cards of one name differ by it
    laptop: bool = False
    verified: bool = True  # False: from memory, not from a published table


@dataclass(frozen=True)
class GpuTable:
    rows: tuple[Row, ...] = ()

    def find(
        self, name: str | None, memory_bytes: int | None = None, vendor: str | None = None
    ) -> Row | None:
        """The row of exactly this model; None where the name or its memory size leaves it open."""
        words, laptop, size = split_name(name or "")
        if memory_bytes is not None:
            size = round(memory_bytes / GIB)
        rows = [
            row
            for row in self.rows
            if row.laptop == laptop
            and vendor in (None, row.vendor)
            and any(split_name(known)[0] == words for known in row.names)
        ]
        # A driver keeps some of the memory: "8 GB" may show as 7.6 GiB.
        fitting = [row for row in rows if row.memory_gib is None or size is None or row.memory_gib == size]
        if len({row.bandwidth_gb_s for row in fitting}) != 1:
            return None
        return fitting[0]


def load_table(path: Path) -> GpuTable:
    return parse_table(path.read_text("utf-8"))


def parse_table(text: str) -> GpuTable:
    """The text of gpus.toml. Raises ValueError (or its TOMLDecodeError) when it isn't as it should be."""
    return GpuTable(tuple(_row(item) for item in tomllib.loads(text).get("gpu", [])))


def _row(item: dict[str, Any]) -> Row:
    unknown = set(item) - set(Row.__dataclass_fields__)
    if unknown:
        raise ValueError(f"gpus.toml: unknown keys {sorted(unknown)}")
    missing = {"names", "vendor", "bandwidth_gb_s", "source"} - set(item)
    if missing:
        raise ValueError(f"gpus.toml: missing keys {sorted(missing)}")
    return Row(**{**item, "names": tuple(item["names"])})


def split_name(name: str) -> tuple[frozenset[str], bool, int | None]:
    """(words that name the model, whether a laptop's, gigabytes in the name) of a GPU's full name.

    "NVIDIA GeForce RTX 4060 Laptop GPU" → ({"rtx", "4060"}, True, None).
    """
    text = name.lower().replace("max-q", "laptop")
    size = re.search(r"\b(\d+)\s*gi?b\b", text)
    text = re.sub(r"\b\d+\s*gi?b\b", " ", text)
    text = re.sub(r"(\d)(ti|super|xt|xtx)\b", r"\1 \2", text)
    words = frozenset(re.findall(r"[a-z0-9]+", text))
    return words - NOISE - LAPTOP, bool(words & LAPTOP), int(size[1]) if size else None


def complete(machine: Machine, table: GpuTable) -> Machine:
    """A machine (say from a ``--machine`` file) with the table's bandwidths where its GPUs have none."""
    return replace(machine, gpus=tuple(with_bandwidth(gpu, table) for gpu in machine.gpus))


def with_bandwidth(gpu: Gpu, table: GpuTable) -> Gpu:
    """The GPU with its bandwidth from the table, where it has none of its own."""
    if gpu.memory_bandwidth_bytes_per_s is not None:
        return gpu
    row = table.find(gpu.name, gpu.memory_total_bytes, gpu.vendor)
    return gpu if row is None else replace(gpu, memory_bandwidth_bytes_per_s=int(row.bandwidth_gb_s * GB))
