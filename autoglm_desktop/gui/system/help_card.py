"""What would help: changes that the planner has tried, what each leads to, and what it costs."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...core.help_values import PURCHASES, Help
from ...i18n import _
from ...texts import costs, errors
from ...texts import whatif as texts
from ...usecases.advice import Advice
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label

MEASURED = "measure"
"""The page has a card of its own for it."""


def shown(helps: tuple[Help, ...]) -> list[Help]:
    """The best of each kind that the page has no other place for."""
    return [one for one in texts.chosen(helps) if one.kind != MEASURED]


class HelpCard(Card):
    """Hidden where nothing would help. The costs are folded away until asked for."""

    def __init__(self, prices_file: Path, parent: QWidget | None = None) -> None:
        super().__init__(_("What would help"), parent)
        self._file = prices_file
        self.costs_button = button(_("Costs"), self._turn)
        self.heading.addWidget(self.costs_button)
        self.problem = label(role="warn", wrap=True)
        self.costs = QWidget()
        column = QVBoxLayout(self.costs)
        column.setContentsMargins(0, GAP, 0, 0)
        column.setSpacing(GAP)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(0, 1)
        self._note = label(role="muted", wrap=True, selectable=True)
        column.addLayout(self._grid)
        column.addWidget(self._note)
        self._helps = QGridLayout()
        self._helps.setHorizontalSpacing(2 * GAP)
        self._helps.setVerticalSpacing(GAP)
        self._helps.setColumnStretch(0, 2)
        self._helps.setColumnStretch(1, 3)
        self.body.addLayout(self._helps)
        self.body.addWidget(self.problem)
        self.body.addWidget(self.costs)
        self.costs.hide()
        self.hide()

    def show_advice(self, advice: Advice) -> None:
        """Of the check's first model."""
        helps = shown(advice.of(0))
        clear(self._helps)
        for row, one in enumerate(helps):
            self._helps.addWidget(label(texts.change(one), wrap=True), row, 0, Qt.AlignmentFlag.AlignTop)
            said = texts.result(one)
            if one.kind in PURCHASES:
                said = _("{text}; {price}").format(text=said, price=texts.price(one))
            cell = label(said, "muted", wrap=True, selectable=True)
            self._helps.addWidget(cell, row, 1, Qt.AlignmentFlag.AlignTop)
        self.problem.setText(errors.text(advice.problem) if advice.problem is not None else "")
        self.problem.setVisible(advice.problem is not None)
        self._show_costs(advice, bought=any(one.kind in PURCHASES for one in helps))
        self.setVisible(bool(helps) or advice.problem is not None)

    def _show_costs(self, advice: Advice, *, bought: bool) -> None:
        clear(self._grid)
        rows = advice.costs.rows if bought else ()
        self.costs_button.setVisible(bool(rows))
        if not rows:
            self._fold(True)
            return
        for column, head in enumerate(costs.heads()):
            self._place(head, 0, column, "muted")
        for number, row in enumerate(rows, 1):
            for column, text in enumerate(costs.cells(row)):
                self._place(text, number, column, None)
        self._note.setText(costs.note(advice.costs, str(self._file)))

    def _place(self, text: str, row: int, column: int, role: str | None) -> None:
        cell = label(text, role, wrap=not column)
        side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
        cell.setAlignment(side | Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(cell, row, column)

    def _turn(self) -> None:
        self._fold(not self.costs.isHidden())

    def _fold(self, hidden: bool) -> None:
        self.costs.setHidden(hidden)
        self.costs_button.setText(_("Costs") if hidden else _("Hide costs"))
