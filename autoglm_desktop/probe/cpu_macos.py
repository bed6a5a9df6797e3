"""The processor as macOS' ``sysctl`` tells it."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.machine import Cpu
from .files import parse_int, run_text, whole_lines

COMMAND = ("/usr/sbin/sysctl", "hw", "machdep.cpu")
TIMEOUT_S = 3.0
MOST_LEVELS = 8


def probe() -> Cpu:
    return parse_sysctl(run_text(COMMAND, TIMEOUT_S) or "")


def parse_sysctl(text: str) -> Cpu:
    """``sysctl hw machdep.cpu``. Performance cores are level 0 on Apple silicon; Intel Macs have one kind."""
    values: dict[str, str] = {}
    for line in whole_lines(text):
        name, colon, value = line.partition(":")
        if colon:
            values[name.strip()] = value.strip()

    def number(name: str) -> int | None:
        return parse_int(values.get(name))

    flags: list[str] = []
    for name in ("machdep.cpu.features", "machdep.cpu.leaf7_features"):
        flags += values.get(name, "").split()
    flags += [
        name.removeprefix("hw.optional.").removeprefix("arm.")
        for name, value in values.items()
        if name.startswith("hw.optional.") and value == "1"
    ]
    brand, performance = values.get("machdep.cpu.brand_string"), number("hw.perflevel0.physicalcpu")
    # The name comes last: where it is missing, so may be that there are two kinds of cores.
    physical = number("hw.physicalcpu") if brand is not None or performance is not None else None
    return Cpu(
        brand,
        physical,
        performance,
        parse_int(values.get("hw.logicalcpu")),
        tuple(name.removesuffix("_0") for name in flags),
        l1_data_bytes=number("hw.perflevel0.l1dcachesize") or number("hw.l1dcachesize"),
        l2_bytes=_l2(values),
        l3_bytes=_whole(number("hw.l3cachesize"), number("hw.packages") or 1),
    )


def _l2(values: Mapping[str, str]) -> int | None:
    """Of all clusters of an Apple processor, or of all groups of threads that share one on an Intel processor."""
    levels = parse_int(values.get("hw.nperflevels"))
    if levels is not None:
        parts = []
        for level in range(min(levels, MOST_LEVELS)):
            cores, each, size = (
                parse_int(values.get(f"hw.perflevel{level}.{name}"))
                for name in ("physicalcpu", "cpusperl2", "l2cachesize")
            )
            parts.append(_whole(size, -(-cores // each) if cores and each and each > 0 else None))
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(parts) else None
    # Threads that share memory, L1, L2, L3.
    sharing = [parse_int(word) for word in values.get("hw.cacheconfig", "").split()]
    threads, shared = parse_int(values.get("hw.logicalcpu")), sharing[2] if len(sharing) > 2 else None
    count = threads // shared if threads and shared and shared > 0 else None
    return _whole(parse_int(values.get("hw.l2cachesize")), count)


def _whole(size: int | None, count: int | None) -> int | None:
    return size * count if size is not None and count is not None else None
