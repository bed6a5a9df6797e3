"""Why a graphics card could not be asked, or what is odd about it, told in its checks. Pure."""

from __future__ import annotations

from dataclasses import replace

from .check_values import OK, WARN, Check
from .errors import Reason
from .machine import Machine

NO_TROUBLE = frozenset(("gpu_divided",))
"""Worth knowing, nothing to repair."""


def explained(
    checks: tuple[Check, ...], machine: Machine, reason: Reason | None, advice: Reason | None, *, failed: bool
) -> tuple[Check, ...]:
    """The checks with what the best source for NVIDIA cards said: of the cards in ``gpu.present``, of their driver in
    ``gpu.driver`` where nothing else told its version. ``failed``: something is broken, not just absent."""
    cards = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    if reason is None or not (failed or cards):
        return checks
    if any(gpu.driver_version for gpu in cards):
        return checks if failed else tuple(_noted(check, reason, advice) for check in checks)
    return tuple(_unusable(check, reason, advice) for check in checks)


def _noted(check: Check, reason: Reason, advice: Reason | None) -> Check:
    if check.id != "gpu.present" or "name" not in check.values:
        return check
    status = OK if reason.code in NO_TROUBLE else WARN
    values = {**check.values, "why": reason}
    return replace(check, status=status, code="gpu_noted", advice=_code(advice), values=values)


def _unusable(check: Check, reason: Reason, advice: Reason | None) -> Check:
    if check.id != "gpu.driver":
        return check
    return replace(check, status=WARN, code="driver_unusable", advice=_code(advice), values={"why": reason})


def _code(advice: Reason | None) -> str | None:
    return advice.code if advice is not None else None
