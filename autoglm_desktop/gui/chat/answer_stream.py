"""The one answer that is being written, whoever writes it: begun, followed, stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.errors import AppError
from ...core.protocol import Delta
from ...store.conversations import Conversation, Picture
from ...usecases import chat
from ..bridge import Bridge, Job
from ..session_model import SessionModel

STOP_PATIENCE_MS = 3000
"""After Stop the engine ends within a token and says what it did; one that doesn't is no longer waited for."""


@dataclass
class Answering:
    """An answer on its way. ``asked`` is set once the question is kept; ``begun``: what stood in the answer before;
    ``remote``: a server writes it."""

    conversation: Conversation | None
    draft: str
    pictures: tuple[Picture, ...] = ()
    remote: bool = False
    begun: str = ""
    job: Job | None = None
    asked: chat.Asked | None = None
    parts: list[str] = field(default_factory=list)
    stopping: bool = False

    def text(self) -> str:
        return self.begun + "".join(self.parts)


class AnswerStream(QObject):
    """One at a time, in ``answering``. ``changed``: whether one is written; then ``asked(Asked)``, ``delta(text)``, and
    at the end ``answered(StoredMessage)`` or ``broken(Answering, AppError | None)`` (None: it was cancelled), when it
    is no longer ``answering``."""

    changed = Signal()
    asked = Signal(object)
    delta = Signal(str)
    answered = Signal(object)
    left_out = Signal(object)  # names of settings that the server who answered does not know
    broken = Signal(object, object)

    def __init__(self, bridge: Bridge, session: SessionModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._session = bridge, session
        self.answering: Answering | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(STOP_PATIENCE_MS)
        self._patience.timeout.connect(self._stop_waiting)

    def begin(self, answering: Answering, work: Callable[[], chat.Events]) -> None:
        """Nothing where one is being written already."""
        if self.answering is not None:
            return
        self.answering = answering
        job = self._bridge.stream(work, self._event, on_error=self._end)
        job.cancelled.connect(self._end)
        answering.job = job
        self.changed.emit()

    def stop(self) -> None:
        """Stop the answer; a second time, or while nothing of it came yet, without waiting for the engine. Answers of
        others (the service) go on: where the engine may write theirs, this one's request alone is ended."""
        answering = self.answering
        if answering is None or answering.job is None:
            return
        proof = self._session.state.proof
        with_others = not answering.parts or (proof is not None and (proof.batch or 1) > 1)
        if answering.remote or with_others or answering.stopping:
            answering.job.cancel()
        else:
            self._session.stop()
            self._patience.start()
        answering.stopping = True
        self.changed.emit()

    def _event(self, event: object) -> None:
        answering = self.answering
        if answering is None:
            return
        if isinstance(event, Delta):
            answering.parts.append(event.text)
            if not answering.stopping:
                self.delta.emit(event.text)
        elif isinstance(event, chat.Asked):
            answering.asked = event
            self.asked.emit(event)
        elif isinstance(event, chat.Answered):
            self._forget()
            self.answered.emit(event.answer)
            if event.left_out:
                self.left_out.emit(event.left_out)
            self.changed.emit()

    def _end(self, error: AppError | None = None) -> None:
        answering = self._forget()
        if answering is not None:
            self.broken.emit(answering, error)
            self.changed.emit()

    def _forget(self) -> Answering | None:
        self._patience.stop()
        answering, self.answering = self.answering, None
        return answering

    def _stop_waiting(self) -> None:
        if self.answering is not None and self.answering.job is not None and self.answering.stopping:
            self.answering.job.cancel()
