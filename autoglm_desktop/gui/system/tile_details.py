"""What a tile says more: holders of memory, links and power, measured speeds, caches, and the checks' sentences. Pure;
unknown is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...core.check_values import FAIL, WARN, Check
from ...core.gpu_states import own_bytes
from ...core.limits import best_gpu
from ...core.machine import Cpu, Disk, Machine, Memory
from ...core.units import format_bytes
from ...i18n import _, ngettext
from ...texts import cards
from ...texts import check as check_texts
from ...texts.values import labelled

HOLDERS = 2
"""The biggest ones that are named at once; the others are details."""
NOTED = {
    "gpu": ("gpu.memory", "gpu.temperature", "gpu.present", "gpu.compute_capability", "gpu.bar1"),
    "ram": ("ram.total", "ram.available", "ram.swap"),
    "disk": ("disk.free", "disk.speed"),
    "cpu": ("cpu.cores", "cpu.features"),
}
"""The checks whose sentences a tile's details hold."""
WORTH_SAYING = frozenset((
    "gpu_link_idle", "gpu_link_busy", "gpu_noted", "gpu_memory_own", "gpu_memory_own_enough", "gpu_memory_held_own",
    "gpu_memory_unseen", "gpu_memory_desktop", "at_power_limit", "capability_before_turing", "capability_blackwell",
    "bar1_small", "bar1_whole", "ram_own", "ram_own_enough", "ram_one_channel", "ram_one_channel_speed", "ram_limited",
    "cores_numa",
))  # fmt: skip
"""Codes of checks that are fine and yet tell more than the tile does."""


@dataclass(frozen=True)
class Note:
    """A sentence of a check, with the check's status."""

    status: str
    text: str


def notes(tile: str, found: Mapping[str, Check]) -> tuple[Note, ...]:
    """The sentences of a tile's checks, the worst first."""
    checks = [found[name] for name in NOTED.get(tile, ()) if name in found]
    told = [one for one in checks if one.status in (WARN, FAIL) or one.code in WORTH_SAYING]
    told = [one for one in told if one.code != "gpu_none"]
    told.sort(key=lambda one: (FAIL, WARN).index(one.status) if one.status in (FAIL, WARN) else 2)
    return tuple(Note(one.status, _said(one)) for one in told)


def _said(check: Check) -> str:
    """With its name, where the sentence alone would not tell what it is about."""
    sentence = check_texts.sentence(check)
    return labelled(check_texts.name_text(check), sentence) if check.id == "gpu.bar1" else sentence


def details(tile: str, machine: Machine) -> tuple[str, ...]:
    """The details on demand of a tile."""
    if tile == "gpu":
        return _gpus(machine)
    if tile == "ram":
        return _ram(machine)
    if tile == "disk":
        return _disk(machine.disks[0]) if machine.disks else ()
    return _cpu(machine.cpu) if tile == "cpu" else ()


def ram_kind(memory: Memory) -> tuple[str, ...]:
    """``DDR5 · 5600 MT/s · 2 channels``"""
    parts = [memory.kind or ""]
    if memory.speed_mt_s is not None:
        parts.append(f"{memory.speed_mt_s} MT/s")
    if memory.channels is not None:
        text = ngettext("{count} channel", "{count} channels", memory.channels)
        parts.append(text.format(count=memory.channels))
    said = " · ".join(part for part in parts if part)
    return (said,) if said else ()


def _gpus(machine: Machine) -> tuple[str, ...]:
    """The card of the tile, then the others."""
    best = best_gpu(machine)
    if best is None:
        return ()
    further = [gpu for gpu in machine.gpus if gpu is not best]
    return (*cards.held(best.processes)[HOLDERS:], *cards.facts(best), *cards.others(further))


def _ram(machine: Machine) -> tuple[str, ...]:
    programs = machine.memory.programs
    own = 1 if own_bytes(programs) else 0  # stands in the tile already
    said = list(cards.held(programs)[own:])
    speed = machine.cpu.memory_bandwidth_bytes_per_s
    if speed is not None:
        said.append(labelled(_("Reading, measured"), cards.per_second(speed)))
    if machine.memory.limit_bytes is not None:
        said.append(labelled(_("Limit of the container"), format_bytes(machine.memory.limit_bytes)))
    return tuple(said)


def _disk(disk: Disk) -> tuple[str, ...]:
    said = []
    if disk.sequential_read_bytes_per_s is not None:
        speed = cards.per_second(disk.sequential_read_bytes_per_s)
        said.append(labelled(_("Reading in order, measured"), speed))
    if disk.random_read_iops is not None:
        text = _("{count} a second").format(count=f"{disk.random_read_iops:,}")
        if disk.random_read_latency_s is not None:
            text += f" · {disk.random_read_latency_s * 1000:.2f} ms"
        said.append(labelled(_("4 KiB blocks, measured"), text))
    if disk.file_system is not None:
        said.append(labelled(_("File system"), disk.file_system))
    if disk.read_only:
        said.append(_("It can only be read."))
    return tuple(said)


def _cpu(cpu: Cpu) -> tuple[str, ...]:
    said = []
    if cpu.performance_cores is not None:
        said.append(labelled(_("Performance cores"), str(cpu.performance_cores)))
    caches = (("L1", cpu.l1_data_bytes), ("L2", cpu.l2_bytes), ("L3", cpu.l3_bytes))
    known = [f"{name} {format_bytes(size)}" for name, size in caches if size is not None]
    if known:
        said.append(labelled(_("Caches"), " · ".join(known)))
    if cpu.numa_nodes is not None:
        said.append(labelled(_("NUMA nodes"), str(cpu.numa_nodes)))
    return tuple(said)
