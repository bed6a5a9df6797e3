"""The field over the conversations in which one types what is looked for."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QLineEdit, QWidget

from ...i18n import _
from .conversation_view import accept_override

PLAIN_BUTTON = "QToolButton { border: none; background: transparent; padding: 0; min-height: 0; }"
"""The button that clears it is one; as the theme has them it would hang out below."""


class SearchField(QLineEdit):
    """``entered``: Enter; ``down``: the arrow key; ``left``: Escape, before a shortcut of the window gets it."""

    entered = Signal()
    down = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        keys = QKeySequence(QKeySequence.StandardKey.Find).toString(QKeySequence.SequenceFormat.NativeText)
        self.setPlaceholderText(_("Search"))
        self.setAccessibleName(_("Search the conversations"))
        self.setToolTip(keys)
        self.setClearButtonEnabled(True)
        self.setStyleSheet(PLAIN_BUTTON)
        self.setMaxLength(1000)

    def words(self) -> str:
        """What is looked for; "": nothing."""
        return self.text().strip()

    def event(self, event: QEvent) -> bool:
        return accept_override(event, lambda key: key == Qt.Key.Key_Escape) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()
        elif event.key() == Qt.Key.Key_Down:
            self.down.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
