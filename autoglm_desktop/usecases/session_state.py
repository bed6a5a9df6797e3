"""What a session shows of itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..core import protocol
from ..core.errors import AppError, Reason
from ..core.rungs import RungPlan
from ..host.install import InstallProgress
from ..host.supervisor import Step, Try
from .targets import Target


@dataclass(frozen=True)
class SessionState:
    """What the window's badge shows. ``phase``: idle | installing | loading | ready | generating | failed."""

    phase: str = "idle"
    target: Target | None = None
    install: InstallProgress | None = None
    step: Step | None = None
    engine: str | None = None  # name of the environment
    plan: RungPlan | None = None
    proof: protocol.Proof | None = None
    tries: tuple[Try, ...] = ()
    memory: protocol.MemoryUse | None = None
    tokens_per_s: float | None = None
    error: AppError | None = None
    warning: Reason | None = None
    locked: str | None = None  # the only rung that may be tried
