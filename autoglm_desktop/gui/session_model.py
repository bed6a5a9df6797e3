"""The session (loaded model) as Qt sees it: a state that changes, and requests to it over the bridge."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from ..core.errors import AppError
from ..core.protocol import Message, Sampling
from ..usecases.session import Session, SessionState, Wishes
from ..usecases.targets import Target
from .bridge import Bridge, Job


class SessionModel(QObject):
    """``changed(SessionState)`` on every change; ``failed(AppError)`` when a load could not be done."""

    changed = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: Bridge, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._session = session
        self._load: Job | None = None
        self.state = SessionState()
        bridge.call(lambda: session.listen(self._from_loop))

    @property
    def session(self) -> Session:
        """For use cases that run on the loop; never call it from the GUI's thread."""
        return self._session

    def load(self, target: Target, wishes: Wishes | None = None) -> Job:
        """Load a model. A load that still runs is cancelled first, an answer that is being written is stopped."""
        self.cancel_load()
        self.stop()
        job = self._bridge.submit(
            lambda _report: self._session.load(target, wishes or Wishes()), on_error=self.failed.emit
        )
        job.ended.connect(lambda: self._load_ended(job))
        self._load = job
        return job

    def cancel_load(self) -> None:
        """Cancel a load: one that was asked for, and one that a message to an unloaded model began."""
        if self._load is not None:
            self._load.cancel()
        else:
            self._bridge.call(self._session.cancel_load)

    def unload(self) -> Job:
        """Free the memory; the next message loads again."""
        return self._bridge.submit(lambda _report: self._session.unload(), on_error=self.failed.emit)

    def stop(self) -> None:
        """Stop the answer being generated; its ``done`` follows."""
        self._bridge.call(self._session.stop)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        on_item: Callable[[Any], None],
        on_end: Callable[[Any], None] | None = None,
        on_error: Callable[[AppError], None] | None = None,
    ) -> Job:
        """Ask: deltas and ``done`` arrive as items."""
        return self._bridge.stream(
            lambda: self._session.generate(list(messages), sampling), on_item, on_end, on_error
        )

    def _load_ended(self, job: Job) -> None:
        if self._load is job:  # not the load that followed it
            self._load = None

    def _from_loop(self, state: SessionState) -> None:
        self._bridge.deliver(functools.partial(self._show, state))

    def _show(self, state: SessionState) -> None:
        self.state = state
        self.changed.emit(state)
