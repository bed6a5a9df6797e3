"""What was measured here and when, how far measuring is, and what could not be measured."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from ...core.errors import Reason
from ...core.measured import Measurements
from ...i18n import _, sentences
from ...texts import measuring as texts
from ...usecases.measure import Step
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.live import LiveBar, LiveText
from ..widgets.mark import Mark


def known_text(known: Measurements | None) -> str:
    """``Measured on 2026-11-21 10:05. …``"""
    if known is None or known.taken is None:
        return _(
            "Nothing has been measured here yet: speeds are estimates. Measuring takes about half a minute."
        )
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(known.taken))
    said = [_("Measured on {date}.").format(date=when)]
    models = [f"{one.variant} {texts.device_text(one.device)}" for one in known.layers]
    if models:
        said.append(_("Model speed: {models}.").format(models=_(", ").join(models)))
    else:
        said.append(_("The model's speed was not measured; it is estimated."))
    said.append(_("After a change of the hardware, driver or engine it has to be measured anew."))
    return sentences(*said)


class MeasureCard(Card):
    """``wanted`` and ``cancel_wanted`` by its buttons."""

    wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Measured on this machine"), parent)
        self.text = label(role="muted", wrap=True)
        self.measure_button = button(_("Measure …"), self.wanted.emit)
        self.cancel_button = button(_("Cancel"), self._cancel)
        self.step, self.bar = LiveText(), LiveBar()
        self.heading.addWidget(self.measure_button)
        self.heading.addWidget(self.cancel_button)
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
        self.show_known(None)
        self.show_idle()
        self.show_lines(())

    def show_known(self, known: Measurements | None) -> None:
        self.text.setText(known_text(known))

    def show_idle(self) -> None:
        """Nothing runs."""
        self._progress.hide()
        self.cancel_button.hide()
        self.measure_button.show()

    def show_step(self, step: Step | None) -> None:
        """How far it is; None: the check after it runs."""
        if self._progress.isHidden():
            self.show_lines(())
            self.cancel_button.setEnabled(True)
        self._progress.show()
        self.cancel_button.show()
        self.measure_button.hide()
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
