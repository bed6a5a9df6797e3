"""The session (loaded model) as Qt sees it: a state that changes, and requests to it over the bridge."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from ..core.engine_tuning import USUAL, Tuning
from ..core.errors import AppError
from ..core.protocol import Message, Sampling
from ..usecases import engine_tuning, idle_setting
from ..usecases.services import Services
from ..usecases.session import Session, SessionState, Wishes
from ..usecases.targets import Target
from .bridge import Bridge, Job


class SessionModel(QObject):
    """``changed(SessionState)`` on every change; ``failed(AppError)`` when a load could not be done. With ``services``
    settings (idle unload, options of engines) are kept."""

    changed = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        session: Session,
        services: Services | None = None,
        idle_minutes: int = 0,
        tuning: Tuning = USUAL,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._session = session
        self._services = services
        self._load: Job | None = None
        self.idle_minutes = idle_minutes
        self.tuning = tuning
        self.state = SessionState()
        bridge.call(lambda: session.listen(self._from_loop))

    @property
    def session(self) -> Session:
        """For use cases that run on the loop; never call it from the GUI's thread."""
        return self._session

    @property
    def is_untouched(self) -> bool:
        """Whether no model was asked for yet."""
        return self.state.target is None and self._load is None

    def load(self, target: Target, wishes: Wishes | None = None) -> Job:
        """Load a model; where it is the one that is known already, with what was wished of it (a lock), unless
        ``wishes`` says else. A load that still runs is cancelled first, an answer that is being written is stopped."""
        return self._begin(target, lambda kept: wishes if wishes is not None else kept)

    def load_with(self, rung: str | None) -> Job | None:
        """Load the known model again with one rung alone (None: with the whole ladder)."""
        target = self.state.target
        if target is None:
            return None
        return self._begin(target, lambda kept: dataclasses.replace(kept, rung=rung))

    def lock(self, rung: str | None) -> None:
        """From the next load on only this rung is tried; None: the whole ladder again."""
        self._bridge.call(lambda: self._session.lock(rung))

    def cancel_load(self) -> None:
        """Cancel a load: one that was asked for, and one that a message to an unloaded model began."""
        if self._load is not None:
            self._load.cancel()
        else:
            self._bridge.call(self._session.cancel_load)

    def unload(self) -> Job:
        """Free the memory when an answer has ended; the next message loads again."""
        return self._bridge.submit(lambda _report: self._session.unload(), on_error=self.failed.emit)

    def free(self) -> Job:
        """Free the memory at once, whatever is being done; the next message loads again."""
        return self._bridge.submit(lambda _report: self._session.free(), on_error=self.failed.emit)

    def set_idle_minutes(self, minutes: int) -> None:
        """Unload after so many minutes without a message (0: never), from now on."""
        self.idle_minutes = minutes
        services, session = self._services, self._session
        if services is None:
            self._bridge.call(lambda: session.set_idle(idle_setting.seconds(minutes)))
        else:
            self._bridge.submit(lambda _report: idle_setting.change(services, session, minutes))

    def set_tuning(self, tuning: Tuning) -> None:
        """Other options for engines, from the next load on."""
        self.tuning = tuning
        services = self._services
        if services is not None:
            self._bridge.submit(lambda _report: engine_tuning.choose(services, tuning))

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

    def _begin(self, target: Target, choose: Callable[[Wishes], Wishes]) -> Job:
        """``choose`` gets what was wished of this very model before."""
        self.cancel_load()
        self.stop()

        async def work(_report: Callable[[Any], None]) -> SessionState:
            known = self._session.state.target
            kept = self._session.wishes if known is not None and known.file == target.file else Wishes()
            return await self._session.load(target, choose(kept))

        job = self._bridge.submit(work, on_error=self.failed.emit)
        job.ended.connect(lambda: self._load_ended(job))
        self._load = job
        return job

    def _load_ended(self, job: Job) -> None:
        if self._load is job:  # not the load that followed it
            self._load = None

    def _from_loop(self, state: SessionState) -> None:
        self._bridge.deliver(functools.partial(self._show, state))

    def _show(self, state: SessionState) -> None:
        self.state = state
        self.changed.emit(state)
