"""resources/gpus.toml: published figures by GPU name, for cards that won't tell, other vendors, ``--machine`` files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ..core.card_names import split_name as split_name
from ..core.card_values import Architecture, Card, SpeedSource
from ..core.cards import Cards
from ..core.machine import Gpu, Machine
from ..core.tables import row, rows
from ..core.units import GB

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VENDORS = frozenset(("nvidia", "amd", "intel", "apple"))
MAX_BYTES = 4 << 20

Row = Card
GpuTable = Cards


def load_table(path: Path) -> Cards:
    """Raises OSError, ValueError."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name}: too large")
    return parse_table(path.read_text("utf-8"))


def parse_table(text: str) -> Cards:
    """The text of gpus.toml. Raises ValueError (or its TOMLDecodeError) when it isn't as it should be."""
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("gpus.toml: nested too deep") from error
    unknown = set(data) - {"gpu", "architecture", "source"}
    if unknown:
        raise ValueError(f"gpus.toml: unknown tables {sorted(unknown)}")
    table = Cards(
        tuple(row(Card, item, f"gpus.toml: gpu {n}") for n, item in enumerate(rows(data, "gpu"), 1)),
        tuple(
            row(Architecture, item, f"gpus.toml: architecture {n}")
            for n, item in enumerate(rows(data, "architecture"), 1)
        ),
        tuple(
            row(SpeedSource, item, f"gpus.toml: source {n}") for n, item in enumerate(rows(data, "source"), 1)
        ),
    )
    _check(table)
    return table


def _check(table: Cards) -> None:
    """Raises ValueError for names that nothing has."""
    names = {item.name for item in table.architectures}
    if len(names) < len(table.architectures):
        raise ValueError("gpus.toml: two architectures of one name")
    sources = {item.id for item in table.sources}
    for card in table.rows:
        title = card.names[0] if card.names else "?"
        if not card.names or not all(split_name(name)[0] for name in card.names):
            raise ValueError(f"gpus.toml: {title}: a name without a model")
        if card.vendor not in VENDORS:
            raise ValueError(f"gpus.toml: {title}: unknown vendor {card.vendor!r}")
        if not card.source:
            raise ValueError(f"gpus.toml: {title}: no source")
        if card.bandwidth_gb_s is None and not card.integrated:
            raise ValueError(f"gpus.toml: {title}: no bandwidth_gb_s")
        if card.architecture is not None and card.architecture not in names:
            raise ValueError(f"gpus.toml: {title}: unknown architecture {card.architecture!r}")
        if card.speed_source is not None and card.speed_source not in sources:
            raise ValueError(f"gpus.toml: {title}: unknown speed_source {card.speed_source!r}")


def complete(machine: Machine, table: Cards) -> Machine:
    """A machine (say from a ``--machine`` file) with the table's bandwidths where its GPUs have none."""
    return replace(machine, gpus=tuple(with_bandwidth(gpu, table) for gpu in machine.gpus))


def with_bandwidth(gpu: Gpu, table: Cards) -> Gpu:
    """The GPU with its bandwidth from the table, where it has none of its own."""
    if gpu.memory_bandwidth_bytes_per_s is not None:
        return gpu
    found = table.find(gpu.name, gpu.memory_total_bytes, gpu.vendor)
    if found is None or found.bandwidth_gb_s is None:
        return gpu
    return replace(gpu, memory_bandwidth_bytes_per_s=int(found.bandwidth_gb_s * GB))
