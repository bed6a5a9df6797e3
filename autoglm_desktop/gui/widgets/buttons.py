"""Buttons by kind, and a choice of few."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget


def button(text: str, act: Callable[[], object] | None = None, kind: str = "plain") -> QPushButton:
    """A button. ``kind``: primary, plain, danger or link, as the style sheet knows them."""
    made = QPushButton(text)
    made.setProperty("kind", kind)
    if kind == "link":
        made.setCursor(Qt.CursorShape.PointingHandCursor)
    if act is not None:
        made.clicked.connect(lambda: act())
    return made


class Choice(QWidget):
    """A row of buttons of which one is pressed. ``picked(value)`` when the user presses another."""

    picked = Signal(str)

    def __init__(self, choices: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._values = [value for value, _text in choices]
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for number, (_value, text) in enumerate(choices):
            made = button(text)
            made.setCheckable(True)
            self._group.addButton(made, number)
            row.addWidget(made)
        self._group.idClicked.connect(lambda number: self.picked.emit(self._values[number]))

    def value(self) -> str | None:
        """What is pressed."""
        number = self._group.checkedId()
        return self._values[number] if number >= 0 else None

    def set_value(self, value: str) -> None:
        """Press a button; says nothing."""
        self._group.button(self._values.index(value)).setChecked(True)
