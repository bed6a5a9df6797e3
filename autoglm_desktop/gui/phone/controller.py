"""What the view of a phone step knows and does: the chosen picture, and the step that runs."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.errors import AppError
from ...core.remote import Endpoint
from ...usecases import phone_step
from ...usecases.phone_step import Preview, Question, Result, See, Written
from ...usecases.pictures import Pictures, Prepared
from ...usecases.remote_servers import RemoteServers
from ...usecases.session import Wishes
from ...usecases.targets import Target
from ..bridge import Bridge, Job
from ..session_model import SessionModel

TICK_MS = 500


class PhoneController(QObject):
    """``see``: what of a target can look at pictures (``usecases.pictures.seeing`` with a library). ``servers``: where
    ``remote`` is found, the server that answers instead of this machine.

    ``changed`` when its state is another one, ``ticked`` while a step runs: time passes, a token came.
    """

    changed = Signal()
    ticked = Signal()

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        pictures: Pictures,
        see: See,
        today: Callable[[], datetime.date] = datetime.date.today,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
        servers: RemoteServers | None = None,
    ) -> None:
        super().__init__(parent)
        self._servers = servers
        self.remote: Endpoint | None = None
        self._wanted: Endpoint | None = None
        self._bridge, self._session, self._pictures, self._see = bridge, session, pictures, see
        self._today, self._clock = today, clock
        self._source: Path | bytes | None = None
        self._reading: Job | None = None
        self._job: Job | None = None
        self._begun = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.ticked)
        self.preview: Preview | None = None
        self.shown: Prepared | None = None
        self.written: Written | None = None
        self.result: Result | None = None
        self.error: AppError | None = None
        self.stopped = False

    @property
    def reading(self) -> bool:
        """Whether a picture is being decoded."""
        return self._reading is not None

    @property
    def running(self) -> bool:
        """Whether a step runs."""
        return self._job is not None

    @property
    def elapsed(self) -> float:
        """Seconds since the step was asked for."""
        return self._clock() - self._begun

    def choose(self, source: Path | bytes) -> None:
        """Take another picture; nothing while a step runs."""
        if self.running:
            return
        self._forget()
        self.preview, self._source = None, source
        if self._reading is not None:
            self._reading.cancel()
        job = self._bridge.submit(
            lambda _report: phone_step.preview(self._pictures, source),
            lambda preview: self._previewed(source, preview),
            lambda error: self._refused(source, error),
        )
        self._reading = job
        job.ended.connect(lambda: self._read(job))
        self.changed.emit()

    def run(self, task: str, language: str) -> None:
        """Ask the model for the next step of a task."""
        if self.running or self.preview is None or self._source is None:
            return
        self._forget()
        question = Question(self._source, task, language, self._today())
        self._begun = self._clock()
        self._job = self._bridge.stream(self._work(question), self._event, on_error=self._failed)
        self._job.cancelled.connect(self._cancelled)
        self._job.ended.connect(self._ended)
        self._timer.start()
        self.changed.emit()

    def answer_by(self, endpoint: Endpoint | None) -> None:
        """Who answers: a remote server, or this machine's model; a step that runs ends as it began."""
        self._wanted = endpoint
        if endpoint != self.remote and not self.running:
            self.remote = endpoint
            self.dismiss()

    def _work(self, question: Question) -> Callable[[], AsyncIterator[Any]]:
        servers, endpoint, own = self._servers, self.remote, self._pictures
        if servers is not None and endpoint is not None:
            return lambda: phone_step.run_there(servers, endpoint, own, question)
        return lambda: phone_step.run(self._session.session, own, self._see, question)

    def stop(self) -> None:
        """End the step at once; what was written is kept."""
        if self._job is not None:
            self._job.cancel()

    def load_seeing(self) -> None:
        """Load the model that is known with its vision part, or say why it has none."""
        target, see = self._session.state.target, self._see
        if target is None or self.running:
            return
        self.dismiss()
        self._bridge.submit(lambda _report: asyncio.to_thread(see, target), self._load, self._cannot_see)

    def dismiss(self) -> None:
        """Forget what went wrong."""
        self.error = None
        self.changed.emit()

    def _forget(self) -> None:
        self.shown = self.written = self.result = self.error = None
        self.stopped = False

    def _previewed(self, source: Path | bytes, preview: Preview) -> None:
        if source is self._source:  # no other was chosen meanwhile
            self.preview = preview

    def _refused(self, source: Path | bytes, error: AppError) -> None:
        if source is self._source:
            self.error = error

    def _read(self, job: Job) -> None:
        if self._reading is job:
            self._reading = None
            self.changed.emit()

    def _event(self, event: Any) -> None:
        if isinstance(event, Prepared):
            self.shown = event
        elif isinstance(event, Written):
            self.written = event
            self.ticked.emit()
            return
        elif isinstance(event, Result):
            self.result = event
        self.changed.emit()

    def _load(self, target: Target) -> None:
        self._session.load(target, Wishes(wish=phone_step.WISH))

    def _cannot_see(self, error: AppError) -> None:
        self.error = error
        self.changed.emit()

    def _failed(self, error: AppError) -> None:
        self.error = error

    def _cancelled(self) -> None:
        self.stopped = True

    def _ended(self) -> None:
        self._job = None
        self._timer.stop()
        self.remote = self._wanted
        self.changed.emit()
