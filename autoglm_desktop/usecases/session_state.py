"""What a session shows of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core import protocol
from ..core.errors import AppError, Reason
from ..core.rungs import RungPlan
from ..host.install import InstallProgress
from ..host.supervisor import Step, Try
from .targets import Target


@dataclass(frozen=True)
class SessionState:
    """What the window's badge shows. ``phase``: idle | installing | loading | ready | generating | failed.

    ``tries``: what was tried for this load, answers that failed before it included; ``ahead``: what would be tried
    next; ``ladder``: every rung of the target, as it was planned last; ``unloaded``: why an idle target is not loaded
    (freed | idle; None: it was not loaded yet, or its load was cancelled); ``file``: which of the target's files is
    loaded."""

    phase: str = "idle"
    target: Target | None = None
    install: InstallProgress | None = None
    step: Step | None = None
    engine: str | None = None  # name of the environment
    plan: RungPlan | None = None
    proof: protocol.Proof | None = None
    tries: tuple[Try, ...] = ()
    ahead: tuple[RungPlan, ...] = ()
    ladder: tuple[RungPlan, ...] = ()
    memory: protocol.MemoryUse | None = None
    tokens_per_s: float | None = None
    error: AppError | None = None
    warning: Reason | None = None
    locked: str | None = None  # the only rung that may be tried
    unloaded: str | None = None
    file: Path | None = None

    @property
    def shown_file(self) -> Path | None:
        """The file that this is about: what is loaded, else the target's own."""
        return self.file or (self.target.file if self.target is not None else None)


Listener = Callable[[SessionState], None]


class Board:
    """The state that is shown now, and who watches it. All on the loop's thread."""

    def __init__(self) -> None:
        self.state = SessionState()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def set(self, state: SessionState) -> None:
        """Show another state."""
        self.state = state
        for listener in list(self._listeners):
            listener(state)

    def change(self, **changes: object) -> None:
        """Show the state with some parts changed."""
        self.set(dataclasses.replace(self.state, **changes))  # type: ignore[arg-type]

    def renew(self, phase: str, target: Target | None, **values: object) -> None:
        """Show a state that keeps of the one before only the ladder, where the target is the same."""
        ladder = self.state.ladder if target == self.state.target else ()
        self.set(SessionState(phase, target, ladder=ladder, **values))  # type: ignore[arg-type]

    def planned(self, ladder: tuple[RungPlan, ...]) -> None:
        self.change(ladder=ladder)

    def installing(self, progress: InstallProgress) -> None:
        self.change(phase="installing", install=progress)

    def step(self, step: Step) -> None:
        tries = (*self.state.tries, step.failed) if step.failed is not None else self.state.tries
        self.change(phase="loading", install=None, step=step, tries=tries, ahead=step.ahead)

    def answering(self) -> None:
        """An answer begins: that the last one was slow is over; who holds memory is looked at when it has ended."""
        warning = self.state.warning
        kept = warning if warning is not None and warning.code != "speed_fell" else None
        self.change(phase="generating", error=None, warning=kept)

    def warn(self, reason: Reason | None) -> None:
        """Warn of the model that runs; None: others hold none of its memory."""
        if self.state.phase not in ("ready", "generating"):
            return
        if reason is not None or (
            self.state.warning is not None and self.state.warning.code == "memory_taken"
        ):
            self.change(warning=reason)
