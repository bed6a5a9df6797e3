"""The checks of RAM. Pure."""

from __future__ import annotations

from .check_values import FAIL, OK, UNKNOWN, WARN, Check, in_bytes
from .machine import Machine, Memory
from .memory import ram_budget
from .programs import closing
from .rungs import RungPlan
from .units import GB, GIB

SWAP_SHARE = 0.5
CHANNEL_BYTES = 8
"""Bytes of one transfer in one channel of 64 bits."""
ON_CPU = ("gguf-cpu", "gguf-cpu-safe", "gguf-split")
"""Rungs whose speed hangs on how fast the CPU reads RAM."""


def required(plan: RungPlan | None) -> int | None:
    """Bytes of RAM that a plan takes, with its margin."""
    device = plan.memory.get("ram") if plan is not None else None
    return device.total + device.margin if device is not None else None


def total(machine: Machine, plan: RungPlan | None) -> Check:
    memory, needed = machine.memory, required(plan)
    if memory.total_bytes is None:
        return Check("ram.total", UNKNOWN, "ram_silent", required=in_bytes(needed))
    values: dict[str, object] = {"total_bytes": memory.total_bytes}
    value = in_bytes(memory.total_bytes)
    if needed is not None and needed > memory.total_bytes:
        advice = "raise_ram_limit" if memory.limit_bytes else "more_ram"
        values["required_bytes"] = needed
        return Check("ram.total", FAIL, "ram_too_small", value, in_bytes(needed), advice, values)
    values |= {"kind": memory.kind, "speed": memory.speed_mt_s, "channels": memory.channels}
    values["gigabytes"] = _bandwidth(machine)
    status, code, hint = _kind(machine, plan)
    return Check("ram.total", status, code, value, in_bytes(needed), hint, values)


def _kind(machine: Machine, plan: RungPlan | None) -> tuple[str, str, str | None]:
    """(status, code, advice): what is most worth saying of RAM that is enough."""
    memory = machine.memory
    if memory.channels == 1 and memory.kind:
        code = "ram_one_channel_speed" if memory.speed_mt_s else "ram_one_channel"
        if plan is None or plan.rung in ON_CPU:
            return WARN, code, "second_module"
        return OK, code, None
    if memory.limit_bytes:
        return OK, "ram_limited", None
    if machine.cpu.memory_bandwidth_bytes_per_s:
        return OK, "ram_measured", None
    return OK, _code(memory), None


def _code(memory: Memory) -> str:
    if memory.kind and memory.speed_mt_s and memory.channels:
        return "ram_full"
    if memory.kind and memory.channels:
        return "ram_channels"
    if memory.kind and memory.speed_mt_s:
        return "ram_speed"
    return "ram_kind" if memory.kind else "ram_total"


def _bandwidth(machine: Machine) -> float | None:
    """GB/s: as measured, else what the modules reach at most."""
    measured, memory = machine.cpu.memory_bandwidth_bytes_per_s, machine.memory
    if measured and memory.channels != 1:
        return round(measured / GB, 1)
    if not memory.speed_mt_s or not memory.channels:
        return None
    return round(memory.speed_mt_s * CHANNEL_BYTES * memory.channels / 1000, 1)


def available(machine: Machine, plan: RungPlan | None) -> Check:
    """``fail`` where the plan needs more than is free and than this program's own engine would give back."""
    needed, budget = required(plan), ram_budget(machine)
    free, limit = budget.available, budget.limit
    if free is None or limit is None:
        return Check("ram.available", UNKNOWN, "ram_silent", required=in_bytes(needed))
    values: dict[str, object] = {"free_bytes": free, "own_bytes": budget.own}
    value, wanted = in_bytes(free), in_bytes(needed)
    if needed is not None and needed > limit:
        code, advice, more = _short(machine.memory, needed - limit)
        return Check("ram.available", FAIL, code, value, wanted, advice, {**values, **more})
    code = "ram_available"
    if needed is not None and needed > free:
        code = "ram_own_enough"
    elif budget.own >= GIB:
        code = "ram_own"
    return Check("ram.available", OK, code, value, wanted, values=values)


def _short(memory: Memory, short: int) -> tuple[str, str, dict[str, object]]:
    """(code, advice, values), with the programs that could be closed; in a container that would not help."""
    found = closing(memory.programs, short) if not memory.limit_bytes else None
    advice = "raise_ram_limit" if memory.limit_bytes else "close_programs"
    if found is None:
        return "ram_short", advice, {"short_bytes": short}
    code = "ram_short_close" if found.enough else "ram_short_held"
    return code, advice, {"short_bytes": short, "held_bytes": found.freed_bytes, "names": found.names}


def swap(machine: Machine, plan: RungPlan | None) -> Check:
    whole, used = machine.memory.swap_total_bytes, machine.memory.swap_used_bytes
    if whole is None:
        return Check("ram.swap", UNKNOWN, "ram_silent")
    if not whole:
        return Check("ram.swap", OK, "swap_none", in_bytes(0))
    values: dict[str, object] = {"total_bytes": whole, "used_bytes": used}
    if used is None:
        return Check("ram.swap", OK, "swap_total", values=values)
    full = used >= GIB and used > SWAP_SHARE * whole
    code, advice = ("swap_full", "close_programs") if full else ("swap_fine", None)
    return Check("ram.swap", WARN if full else OK, code, in_bytes(used), advice=advice, values=values)
