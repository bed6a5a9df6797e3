"""The test as the phone agent does: what was asked, what came, and how long it has taken. No widgets."""

from __future__ import annotations

import datetime
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.errors import AppError
from ...usecases import agent_trial
from ...usecases.agent_trial import Asked, Event, Greeted, Heard, Stepped, Trial
from ..bridge import Bridge, Job

TICK_MS = 250

Run = Callable[[Trial], AsyncGenerator[Event, None]]


@dataclass(frozen=True)
class Order:
    """``source`` None: the drawn screens. ``model``: its name when the test began, ``phone``: made for the agent."""

    url: str
    key: str | None
    task: str
    language: str
    source: Path | bytes | None
    model: str
    phone: bool


class TrialController(QObject):
    """``changed`` when a step begins or ends, ``ticked`` while one runs."""

    changed = Signal()
    ticked = Signal()

    def __init__(
        self,
        bridge: Bridge,
        run: Run = agent_trial.run,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime.date] = datetime.date.today,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._run, self._clock, self._today = bridge, run, clock, today
        self._job: Job | None = None
        self._begun = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.ticked)
        self.order: Order | None = None
        self.greeted: Greeted | None = None
        self.asked: Asked | None = None
        self.heard: Heard | None = None
        self.steps: tuple[Stepped, ...] = ()
        self.error: AppError | None = None
        self.stopped = self.swapped = self.prepared = False

    @property
    def running(self) -> bool:
        return self._job is not None

    @property
    def elapsed(self) -> float:
        """Seconds since the step, or the check before the first one, began."""
        return self._clock() - self._begun

    def run(self, order: Order) -> None:
        """Begin; nothing while one runs."""
        if self.running:
            return
        self._forget()
        self.order, self._begun = order, self._clock()
        self._job = self._bridge.stream(lambda: self._work(order), self._event, on_error=self._failed)
        self._job.cancelled.connect(self._cancelled)
        self._job.ended.connect(self._ended)
        self._timer.start()
        self.changed.emit()

    def stop(self) -> None:
        """End it; the service hears that its client is gone."""
        if self._job is not None:
            self._job.cancel()

    def answers(self, model: str) -> None:
        """This model answers now; ``swapped``: it was another one when the test began."""
        if self.order is not None and self.running and model != self.order.model:
            self.swapped = True

    def dismiss(self) -> None:
        """Forget what came of the last one."""
        if not self.running:
            self._forget()
            self.changed.emit()

    async def _work(self, order: Order) -> AsyncGenerator[Any, None]:
        if order.source is None:
            screens = await agent_trial.samples(order.language)
        else:
            screens = (await agent_trial.own_screen(order.source),)
        yield None
        trial = Trial(order.url, order.key, screens, order.task, order.language, self._today())
        events = self._run(trial)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def _forget(self) -> None:
        self.order = self.greeted = self.asked = self.heard = self.error = None
        self.steps, self.stopped, self.swapped, self.prepared = (), False, False, False

    def _event(self, event: Any) -> None:
        if isinstance(event, Heard):
            self.heard = event  # the timer shows it
            return
        if event is None:
            self.prepared, self._begun = True, self._clock()  # the screenshots are read
        elif isinstance(event, Greeted):
            self.greeted = event
        elif isinstance(event, Asked):
            self.asked, self.heard, self._begun = event, None, self._clock()
        elif isinstance(event, Stepped):
            self.steps, self.asked, self.heard = (*self.steps, event), None, None
        self.changed.emit()

    def _failed(self, error: AppError) -> None:
        self.error = error

    def _cancelled(self) -> None:
        self.stopped = True

    def _ended(self) -> None:
        self._job = None
        self._timer.stop()
        self.changed.emit()
