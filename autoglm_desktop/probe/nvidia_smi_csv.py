"""What ``nvidia-smi --format=csv,nounits`` prints, as cards. Pure.

The first line names the columns. Cells are kept apart by a comma and a space: a comma alone is a decimal comma.
"""

from __future__ import annotations

import re

from ..core.gpu_states import shares_memory, throttle_codes
from ..core.machine import Gpu
from ..core.units import MIB

Row = dict[str, "str | None"]
FIRST = ("index", "gpu_bus_id")
"""How the line of the columns begins."""
UNKNOWN = frozenset((
    "N/A", "ERR!", "NOT SUPPORTED", "NOT AVAILABLE", "UNKNOWN ERROR", "INSUFFICIENT PERMISSIONS", "GPU IS LOST",
    "REQUESTED FUNCTIONALITY HAS BEEN DEPRECATED",
))  # fmt: skip


def rows(text: str) -> list[Row]:
    """The lines below the columns' names, by name. Of a line that was cut off, its last cell is not known either."""
    lines = text.replace("\r\n", "\n").split("\n")
    start = next((n for n, line in enumerate(lines) if _columns(line)[0] in FIRST and ", " in line), None)
    if start is None:
        return []
    names = _columns(lines[start])
    found: list[Row] = []
    for number, line in enumerate(lines[start + 1 :], start + 1):
        cells: list[str | None] = [cell.strip() for cell in line.split(", ", len(names) - 1)]
        if len(cells) < 2:
            continue
        if len(cells) < len(names) or number == len(lines) - 1:
            cells[-1] = None
        found.append(dict(zip(names, cells, strict=False)))
    return found


def _columns(line: str) -> list[str]:
    """``memory.total [MiB]`` is ``memory.total``."""
    return [cell.strip().partition(" [")[0] for cell in line.split(", ")]


def parse_smi(text: str, cuda: str | None = None) -> tuple[Gpu, ...]:
    """The cards of ``--query-gpu`` with whatever fields it was given; "[N/A]" and the like are unknown."""
    found = (row for row in rows(text) if re.fullmatch(r"[0-9]{1,3}", row.get("index") or ""))
    return tuple(_gpu(row, cuda) for row in found)


def _gpu(row: Row, cuda: str | None) -> Gpu:
    total, free = mib(row.get("memory.total")) or None, mib(row.get("memory.free"))
    temperature, busy = number(row.get("temperature.gpu")), number(row.get("utilization.gpu"))
    found = capability(row.get("compute_cap"))
    return Gpu(
        int(row["index"] or 0),
        "nvidia",
        name=known(row.get("name")),
        memory_total_bytes=total,
        memory_free_bytes=min(free, total) if total is not None and free is not None else None,
        compute_capability=found,
        driver_version=known(row.get("driver_version")),
        cuda_version=cuda,
        power_limit_w=number(row.get("enforced.power.limit")) or None,
        temperature_c=None if temperature is None else int(temperature),
        display_attached={"enabled": True, "disabled": False}.get((row.get("display_active") or "").lower()),
        memory_reserved_bytes=mib(row.get("memory.reserved")) if total is not None else None,
        memory_clock_mhz=_whole(row.get("clocks.max.memory")),
        core_clock_mhz=_whole(row.get("clocks.max.sm")),
        pcie_generation=_whole(row.get("pcie.link.gen.current")),
        pcie_generation_max=_whole(row.get("pcie.link.gen.max")),
        pcie_width=_whole(row.get("pcie.link.width.current")),
        pcie_width_max=_whole(row.get("pcie.link.width.max")),
        power_draw_w=number(row.get("power.draw")) or None,
        throttle_reasons=throttle_codes(_bits(row)),
        utilisation_percent=int(busy) if busy is not None and busy <= 100 else None,
        integrated=shares_memory(found),
    )


def _bits(row: Row) -> int | None:
    """``0x0000000000000004``, by its new or its old name."""
    text = row.get("clocks_event_reasons.active") or row.get("clocks_throttle_reasons.active") or ""
    return int(text, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text) else None


def capability(text: str | None) -> tuple[int, int] | None:
    match = re.fullmatch(r"([0-9]{1,3})[.,]([0-9]{1,2})", text or "")
    return (int(match[1]), int(match[2])) if match else None


def known(text: str | None) -> str | None:
    """None for what the tool writes where it has no value, with or without brackets."""
    plain = (text or "").strip()
    return None if not plain or plain.startswith("[") or plain.upper() in UNKNOWN else plain


def number(text: str | None) -> float | None:
    """``35.50``, also with a decimal comma; None for anything else."""
    plain = (text or "").strip()
    return float(plain.replace(",", ".")) if re.fullmatch(r"[0-9]{1,12}([.,][0-9]{1,6})?", plain) else None


def mib(text: str | None) -> int | None:
    found = number(text)
    return None if found is None else int(found * MIB)


def _whole(text: str | None) -> int | None:
    found = number(text)
    return int(found) or None if found is not None else None
