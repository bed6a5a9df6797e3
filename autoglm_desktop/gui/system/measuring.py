"""The Measure button's course: consent, work on the loop, its end. Not beside a loaded model, whose work would show.
Forgetting what was measured."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ...core.errors import AppError
from ...i18n import _, sentences
from ...texts import errors
from ...usecases.check import CheckOptions, CheckResult
from ...usecases.measure import Step, forget, measure
from ...usecases.measure_check import Check, Measure, Outcome, measure_and_check
from ...usecases.services import Services
from ...usecases.session import SessionState
from ..bridge import Bridge, Job
from ..session_model import SessionModel
from ..widgets.dialog import Ask
from .measure_card import MeasureCard

BUSY_PHASES = ("installing", "loading", "ready", "generating")
"""Phases of the chat's engine in which it uses the machine or is about to."""

Asked = Callable[[], tuple[CheckResult | None, CheckOptions]]


def consent_text(*, engine: bool) -> str:
    """What is measured and what that takes. ``engine``: one that runs models is installed."""
    said = [
        _("How fast RAM and disk are read, and how fast a few layers with the model's shapes are computed."),
        _("It takes about half a minute and up to 1.5 GB of disk space, which are freed afterwards."),
        _("The figures stay on this machine. They are best while other programs are quiet."),
    ]
    if not engine:
        said.append(_("No engine is installed yet: the model's speed is left out for now."))
    return sentences(*said)


class Measuring(QObject):
    """``measured(CheckResult)`` with the check after it; ``ended`` after every end, cancelled and failed too.
    ``forgotten``: the figures are gone, and a check would say so."""

    measured = Signal(object)
    forgotten = Signal()
    began = Signal()
    ended = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        card: MeasureCard,
        check: Check,
        asked: Asked,
        session: SessionModel | None = None,
        work: Measure = measure,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self.card = bridge, services, card
        self._check, self._asked, self._session, self._work = check, asked, session, work
        self._window = parent
        self._job: Job | None = None
        self._reason = ""
        self.dialog: Ask | None = None
        card.wanted.connect(self.ask)
        card.cancel_wanted.connect(self.cancel)
        card.forget_wanted.connect(self.forget)
        if session is not None:
            session.changed.connect(self._session_changed)

    @property
    def active(self) -> bool:
        return self._job is not None

    def ask(self) -> None:
        """Say what is done, and begin where that is agreed to."""
        result, _options = self._asked()
        if result is None or self.active or self.dialog is not None:
            return
        if self._refused():
            return
        engine = bool(result.machine.runtime.engines)
        self.dialog = Ask(
            _("Measure this machine?"), consent_text(engine=engine), _("Measure"), parent=self._window
        )
        self.dialog.accepted.connect(self._start)
        self.dialog.finished.connect(self._asked_enough)
        self.dialog.open()

    def cancel(self) -> None:
        """End it; what was written is removed."""
        if self._job is not None:
            self._job.cancel()

    def forget(self) -> None:
        """Forget what was measured on this machine."""
        result, _options = self._asked()
        if result is None or self.active:
            return
        machine = result.machine
        self._bridge.submit(
            lambda _tell: forget(self._services, machine), lambda _known: self.forgotten.emit(), self._failed
        )

    def _refused(self) -> bool:
        """Whether the chat's model stands in the way; says so."""
        if self._session is None or self._session.state.phase not in BUSY_PHASES:
            return False
        said = _("A model is loaded. Its work would disturb the figures: unload it first, then measure.")
        self.card.show_lines([("warn", said)])
        return True

    def _start(self) -> None:
        result, options = self._asked()
        if result is None or self.active or self._refused():
            return
        self._reason = ""
        self.card.show_step(Step("memory", 0.0))
        self._job = self._bridge.submit(
            lambda tell: measure_and_check(
                self._services, result, options, lambda step: tell((step,)), self._check, self._work
            ),
            self._done,
            self._failed,
            self._step,
        )
        self._job.cancelled.connect(self._cancelled)
        self._job.ended.connect(self._ended)
        self.began.emit()

    def _step(self, told: tuple[Step | None]) -> None:
        self.card.show_step(told[0])

    def _done(self, outcome: Outcome) -> None:
        self.measured.emit(outcome.result)
        self.card.show_failures(outcome.failed)

    def _failed(self, error: AppError) -> None:
        self.card.show_lines([("fail", errors.text(error))])

    def _cancelled(self) -> None:
        said = self._reason or _("Measuring was cancelled. What was written for it is removed.")
        self.card.show_lines([("unknown", said)])

    def _ended(self) -> None:
        self._job = None
        self.card.show_idle()
        self.ended.emit()

    def _session_changed(self, state: SessionState) -> None:
        """A model that is loaded meanwhile goes first."""
        if self.active and state.phase in ("installing", "loading"):
            self._reason = _(
                "Measuring was ended because a model is being loaded. Measure when it is unloaded."
            )
            self.cancel()

    def _asked_enough(self) -> None:
        self.dialog = None
