"""The walk down the ladder in the terminal: each failed try as it happens, what runs then, warnings. On stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from .cli_progress import ProgressLine
from .core.errors import Reason
from .host.supervisor import Try
from .texts import reasons, walk
from .texts import session as texts
from .texts.rungs import rung_text
from .usecases.session import Session, SessionState

INDENT = "    "


class WalkTeller:
    """Told of each state of a session. ``reloads``: says what a model runs on after a load that a message began."""

    def __init__(self, session: Session, *, reloads: bool) -> None:
        self._line = ProgressLine()
        self._reloads = reloads
        self._said: tuple[Try, ...] = session.state.tries
        self._warned: Reason | None = None
        self._loading = False

    def show(self, state: SessionState) -> None:
        loading = state.phase in ("installing", "loading")
        if loading:
            self._loading = True
            self._show_load(state)
        elif self._loading:
            self._loading = False
            self._line.end()
            if self._reloads and state.proof is not None and state.plan is not None:
                _say(f"{rung_text(state.plan.rung)} · {texts.proof_text(state.proof)}")
        if state.phase == "ready" and state.warning is not None and state.warning != self._warned:
            _say(reasons.text(state.warning))
        if state.phase == "ready":
            self._warned = state.warning

    def end(self) -> None:
        """Take the progress line away."""
        self._line.end()

    def _show_load(self, state: SessionState) -> None:
        for tried in state.tries:
            if tried.kind is not None and tried not in self._said:
                self._line.end()
                _say(tried_text(tried))
        self._said = state.tries
        step = state.step
        if state.phase == "installing" and state.install is not None:
            self._line.install(state.install)
        elif step is not None and step.failed is None and step.progress is not None:
            self._line.show(texts.step_text(step), step.plan.rung + step.progress.phase)


def tried_text(tried: Try) -> str:
    """What happened, and below it the numbers of the try."""
    numbers = " · ".join(filter(None, (tried.variant, walk.of_try(tried).numbers)))
    return f"{texts.try_text(tried)}\n{INDENT}{numbers}" if numbers else texts.try_text(tried)


@contextlib.contextmanager
def told(session: Session, *, reloads: bool) -> Iterator[None]:
    """What the session does meanwhile is said."""
    teller = WalkTeller(session, reloads=reloads)
    forget = session.listen(teller.show)
    try:
        yield
    finally:
        forget()
        teller.end()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
