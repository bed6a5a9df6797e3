"""A machine as somebody wrote it down, believed as far as a machine can be so. Pure.

What is 0 where nothing can be 0 is unknown. What contradicts itself is refused: guessing which half is right would
invent something.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import TypeVar

from .machine import LARGEST, Disk, EngineInfo, Gpu, Machine, from_json

T = TypeVar("T")

LONGEST_TEXT = 10_000
MOST_ITEMS = 4_096
"""Of cards, processes, settings: far more than any machine has."""
COLDEST_C = -273
DISK_KINDS = ("nvme", "sata_ssd", "hdd")
SELF_TESTS = ("passed", "safe_mode", "failed")
ZERO_IS_A_NUMBER = frozenset((
    "index", "available_bytes", "free_bytes", "memory_free_bytes", "memory_bytes", "memory_reserved_bytes",
    "swap_total_bytes", "swap_used_bytes", "temperature_c", "utilisation_percent", "compute_capability",
))  # fmt: skip


def machine_from_json(data: object) -> Machine:
    """A Machine from the ``machine`` object or a whole ``check --json``, whole or in part.

    Raises ValueError, naming the key: a wrong type, a number or text that no machine has, a contradiction.
    """
    if isinstance(data, dict) and "machine" in data:
        data = data["machine"]
    machine = _sound(from_json(Machine, data))
    _agrees(machine)
    return machine


def _sound(value: T) -> T:
    """A dataclass with all that is in it looked through."""
    changes = {
        item.name: _value(getattr(value, item.name), item.name, f"{type(value).__name__}.{item.name}")
        for item in dataclasses.fields(value)  # type: ignore[arg-type]
    }
    made = dataclasses.replace(value, **changes)  # type: ignore[type-var]
    if isinstance(made, Gpu):
        return typing.cast("T", dataclasses.replace(made, vendor=made.vendor.strip().lower()))
    if isinstance(made, Disk) and made.kind not in DISK_KINDS:
        return typing.cast("T", dataclasses.replace(made, kind="unknown"))
    if isinstance(made, EngineInfo) and made.self_test not in SELF_TESTS:
        return typing.cast("T", dataclasses.replace(made, self_test="not_run"))
    return made


def _value(value: object, name: str, where: str) -> object:
    if isinstance(value, tuple):
        if len(value) > MOST_ITEMS:
            raise ValueError(f"{where}: more than {MOST_ITEMS} items")
        return tuple(_value(item, name, where) for item in value)
    if dataclasses.is_dataclass(value):
        return _sound(value)
    if isinstance(value, str):
        return plain_text(value, where)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        least = COLDEST_C if name == "temperature_c" else 0
        if not least <= value < LARGEST:  # neither is NaN
            raise ValueError(f"{where}: out of range")
        return value if value or name in ZERO_IS_A_NUMBER else None
    return value


def plain_text(text: str, where: str) -> str:
    """Without characters that steer a terminal. Raises ValueError for a text that is no name any more."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{where}: longer than {LONGEST_TEXT} characters")
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _agrees(machine: Machine) -> None:
    """Raises ValueError where two values cannot both be right."""
    memory = machine.memory
    _at_most(memory.available_bytes, memory.total_bytes, "Memory.available_bytes", "total_bytes")
    for gpu in machine.gpus:
        _at_most(gpu.memory_free_bytes, gpu.memory_total_bytes, "Gpu.memory_free_bytes", "memory_total_bytes")
    indexes = [gpu.index for gpu in machine.gpus]
    if len(set(indexes)) < len(indexes):
        raise ValueError("Gpu.index: two cards have the same")


def _at_most(value: int | None, limit: int | None, where: str, of: str) -> None:
    if value is not None and limit is not None and value > limit:
        raise ValueError(f"{where}: more than {of}")
