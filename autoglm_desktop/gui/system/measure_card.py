"""What was measured here and when, how far measuring is, and what could not be measured."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from ...core.errors import Reason
from ...core.measured import Measurements
from ...core.measured_age import Outdated
from ...i18n import _
from ...texts import measuring as texts
from ...usecases.measure import Step
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.live import LiveBar, LiveText
from ..widgets.mark import Mark


class MeasureCard(Card):
    """``wanted``, ``cancel_wanted`` and ``forget_wanted`` by its buttons."""

    wanted = Signal()
    cancel_wanted = Signal()
    forget_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Measured on this machine"), parent)
        self.text = label(role="muted", wrap=True)
        self.measure_button = button(_("Measure …"), self.wanted.emit)
        self.cancel_button = button(_("Cancel"), self._cancel)
        self.forget_button = button(_("Forget"), self.forget_wanted.emit, "link")
        self.forget_button.setToolTip(
            _("Forgets what was measured on this machine; speeds are estimates again.")
        )
        self.step, self.bar = LiveText(), LiveBar()
        self.heading.addWidget(self.forget_button)
        self.heading.addWidget(self.measure_button)
        self.heading.addWidget(self.cancel_button)
        self._forgettable = False
        self._progress = QWidget()
        row = QHBoxLayout(self._progress)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GAP)
        row.addWidget(self.bar, 1)
        row.addWidget(self.step, 1)
        self._said = QWidget()
        self._lines = QGridLayout(self._said)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setHorizontalSpacing(GAP)
        self._lines.setColumnStretch(1, 1)
        for widget in (self.text, self._progress, self._said):
            self.body.addWidget(widget)
        self.show_idle()
        self.show_known(None)
        self.show_lines(())

    def show_known(self, known: Measurements | None, outdated: Sequence[Outdated] = ()) -> None:
        """What was measured and when; what of it no longer counts."""
        self.text.setText(texts.known_text(known, outdated))
        self._forgettable = known is not None or bool(outdated)
        self.forget_button.setVisible(self._forgettable and self._progress.isHidden())

    def show_idle(self) -> None:
        """Nothing runs."""
        self._progress.hide()
        self.cancel_button.hide()
        self.measure_button.show()
        self.forget_button.setVisible(self._forgettable)

    def show_step(self, step: Step | None) -> None:
        """How far it is; None: the check after it runs."""
        if self._progress.isHidden():
            self.show_lines(())
            self.cancel_button.setEnabled(True)
        self._progress.show()
        self.cancel_button.show()
        self.measure_button.hide()
        self.forget_button.hide()
        self.bar.set_fraction(1.0 if step is None else step.fraction)
        self.step.set_text(_("Checking …") if step is None else texts.step_text(step))

    def show_failures(self, failed: Sequence[tuple[str, Reason]]) -> None:
        """What could not be measured, and why."""
        self.show_lines([("warn", texts.failure_text(*one)) for one in failed])

    def show_lines(self, lines: Sequence[tuple[str, str]]) -> None:
        """Sentences with their marks (ok, warn, fail, unknown)."""
        clear(self._lines)
        for row, (status, text) in enumerate(lines):
            self._lines.addWidget(Mark(status), row, 0, Qt.AlignmentFlag.AlignTop)
            self._lines.addWidget(label(text, wrap=True, selectable=True), row, 1)
        self._said.setVisible(bool(lines))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.cancel_wanted.emit()
