"""A row that is scrolled sideways where it is too long."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget


class SideScroll(QScrollArea):
    """The wheel moves it sideways: most mice have no other one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("sideways", True)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def wheelEvent(self, event: QWheelEvent) -> None:
        by, bar = event.angleDelta(), self.horizontalScrollBar()
        if bar.maximum() == 0:
            event.ignore()  # for what lies behind it
            return
        bar.setValue(bar.value() - (by.x() or by.y()))
        event.accept()
