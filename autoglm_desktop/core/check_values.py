"""The values of a check: its status, what was found and what the plan needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .machine import Machine
from .rungs import RungPlan

OK, WARN, FAIL, UNKNOWN = "ok", "warn", "fail", "unknown"


@dataclass(frozen=True)
class Quantity:
    number: float
    unit: str  # bytes | bytes/s | cores | gpus | celsius | compute_capability | driver


@dataclass(frozen=True)
class Check:
    """One check. ``values`` fill the sentence of ``code``."""

    id: str
    status: str  # ok | warn | fail | unknown
    code: str
    value: Quantity | None = None
    required: Quantity | None = None
    advice: str | None = None
    values: dict[str, object] = field(default_factory=dict)


Make = Callable[[Machine, RungPlan | None], Check]


def in_bytes(number: int | None) -> Quantity | None:
    """A quantity of bytes; unknown stays unknown."""
    return Quantity(number, "bytes") if number is not None else None
