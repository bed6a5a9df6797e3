"""The column that transcript, notices and composer share."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from ..theme import GAP

COLUMN_WIDTH = 760
"""Lines longer than this are hard to read."""

MARGIN = 2 * GAP


def centred(widget: QWidget, top: int = 0, bottom: int = 0) -> QHBoxLayout:
    """A layout in which ``widget`` is as wide as the column."""
    widget.setMaximumWidth(COLUMN_WIDTH)
    row = QHBoxLayout()
    row.setContentsMargins(MARGIN, top, MARGIN, bottom)
    row.addStretch(1)
    row.addWidget(widget, 1000)
    row.addStretch(1)
    return row
