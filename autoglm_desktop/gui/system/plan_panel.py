"""The details of a ladder's row, shown on demand."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...core.rungs import RungPlan
from ..theme import GAP
from ..widgets.labels import label
from . import plan_details


class PlanPanel(QWidget):
    """Memory by device and cause as a table, the rest in lines."""

    def __init__(self, plan: RungPlan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, GAP)
        column.setSpacing(GAP // 2)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GAP + GAP // 2)
        grid.setVerticalSpacing(GAP // 2)
        for place, head in enumerate(plan_details.memory_head(), 1):
            self._number(grid, head.replace(" ", "\n"), 0, place, "muted")
        for row, (device, *sizes) in enumerate(plan_details.memory_rows(plan), 1):
            grid.addWidget(label(device, "muted"), row, 0)
            for place, size in enumerate(sizes, 1):
                self._number(grid, size, row, place, None)
        grid.setColumnStretch(grid.columnCount(), 1)
        column.addLayout(grid)
        for line in plan_details.lines(plan):
            column.addWidget(label(line, "muted", wrap=True, selectable=True))

    @staticmethod
    def _number(grid: QGridLayout, text: str, row: int, column: int, role: str | None) -> None:
        cell = label(text, role)
        cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        grid.addWidget(cell, row, column)
