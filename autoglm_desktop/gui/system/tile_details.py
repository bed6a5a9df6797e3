"""What a tile says more: holders of GPU memory, links and power, measured speeds, caches. Pure; unknown is left out."""

from __future__ import annotations

from ...core.limits import best_gpu
from ...core.machine import Cpu, Disk, Gpu, Machine, Memory
from ...core.units import format_bytes
from ...i18n import _, ngettext
from ...texts.values import labelled, short

GB = 1e9
HOLDERS = 2
"""The biggest ones that are named at once; the others are details."""


def details(tile: str, machine: Machine) -> tuple[str, ...]:
    """The details on demand of a tile."""
    if tile == "gpu":
        best = best_gpu(machine)
        return _gpus(machine, best) if best is not None else ()
    if tile == "ram":
        return _ram(machine)
    if tile == "disk":
        return _disk(machine.disks[0]) if machine.disks else ()
    return _cpu(machine.cpu) if tile == "cpu" else ()


def holders(gpu: Gpu, first: int = 0, most: int | None = HOLDERS) -> tuple[str, ...]:
    """Who holds the most of its memory: ``Held by game.exe: 3.0 GiB``."""
    known = [one for one in gpu.processes if one.memory_bytes]
    known.sort(key=lambda one: -(one.memory_bytes or 0))
    chosen = known[first:] if most is None else known[first : first + most]
    text = _("Held by {name}: {size}")
    return tuple(
        text.format(name=one.name or _("another program"), size=format_bytes(one.memory_bytes or 0))
        for one in chosen
    )


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


def per_second(value: float) -> str:
    """``272 GB/s``"""
    return f"{short(value / GB)} GB/s"


def _gpus(machine: Machine, best: Gpu) -> tuple[str, ...]:
    """The card of the tile, then the others, a line each."""
    others = [
        labelled(_("GPU {number}").format(number=gpu.index), _short(gpu))
        for gpu in machine.gpus
        if gpu is not best
    ]
    return (*holders(best, HOLDERS, None), *_card(best), *others)


def _short(gpu: Gpu) -> str:
    free, total = gpu.memory_free_bytes, gpu.memory_total_bytes
    name = gpu.name or gpu.vendor
    if free is None or total is None:
        return name
    size = _("{free} of {total} free").format(free=format_bytes(free), total=format_bytes(total))
    return f"{name} · {size}"


def _card(gpu: Gpu) -> list[str]:
    said = []
    if gpu.memory_bandwidth_bytes_per_s is not None:
        said.append(labelled(_("Memory bandwidth"), per_second(gpu.memory_bandwidth_bytes_per_s)))
    if gpu.compute_capability is not None:
        said.append(labelled(_("Compute capability"), ".".join(map(str, gpu.compute_capability))))
    if (link := _link(gpu.pcie_generation, gpu.pcie_width)) is not None:
        most = _link(gpu.pcie_generation_max, gpu.pcie_width_max)
        text = _("{now} (at most {most})").format(now=link, most=most) if most not in (None, link) else link
        said.append(labelled("PCIe", text))
    if gpu.power_draw_w is not None and gpu.power_limit_w is not None:
        text = _("{draw} W of {limit} W").format(
            draw=f"{gpu.power_draw_w:.0f}", limit=f"{gpu.power_limit_w:.0f}"
        )
        said.append(labelled(_("Power"), text))
    elif gpu.power_limit_w is not None:
        said.append(labelled(_("Power limit"), f"{gpu.power_limit_w:.0f} W"))
    if gpu.temperature_c is not None:
        said.append(labelled(_("Temperature"), f"{gpu.temperature_c} °C"))
    if gpu.utilisation_percent is not None:
        said.append(labelled(_("Busy"), f"{gpu.utilisation_percent} %"))
    if gpu.memory_reserved_bytes:
        said.append(labelled(_("Kept by the driver"), format_bytes(gpu.memory_reserved_bytes)))
    return said


def _link(generation: int | None, width: int | None) -> str | None:
    return None if generation is None or width is None else f"{generation}.0 ×{width}"


def _ram(machine: Machine) -> tuple[str, ...]:
    said = []
    speed = machine.cpu.memory_bandwidth_bytes_per_s
    if speed is not None:
        said.append(labelled(_("Reading, measured"), per_second(speed)))
    if machine.memory.limit_bytes is not None:
        said.append(labelled(_("Limit of the container"), format_bytes(machine.memory.limit_bytes)))
    return tuple(said)


def _disk(disk: Disk) -> tuple[str, ...]:
    said = []
    if disk.sequential_read_bytes_per_s is not None:
        said.append(labelled(_("Reading in order, measured"), per_second(disk.sequential_read_bytes_per_s)))
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
