"""Programs that could be closed for the memory they hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from .gpu_states import OWN_PROGRAM, holders, own_bytes
from .machine import Gpu, GpuProcess, Machine, Program
from .units import format_bytes

T = TypeVar("T", bound=Program)
MOST_NAMES = 5


@dataclass(frozen=True)
class Closing:
    """Programs to close, the largest first, and what they hold together; ``enough``: that is what was asked for."""

    programs: tuple[Program, ...]
    freed_bytes: int
    enough: bool

    @property
    def names(self) -> str:
        return named(self.programs)


def closing(programs: Iterable[Program], needed: int) -> Closing | None:
    """The fewest programs that hold ``needed`` bytes together; all of them where that is not enough. None where none
    can be closed or tells what it holds."""
    told = [one for one in holders(programs) if one.memory_bytes]
    chosen: list[Program] = []
    freed = 0
    for one in told:
        if freed >= needed:
            break
        chosen.append(one)
        freed += one.memory_bytes or 0
    return Closing(tuple(chosen), freed, freed >= needed) if chosen else None


def with_own(machine: Machine, held: Mapping[str, int]) -> Machine:
    """With what this program's loaded model holds of each card (``gpu:0`` …) as its engine told: Windows' driver does
    not tell it of any process. What the driver tells counts."""
    return replace(machine, gpus=tuple(_told(gpu, held.get(f"gpu:{gpu.index}", 0)) for gpu in machine.gpus))


def _told(gpu: Gpu, held: int) -> Gpu:
    if not held or own_bytes(gpu.processes):
        return gpu
    return replace(gpu, processes=(*_others(gpu.processes), GpuProcess(OWN_PROGRAM, held)))


def without_own(machine: Machine) -> Machine:
    """As it is for a model that is loaded now: what this program's own engines hold is not given back before that."""
    memory = replace(machine.memory, programs=_others(machine.memory.programs))
    gpus = tuple(replace(gpu, processes=_others(gpu.processes)) for gpu in machine.gpus)
    return replace(machine, memory=memory, gpus=gpus)


def _others(programs: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(one for one in programs if one.name != OWN_PROGRAM)


def named(programs: Iterable[Program]) -> str:
    """``game.exe (3.0 GiB), browser.exe``"""
    known = tuple(programs)
    shown = [
        f"{one.name} ({format_bytes(one.memory_bytes)})" if one.memory_bytes else str(one.name)
        for one in known[:MOST_NAMES]
    ]
    return ", ".join([*shown, *("…" for _more in known[MOST_NAMES : MOST_NAMES + 1])])
