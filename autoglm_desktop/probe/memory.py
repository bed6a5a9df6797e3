"""RAM and swap, in bytes, limited by control groups; the kind of its modules."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import psutil

from ..core.machine import Memory
from . import cgroup, ram_modules_linux, ram_modules_macos, ram_modules_windows
from .files import parse_int, read_text, whole_lines
from .programs import probe_programs
from .ram_modules import Ram


def probe_memory() -> Memory:
    """This machine's, with the programs that hold the most of it."""
    return replace(_memory(), programs=probe_programs())


def _memory() -> Memory:
    if sys.platform == "linux":
        return linux(Path("/"))
    modules = ram_modules_windows.probe() if sys.platform == "win32" else ram_modules_macos.probe()
    ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    return with_modules(Memory(ram.total, ram.available, swap.total, swap.used), modules)


def linux(root: Path) -> Memory:
    """Memory of a Linux machine whose /proc and /sys are under ``root``."""
    host = parse_meminfo(read_text(root / "proc/meminfo") or "")
    return with_modules(limited(host, cgroup.memory_limit(root)), ram_modules_linux.probe(root))


def with_modules(memory: Memory, ram: Ram) -> Memory:
    return replace(memory, kind=ram.kind, speed_mt_s=ram.speed_mt_s, channels=ram.channels)


def parse_meminfo(text: str) -> Memory:
    """/proc/meminfo, whose "kB" are KiB."""
    values: dict[str, int] = {}
    for line in whole_lines(text):
        name, colon, rest = line.partition(":")
        words = rest.split()
        number = parse_int(words[0]) if colon and words else None
        if number is not None and number >= 0:
            values[name.strip()] = number * 1024
    total = values.get("MemTotal") or None
    swap, swap_free = values.get("SwapTotal"), values.get("SwapFree")
    used = max(0, swap - swap_free) if swap is not None and swap_free is not None else None
    return Memory(total, values.get("MemAvailable"), swap, used)


def limited(host: Memory, limit: cgroup.MemoryLimit) -> Memory:
    """The host's memory cut to the group's: the lower of both counts, and nothing exceeds its total."""
    total = _lower(host.total_bytes, limit.total_bytes)
    available = _lower(_lower(host.available_bytes, limit.available_bytes), total)
    swap = _lower(host.swap_total_bytes, limit.swap_total_bytes)
    own_swap = limit.swap_total_bytes is not None and limit.swap_used_bytes is not None
    used = limit.swap_used_bytes if own_swap else host.swap_used_bytes
    lower = limit.total_bytes is not None and (
        host.total_bytes is None or limit.total_bytes < host.total_bytes
    )
    return Memory(
        total, available, swap, _lower(used, swap), limit_bytes=limit.total_bytes if lower else None
    )


def _lower(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else min(first, second)
