"""The checks of the operating system and its settings. Pure."""

from __future__ import annotations

from .check_values import OK, UNKNOWN, WARN, Check
from .checks_memory import required
from .machine import Machine
from .memory import ram_budget
from .rungs import RungPlan
from .units import GIB

LEAST_OPEN_FILES = 1024
"""Every Linux gives as many; less breaks downloads and Qt alike."""
HIGH_SWAPPINESS = 60
"""The kernel's default. More swaps programs out to keep files in memory."""
SWAP_IN_USE = GIB
TIGHT_BYTES = 4 * GIB
"""RAM that should be left beside a plan where there is no page file."""


def version(machine: Machine, plan: RungPlan | None) -> Check:
    system = machine.os
    if system.name is None:
        return Check("os.version", UNKNOWN, "os_silent")
    release = system.version or ""
    values: dict[str, object] = {
        "name": release if system.name in release else f"{system.name} {release}".strip()
    }
    code = "os_wsl" if system.wsl else "os_container" if system.container else "os_version"
    return Check("os.version", OK, code, values=values)


def tuning(machine: Machine, plan: RungPlan | None) -> Check:
    """``ok`` unless a setting hurts here: most of what guides ask for is for servers with many users."""
    found = {item.name: item.value for item in machine.os.tuning if item.value is not None}
    if machine.os.name == "macOS":
        return Check("os.tuning", OK, "tuning_none")
    if not found:
        return Check("os.tuning", UNKNOWN, "tuning_not_read")
    files, swappiness = _whole(found.get("open_files")), _whole(found.get("swappiness"))
    if files is not None and files < LEAST_OPEN_FILES:
        return Check("os.tuning", WARN, "open_files_few", advice="open_files_few", values={"files": files})
    used = machine.memory.swap_used_bytes or 0
    zram = found.get("swap_device") == "zram"
    if swappiness is not None and swappiness > HIGH_SWAPPINESS and used >= SWAP_IN_USE and not zram:
        values: dict[str, object] = {"swappiness": swappiness, "used_bytes": used}
        return Check("os.tuning", WARN, "swappiness_high", advice="swappiness_high", values=values)
    if found.get("page_file") == "off" and _tight(machine, plan):
        return Check("os.tuning", WARN, "page_file_off", advice="page_file_off")
    return Check("os.tuning", OK, "tuning_fine", advice="tuning_published")


def _tight(machine: Machine, plan: RungPlan | None) -> bool:
    budget = ram_budget(machine)
    if budget.available is None or budget.limit is None:
        return False
    return budget.limit - (required(plan) or 0) < TIGHT_BYTES


def _whole(text: str | None) -> int | None:
    """A decimal number of at most 18 digits; a limit of "unlimited" or nonsense is None."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18 else None
