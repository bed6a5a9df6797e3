"""What the tiles say: a part of the machine and its checks as title, headline, details and bar. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...core.checks import Check, deciding_plan
from ...core.limits import best_gpu
from ...core.machine import Cpu, Disk, Machine, Memory
from ...core.memory import gpu_budget, ram_budget
from ...core.rungs import ModelPlan
from ...core.units import format_bytes
from ...i18n import N_, _
from ...texts import cards
from ...texts import check as check_texts
from ...texts.values import VENDORS
from ..widgets.bar import Amount, BarContent
from . import tile_details

TILES = ("gpu", "ram", "disk", "cpu", "driver", "engine")
TITLES = {
    "gpu": N_("Graphics card"),
    "ram": N_("Memory (RAM)"),
    "disk": N_("Disk for models"),
    "cpu": N_("Processor"),
    "driver": N_("Driver"),
    "engine": N_("Engine"),
}
CHECKS = {
    "gpu": ("gpu.present", "gpu.memory", "gpu.compute_capability", "gpu.temperature"),
    "ram": ("ram.total", "ram.available", "ram.swap"),
    "disk": ("disk.free", "disk.speed"),
    "cpu": ("cpu.cores", "cpu.features"),
    "driver": ("gpu.driver",),
    "engine": ("runtime.llama_cpp",),
}
SEVERITY = ("unknown", "ok", "warn", "fail")
FEATURES = (
    ("amx_int8", "AMX"), ("avx512_vnni", "AVX-512 VNNI"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("neon", "NEON"),
)  # fmt: skip


DRIVER_MISSING = {
    "driver_missing": N_("Missing"),
    "driver_outside": N_("Not in this container"),
    "driver_unusable": N_("No answer"),
}
DRIVER_SAYS = ("driver_fine", "driver_old", *DRIVER_MISSING)
"""Codes whose sentence tells more than the headline."""


@dataclass(frozen=True)
class TileContent:
    """A tile. On demand: ``notes``, the checks' sentences, and ``more``. ``status``: ok, warn, fail, unknown, busy."""

    headline: str
    details: tuple[str, ...] = ()
    status: str = "busy"
    bar: BarContent | None = None
    more: tuple[str, ...] = ()
    notes: tuple[tile_details.Note, ...] = ()


Checks = Mapping[str, Check]


def waiting() -> TileContent:
    """Before the probe has answered."""
    return TileContent(_("Looking …"))


def content(tile: str, machine: Machine, found: Checks, model: ModelPlan | None) -> TileContent:
    """One tile. ``found`` is empty and ``model`` None while the check is still running."""
    made = _content(tile, machine, found, model)
    return replace(made, more=tile_details.details(tile, machine), notes=tile_details.notes(tile, found))


def _content(tile: str, machine: Machine, found: Checks, model: ModelPlan | None) -> TileContent:
    status = _status(tile, found)
    if tile == "gpu":
        return _gpu(machine, found, model, status)
    if tile == "ram":
        return _ram(machine, found, model, status)
    if tile == "disk":
        return _disk(machine.disks[0] if machine.disks else None, found, model, status)
    if tile == "cpu":
        return _cpu(machine.cpu, status)
    return _driver(machine, found, status) if tile == "driver" else _engine(machine, found, status)


def _status(tile: str, found: Checks) -> str:
    """The worst of the tile's checks."""
    states = [found[name].status for name in CHECKS[tile] if name in found]
    return max(states, key=SEVERITY.index) if states else "busy"


def _gpu(machine: Machine, found: Checks, model: ModelPlan | None, status: str) -> TileContent:
    gpu = best_gpu(machine)
    if gpu is None:
        return TileContent(_("None found"), (_("The processor does the work."),), status)
    name, more = cards.name_text(gpu), len(machine.gpus) - 1
    details: tuple[str, ...] = (name, _("and {count} more").format(count=more)) if more else (name,)
    details += cards.held(gpu.processes)[: tile_details.HOLDERS]
    total, free = gpu.memory_total_bytes, gpu.memory_free_bytes
    if free is None or total is None:
        known = format_bytes(total) if total is not None else _("Memory not known")
        return TileContent(known, details, "unknown" if status == "ok" else status)
    budget = gpu_budget(gpu, machine)
    bar = _memory_bar(total, budget.limit or free, _required("gpu.memory", found), model)
    return TileContent(_free_of(free, total), details, status, bar)


def _ram(machine: Machine, found: Checks, model: ModelPlan | None, status: str) -> TileContent:
    memory: Memory = machine.memory
    if memory.total_bytes is None:
        return TileContent(_("Not known"), (), status)
    budget = ram_budget(machine)
    free = budget.available
    details = tile_details.ram_kind(memory)
    if memory.swap_total_bytes:
        used = format_bytes(memory.swap_used_bytes or 0)
        details += (
            _("Swap: {used} of {total} in use").format(
                used=used, total=format_bytes(memory.swap_total_bytes)
            ),
        )
    if free is None:
        return TileContent(format_bytes(memory.total_bytes), details, status)
    if budget.own:
        details += cards.held(memory.programs)[:1]
    bar = _memory_bar(memory.total_bytes, budget.limit or free, _required("ram.available", found), model)
    return TileContent(_free_of(free, memory.total_bytes), details, status, bar)


