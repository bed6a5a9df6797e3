"""The card that offers the engine for this machine's graphics card, shows how it is installed, and what came of it."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...host.environments import Environment
from ...host.install import InstallProgress
from ...i18n import _
from ...texts import engines as texts
from ...texts.session import install_text
from ...usecases.engine_offer import Standing
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.live import LiveBar, LiveText
from ..widgets.mark import Mark


class EngineCard(Card):
    """Hidden where there is nothing to say. ``install_wanted``, ``decline_wanted``, ``cancel_wanted`` by its buttons;
    ``repair_wanted(name)``: one whose self-test failed is to be tried again."""

    install_wanted = Signal()
    decline_wanted = Signal()
    cancel_wanted = Signal()
    repair_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("An engine for the graphics card"), parent)
        self.name = label(role="subtitle", wrap=True)
        self.lines = [label(wrap=True, selectable=True) for _line in range(2)]
        self.needs = label(role="muted", wrap=True)
        self.install_button = button(_("Install"), self.install_wanted.emit, "primary")
        self.decline_button = button(_("Not now"), self.decline_wanted.emit)
        self.close_button = button(_("Close"), lambda: self.show_said(()))
        self.cancel_button = button(_("Cancel"), self._cancel)
        self.step, self.bar = LiveText(), LiveBar()
        self.retry_buttons: dict[str, QPushButton] = {}
        self._asks = False
        self._arrange()
        self.show_step(None)
        self.show_said(())
        self._show_failed(())
        self.hide()

    def show_standing(self, found: Standing, *, wanted: bool = False) -> None:
        """The offer and what failed; what was declined only where it is ``wanted`` now."""
        offered = found.offer if wanted or not found.declined else None
        failed = tuple(
            one for one in found.failed if wanted or one.description.name not in found.declined_names
        )
        self._offer.setVisible(offered is not None)
        self.install_button.setVisible(offered is not None)
        self.decline_button.setText(_("Not now") if offered is not None else _("Close"))
        self._asks = offered is not None or bool(failed)
        self._ask.setVisible(self._asks and self._progress.isHidden())
        if offered is not None:
            self.name.setText(texts.title_text(offered.name))
            self.lines[0].setText(texts.why_line(found))
            self.lines[1].setText(texts.gain_line(found.gain) if found.gain is not None else "")
            self.lines[1].setVisible(found.gain is not None)
            self.needs.setText(texts.size_line(offered))
        self._show_failed(failed)
        self._settle()

    def show_step(self, progress: InstallProgress | None) -> None:
        """How far installing is; None: nothing is being done."""
        works = progress is not None
        if works and self._progress.isHidden():
            self.cancel_button.setEnabled(True)
        self._progress.setVisible(works)
        self._ask.setVisible(self._asks and not works)
        for one in self.retry_buttons.values():
            one.setEnabled(not works)
        if progress is not None:
            self.step.set_text(install_text(progress))
            self.bar.set_fraction(progress.fraction)
        self._settle()

    def show_said(self, said: tuple[tuple[str, str], ...]) -> None:
        """Sentences on what was done, with their marks; they stay until they are closed."""
        clear(self._results)
        for row, (status, text) in enumerate(said):
            self._line(self._results, row, status, text)
        self._said.setVisible(bool(said))
        self.close_button.setVisible(bool(said))
        self._settle()

    def _show_failed(self, failed: tuple[Environment, ...]) -> None:
        clear(self._broken)
        self.retry_buttons = {}
        for row, environment in enumerate(failed):
            name = environment.description.name
            self._line(self._broken, row, "warn", texts.failed_line(environment))
            again = button(_("Try again"), functools.partial(self.repair_wanted.emit, name))
            again.setEnabled(self._progress.isHidden())
            self._broken.addWidget(again, row, 2)
            self.retry_buttons[name] = again
        self._failed.setVisible(bool(failed))

    def _line(self, grid: QGridLayout, row: int, status: str, text: str) -> None:
        grid.addWidget(Mark(status), row, 0)
        grid.addWidget(label(text, wrap=True, selectable=True), row, 1)

    def _settle(self) -> None:
        parts = (self._offer, self._progress, self._said, self._failed)
        self.setVisible(any(not part.isHidden() for part in parts))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.cancel_wanted.emit()

    def _arrange(self) -> None:
        self._offer, self._ask, self._progress = QWidget(), QWidget(), QWidget()
        column = QVBoxLayout(self._offer)
        column.setSpacing(GAP // 2)
        for widget in (self.name, *self.lines, self.needs):
            column.addWidget(widget)
        asked = QHBoxLayout(self._ask)
        asked.setSpacing(GAP)
        asked.addWidget(self.install_button)
        asked.addWidget(self.decline_button)
        asked.addStretch(1)
        row = QHBoxLayout(self._progress)
        row.setSpacing(2 * GAP)
        row.addWidget(self.bar, 1)
        row.addWidget(self.step, 2)
        row.addWidget(self.cancel_button)
        self._said, self._results = _grid()
        self._failed, self._broken = _grid()
        self.heading.addWidget(self.close_button)
        for layout in (column, asked, row):
            layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._said, self._failed, self._offer, self._progress, self._ask):
            self.body.addWidget(part)


def _grid() -> tuple[QWidget, QGridLayout]:
    """A place for sentences with marks."""
    place = QWidget()
    grid = QGridLayout(place)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(GAP)
    grid.setColumnStretch(1, 1)
    return place, grid
