"""The requests that wait or are answered now."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QWidget

from ...i18n import _
from ...usecases.service_control import ServiceState
from ..theme import GAP
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.live import LiveText
from . import words

MOST_ROWS = 8
STRETCHES = (4, 3, 4, 2, 3)
RIGHT = (3, 4)
"""Columns of numbers."""


class RequestsCard(Card):
    """Rows are made when they are first needed and painted when they change: nothing moves, four times a second."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Requests now"), parent)
        self.totals = LiveText(right=True, least=200)
        self.heading.addWidget(self.totals, 3)
        self.empty = label("", "muted", wrap=True)
        self.more = label("", "muted", wrap=True)
        self.table = QWidget()
        self._grid = QGridLayout(self.table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP)
        self.rows: list[list[LiveText]] = []
        for column, stretch in enumerate(STRETCHES):
            self._grid.setColumnStretch(column, stretch)
        for column, cell in enumerate(self._add_row(0)):
            cell.set_text(words.request_heads()[column], "muted")
        for part in (self.empty, self.table, self.more):
            self.body.addWidget(part)

    def show_state(self, state: ServiceState) -> None:
        shown = state.requests[:MOST_ROWS]
        self.totals.set_text(words.totals(state))
        self.empty.setText(words.nothing_asked(state))
        self.empty.setVisible(not shown)
        self.table.setVisible(bool(shown))
        while len(self.rows) < len(shown):
            self.rows.append(self._add_row(len(self.rows) + 1))
        for number, row in enumerate(self.rows):
            texts = words.request_cells(shown[number]) if number < len(shown) else None
            for column, cell in enumerate(row):
                cell.setVisible(texts is not None)
                if texts is not None:
                    cell.set_text(texts[column])
        rest = len(state.requests) - len(shown)
        self.more.setVisible(rest > 0)
        self.more.setText(_("and {count} more").format(count=rest))

    def _add_row(self, row: int) -> list[LiveText]:
        cells = [LiveText("text", right=column in RIGHT) for column in range(len(STRETCHES))]
        for column, cell in enumerate(cells):
            self._grid.addWidget(cell, row, column)
        return cells