def _disk(disk: Disk | None, found: Checks, model: ModelPlan | None, status: str) -> TileContent:
    if disk is None:
        return TileContent(_("Not known"), (), status)
    kinds = {"nvme": "NVMe", "sata_ssd": "SATA SSD", "hdd": _("Hard disk")}
    details = tuple(text for text in (kinds.get(disk.kind), breakable(disk.path)) if text)
    if disk.free_bytes is None:
        return TileContent(_("Free space not known"), details, status)
    headline = _("{size} free").format(size=format_bytes(disk.free_bytes))
    needed = _required("disk.free", found)
    if not needed:
        return TileContent(headline, details, status)
    name = _("Download {variant}").format(variant=_variant(model))
    amounts = (Amount(name, needed, format_bytes(needed), "accent" if needed <= disk.free_bytes else "bad"),)
    left = Amount(_("Then left"), 0, format_bytes(max(disk.free_bytes - needed, 0)), "bar")
    return TileContent(headline, details, status, BarContent((*amounts, left), disk.free_bytes))


def _cpu(cpu: Cpu, status: str) -> TileContent:
    details = [cpu.name] if cpu.name else []
    notable = [text for name, text in FEATURES if name in cpu.features]
    if notable:
        details.append(" · ".join(notable))
    if cpu.physical_cores is None:
        return TileContent(_("Not known") if not details else details[0], tuple(details[1:]), status)
    headline = _("{count} cores").format(count=cpu.physical_cores)
    if cpu.logical_cores is not None and cpu.logical_cores != cpu.physical_cores:
        headline += " · " + _("{count} threads").format(count=cpu.logical_cores)
    return TileContent(headline, tuple(details), status)


def _driver(machine: Machine, found: Checks, status: str) -> TileContent:
    gpu = best_gpu(machine)
    if gpu is None:
        return TileContent(_("Not needed"), (_("There is no graphics card to drive."),), status)
    check = found.get("gpu.driver")
    said = (check_texts.sentence(check),) if check is not None and check.code in DRIVER_SAYS else ()
    if gpu.driver_version is None:
        headline = DRIVER_MISSING.get(check.code if check is not None else "", N_("Not known"))
        return TileContent(_(headline), said, status)
    headline = f"{VENDORS.get(gpu.vendor, '')} {gpu.driver_version}".strip()
    details = (
        [_("Supports CUDA up to {version}").format(version=gpu.cuda_version)] if gpu.cuda_version else []
    )
    details += said
    return TileContent(headline, tuple(details), status)


def _engine(machine: Machine, found: Checks, status: str) -> TileContent:
    check = found.get("runtime.llama_cpp")
    engine = next((e for e in machine.runtime.engines if (e.backend or "llama.cpp") == "llama.cpp"), None)
    if check is None:
        return waiting()
    if engine is None:
        said = _("llama.cpp runs GGUF files. It is installed at start-up.")
        return TileContent(_("Not installed yet"), (said,), status)
    return TileContent(f"llama.cpp {engine.version or ''}".strip(), (check_texts.sentence(check),), status)


def breakable(path: str) -> str:
    """A path that may be broken over lines after its separators."""
    return path.replace("/", "/\u200b").replace("\\", "\\\u200b")


def _memory_bar(total: int, free: int, needed: int | None, model: ModelPlan | None) -> BarContent:
    used = max(total - free, 0)
    amounts = [Amount(_("In use"), used, format_bytes(used), "muted")]
    if needed:
        name = _("{variant} + reserve").format(variant=_variant(model))
        amounts.append(Amount(name, needed, format_bytes(needed), "accent" if needed <= free else "bad"))
    if needed and needed > free:
        amounts.append(Amount(_("Lacking"), 0, format_bytes(needed - free), "bad_soft"))
    else:
        amounts.append(
            Amount(_("Still free") if needed else _("Free"), 0, format_bytes(free - (needed or 0)), "bar")
        )
    return BarContent(tuple(amounts), total)


def _required(check: str, found: Checks) -> int | None:
    quantity = found[check].required if check in found else None
    return int(quantity.number) if quantity is not None else None


def _variant(model: ModelPlan | None) -> str:
    plan = deciding_plan(model) if model is not None else None
    return (plan.variant if plan is not None else None) or _("The model")


def _free_of(free: int, total: int) -> str:
    return _("{free} of {total} free").format(free=format_bytes(free), total=format_bytes(total))
