"""The processor as Windows tells it: registry, logical processor information, feature numbers."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psutil

from ..core.machine import Cpu

# winnt.h, LOGICAL_PROCESSOR_RELATIONSHIP and PROCESSOR_CACHE_TYPE.
RELATION_PROCESSOR_CORE, RELATION_NUMA_NODE, RELATION_CACHE, RELATION_ALL = 0, 1, 2, 0xFFFF
INSTRUCTION_CACHE = 1
# winnt.h, PF_*: what Windows can tell. What it has no number for stays unknown.
FEATURE_NUMBERS_X86 = {"avx": 39, "avx2": 40, "avx512f": 41}
FEATURE_NUMBERS_ARM = {"neon": 19, "dotprod": 43, "sve": 46, "i8mm": 66}


@dataclass(frozen=True)
class Core:
    efficiency_class: int  # higher = faster; equal on processors with one kind of core
    logical: int


@dataclass(frozen=True)
class Cache:
    level: int
    size: int
    kind: int  # PROCESSOR_CACHE_TYPE


def probe() -> Cpu:
    buffer = _processor_information()
    cores = parse_processor_information(buffer)
    logical = sum(core.logical for core in cores) or psutil.cpu_count()
    allowed = _affinity()
    arm = platform.machine().lower() in ("arm64", "aarch64")
    numbers = FEATURE_NUMBERS_ARM if arm else FEATURE_NUMBERS_X86
    found = from_parts(_registry_name(), cores, logical, allowed, present(numbers, _feature_present))
    return with_caches(found, parse_caches(buffer), parse_numa_nodes(buffer))


def with_caches(cpu: Cpu, caches: Sequence[Cache], nodes: int) -> Cpu:
    """L1 of one core (the largest), L2 and L3 all together; none told is unknown."""
    sizes = {
        level: [cache.size for cache in caches if cache.level == level and cache.kind != INSTRUCTION_CACHE]
        for level in (1, 2, 3)
    }
    return replace(
        cpu,
        l1_data_bytes=max(sizes[1], default=0) or None,
        l2_bytes=sum(sizes[2]) or None,
        l3_bytes=sum(sizes[3]) or None,
        numa_nodes=nodes or None,
    )


def from_parts(
    name: str | None,
    cores: Sequence[Core],
    logical: int | None,
    allowed: int | None,
    features: tuple[str, ...],
) -> Cpu:
    """``allowed`` is the size of the process's affinity, which speaks of one group (at most 64)."""
    if allowed and logical and logical <= 64:
        logical = min(allowed, logical)
    best = max((core.efficiency_class for core in cores), default=0)
    fast = sum(core.efficiency_class == best for core in cores)
    return Cpu(name, len(cores) or None, fast or None, logical, features)


def parse_processor_information(buffer: bytes, pointer_size: int = 8) -> list[Core]:
    """The cores in a buffer of GetLogicalProcessorInformationEx."""
    cores: list[Core] = []
    affinity = pointer_size + 8
    for relation, offset, end in _entries(buffer):
        if relation == RELATION_PROCESSOR_CORE:
            efficiency = buffer[offset + 9]
            (groups,) = struct.unpack_from("<H", buffer, offset + 30)
            starts = [offset + 32 + index * affinity for index in range(groups)]
            masks = [buffer[at : at + pointer_size] for at in starts if at + pointer_size <= end]
            cores.append(
                Core(efficiency, sum(bin(int.from_bytes(mask, "little")).count("1") for mask in masks))
            )
    return cores


def parse_caches(buffer: bytes) -> list[Cache]:
    """The caches in such a buffer: CACHE_RELATIONSHIP has level, associativity, line size, size, type."""
    caches: list[Cache] = []
    for relation, offset, _end in _entries(buffer):
        if relation == RELATION_CACHE:
            level, _ways, _line, size, kind = struct.unpack_from("<BBHII", buffer, offset + 8)
            caches.append(Cache(level, size, kind))
    return caches


def parse_numa_nodes(buffer: bytes) -> int:
    """How many NUMA nodes are in such a buffer; 0 where it tells none."""
    numbers = {
        struct.unpack_from("<I", buffer, offset + 8)[0]
        for relation, offset, _end in _entries(buffer)
        if relation == RELATION_NUMA_NODE
    }
    return len(numbers)


def _entries(buffer: bytes) -> list[tuple[int, int, int]]:
    """(relation, offset, end) of each entry; none where the buffer is cut off: some of the cores are not all."""
    found: list[tuple[int, int, int]] = []
    offset = 0
    while offset < len(buffer):
        if offset + 32 > len(buffer):
            return []
        relation, size = struct.unpack_from("<II", buffer, offset)
        if size < 32 or offset + size > len(buffer):
            return []
        found.append((relation, offset, offset + size))
        offset += size
    return found


def present(numbers: dict[str, int], ask: Callable[[int], bool]) -> tuple[str, ...]:
    return tuple(name for name, number in numbers.items() if ask(number))


def _processor_information() -> bytes:
    if sys.platform != "win32":
        return b""
    call = ctypes.WinDLL("kernel32", use_last_error=True).GetLogicalProcessorInformationEx
    size = ctypes.c_uint32(0)
    call(RELATION_ALL, None, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not size.value or not call(RELATION_ALL, buffer, ctypes.byref(size)):
        return b""
    return buffer.raw[: size.value]


def _feature_present(number: int) -> bool:
    if sys.platform != "win32":
        return False
    return bool(ctypes.WinDLL("kernel32").IsProcessorFeaturePresent(number))


def _affinity() -> int | None:
    if sys.platform != "win32":
        return None
    return len(psutil.Process().cpu_affinity())


def _registry_name() -> str | None:
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        ) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    except OSError:
        return None
