"""Settings of the system: what they are, what published guides set, and whether that matters here."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from ...core.machine import OsInfo
from ...i18n import _
from ...texts import tuning
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.fold import FoldCard
from ..widgets.labels import label


class TuningCard(FoldCard):
    """Folded away; hidden where no setting was asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        table = QWidget()
        super().__init__(_("Settings of the system"), table, parent)
        self._grid = QGridLayout(table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP)
        for column, stretch in ((0, 3), (1, 2), (2, 2), (3, 4)):
            self._grid.setColumnStretch(column, stretch)
        self.hide()

    def show_system(self, system: OsInfo) -> None:
        """Show its settings."""
        clear(self._grid)
        rows = tuning.rows(system)
        self.setVisible(bool(rows))
        for column, head in enumerate((_("Setting"), _("Here"), _("In guides"), _("Does it matter?"))):
            self._place(head, "muted", 0, column)
        for number, row in enumerate(rows, 1):
            self._place(row.name, None, number, 0)
            self._place(row.value, None, number, 1)
            self._place(row.published or "–", "muted", number, 2)
            self._place(row.note, "muted", number, 3)

    def _place(self, text: str, role: str | None, row: int, column: int) -> None:
        self._grid.addWidget(label(text, role, wrap=True), row, column, Qt.AlignmentFlag.AlignTop)
