"""The check of the graphics card's memory: what is free, what is missing, who holds it. Pure."""

from __future__ import annotations

from .check_values import FAIL, OK, UNKNOWN, WARN, Check, Quantity, in_bytes
from .gpu_states import OWN_PROGRAM, holders, is_desktop, own_bytes
from .limits import best_gpu
from .machine import Gpu, Machine
from .programs import closing, named
from .rungs import RungPlan
from .units import GIB

HELD_BYTES = GIB
"""GPU memory in the hands of other programs that is worth naming."""
UNSEEN_BYTES = 2 * GIB
"""In use without anybody seen who uses it: more than drivers and desktops take."""


def memory(machine: Machine, plan: RungPlan | None) -> Check:
    """``fail`` where the plan needs more than is free and than this program's own engine would give back."""
    gpu = best_gpu(machine)
    required = gpu_required(plan, gpu)
    if gpu is None or gpu.memory_free_bytes is None:
        return gpu_unknown("gpu.memory", gpu, in_bytes(required))
    free, total, own = (
        gpu.memory_free_bytes,
        gpu.memory_total_bytes or gpu.memory_free_bytes,
        own_bytes(gpu.processes),
    )
    check = Check(
        "gpu.memory", OK, "gpu_memory", in_bytes(free), in_bytes(required),
        values={"free_bytes": free, "total_bytes": total},
    )  # fmt: skip
    if required is not None and required > free + own:
        return _short(check, gpu, required - free - own)
    held = _held(gpu, total - free)
    if required is not None and required > free:
        return _as(check, OK, "gpu_memory_own_enough", None, own_bytes=own)
    if held < HELD_BYTES:
        return _as(check, OK, "gpu_memory_own", None, own_bytes=own) if own >= HELD_BYTES else check
    if names := named(holders(gpu.processes)):
        if any(one.name == OWN_PROGRAM and one.memory_bytes is None for one in gpu.processes):
            return _as(check, OK, "gpu_memory_held_own", "close_gpu_programs", held_bytes=held, names=names)
        return _as(check, WARN, "gpu_memory_held", "close_gpu_programs", held_bytes=held, names=names)
    if not any(is_desktop(one.name) for one in gpu.processes):
        return _as(check, OK, "gpu_memory_unseen", None, held_bytes=held)
    return _as(check, OK, "gpu_memory_desktop", _display_advice(machine, gpu), held_bytes=held)


def _short(check: Check, gpu: Gpu, short: int) -> Check:
    """With the programs that could be closed, and whether that is enough."""
    found = closing(gpu.processes, short)
    if found is None:
        return _as(check, FAIL, "gpu_memory_short", "gpu_memory_short", short_bytes=short)
    code = "gpu_memory_short_close" if found.enough else "gpu_memory_short_held"
    values = {"short_bytes": short, "held_bytes": found.freed_bytes, "names": found.names}
    return _as(check, FAIL, code, "close_gpu_programs", **values)


def _held(gpu: Gpu, used: int) -> int:
    """Bytes in the hands of other programs; where none tells its own (Windows), all that the driver does not keep.
    Where none is seen (a container, another user), what is left of 2 GiB and more."""
    others = [one for one in gpu.processes if one.name != OWN_PROGRAM]
    told = [one.memory_bytes for one in others if one.memory_bytes is not None]
    rest = used - (gpu.memory_reserved_bytes or 0)
    if not gpu.processes:
        return rest if rest >= UNSEEN_BYTES else 0
    if told or not others:
        return sum(told)
    return rest - own_bytes(gpu.processes)


def _display_advice(machine: Machine, gpu: Gpu) -> str | None:
    """Another graphics chip could show the desktop."""
    others = any(other.vendor != gpu.vendor for other in machine.gpus)
    return "display_elsewhere" if gpu.display_attached and others else None


def gpu_unknown(id_: str, gpu: Gpu | None, required: Quantity | None = None) -> Check:
    return Check(id_, UNKNOWN, "gpu_none" if gpu is None else "gpu_silent", required=required)


def gpu_required(plan: RungPlan | None, gpu: Gpu | None) -> int | None:
    """Bytes that a plan needs of this card, its margin included; None where it needs none."""
    device = plan.memory.get(f"gpu:{gpu.index}") if plan is not None and gpu is not None else None
    return device.total + device.margin if device is not None and device.total else None


def _as(check: Check, status: str, code: str, advice: str | None, **values: object) -> Check:
    merged = {**check.values, **values}
    return Check(check.id, status, code, check.value, check.required, advice, merged)
