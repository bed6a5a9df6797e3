"""Widgets side by side."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from ..theme import GAP


def in_row(*parts: QWidget | None) -> QHBoxLayout:
    """None takes what room is left."""
    made = QHBoxLayout()
    made.setSpacing(GAP)
    for part in parts:
        if part is None:
            made.addStretch(1)
        else:
            made.addWidget(part)
    return made


def row_of(*parts: QWidget | None) -> QWidget:
    """The same as a widget without margins: hidden, it takes no room."""
    made = QWidget()
    row = in_row(*parts)
    row.setContentsMargins(0, 0, 0, 0)
    made.setLayout(row)
    return made
