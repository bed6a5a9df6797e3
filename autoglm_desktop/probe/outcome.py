"""How one probe went: what a part of the check shows, and why something is missing."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import Reason
from ..core.machine import Gpu, Machine

FOUND = "found"
SKIPPED = "skipped"
FAILED = "failed"


@dataclass(frozen=True)
class ProbeOutcome:
    """``name`` is the part ("os", "cpu", "memory", "disk", "runtime") or a GPU probe ("gpus.nvml", …).

    ``reason`` says why a probe was skipped or failed, or what it could not read although it found something;
    ``advice`` says what to install or do so that it works.
    """

    name: str
    status: str  # found | skipped | failed
    reason: Reason | None = None
    advice: Reason | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class ProbeReport:
    machine: Machine
    outcomes: tuple[ProbeOutcome, ...] = ()

    def outcome(self, name: str) -> ProbeOutcome | None:
        return next((item for item in self.outcomes if item.name == name), None)


@dataclass(frozen=True)
class GpuFinding:
    """What one GPU probe returns: GPUs, or none and the reason."""

    gpus: tuple[Gpu, ...] = ()
    status: str = FOUND
    reason: Reason | None = None
    advice: Reason | None = None

    @classmethod
    def skipped(cls, code: str, advice: str | None = None, **values: object) -> GpuFinding:
        return cls((), SKIPPED, Reason.of(code, **values), Reason.of(advice) if advice else None)

    @classmethod
    def failed(cls, code: str, advice: str | None = None, **values: object) -> GpuFinding:
        return cls((), FAILED, Reason.of(code, **values), Reason.of(advice) if advice else None)
