"""Checks in rows: mark, name, what was found, what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...core.check_values import FAIL, WARN, Check
from ...i18n import N_, _
from ...texts import check as check_texts
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.card import Card
from ..widgets.fold import FoldCard
from ..widgets.labels import label
from ..widgets.mark import Mark

IN_THE_WINDOW = {
    "install_engine": N_(
        "It is installed at start-up; the line at the top of the window shows how far it is."
    ),
    "engine_failed": N_("Try it again with the button at the top of the window."),
}


def problems(found: Sequence[Check]) -> tuple[Check, ...]:
    """What is not as it should be, the worst first."""
    return tuple(sorted((c for c in found if c.status in (FAIL, WARN)), key=lambda c: c.status != FAIL))


def advice_text(check: Check, system: str | None) -> str | None:
    """What to do about a check: in the window, without the commands that it has buttons for."""
    if check.advice in IN_THE_WINDOW:
        return _(IN_THE_WINDOW[check.advice])
    return check_texts.advice(check.advice, system)


class CheckRows(QWidget):
    """A row per check; ``system`` (Linux, Windows, macOS, WSL) chooses the commands in the advice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP)
        self._grid.setColumnMinimumWidth(1, 16 * GAP)
        self._grid.setColumnStretch(2, 1)

    def show_checks(self, found: Sequence[Check], system: str | None) -> None:
        """Show them in this order."""
        clear(self._grid)
        top = Qt.AlignmentFlag.AlignTop
        for row, check in enumerate(found):
            self._grid.addWidget(Mark(check.status), row, 0, top)
            self._grid.addWidget(label(check_texts.name_text(check)), row, 1, top)
            column = QVBoxLayout()
            column.setSpacing(2)
            column.addWidget(label(check_texts.sentence(check), wrap=True))
            advice = advice_text(check, system)
            if advice is not None:
                column.addWidget(label(advice, "muted", wrap=True, selectable=True))
            holder = QWidget()
            holder.setLayout(column)
            column.setContentsMargins(0, 0, 0, 0)
            self._grid.addWidget(holder, row, 2)


class ProblemsCard(Card):
    """What to look at; hidden where there is nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("To look at"), parent)
        self.rows = CheckRows()
        self.body.addWidget(self.rows)
        self.hide()

    def show_checks(self, found: Sequence[Check], system: str | None) -> None:
        worth = problems(found)
        self.rows.show_checks(worth, system)
        self.setVisible(bool(worth))


class AllChecksCard(FoldCard):
    """Every check, folded away until asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        rows = CheckRows()
        super().__init__(_("Every check"), rows, parent)
        self.rows = rows
        self.hide()

    def show_checks(self, found: Sequence[Check], system: str | None) -> None:
        self.rows.show_checks(found, system)
        self.setVisible(bool(found))
