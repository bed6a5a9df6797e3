"""A framed part of a page, and the page around such parts."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from ..theme import GAP
from .labels import label

MAX_WIDTH = 1160
"""Lines of text longer than this are hard to read."""


class Card(QFrame):
    """A frame with an optional heading; ``body`` takes the content, ``heading`` what stands beside the title."""

    def __init__(self, title: str = "", parent: QWidget | None = None, *, padding: int = 2 * GAP) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(GAP)
        self.heading = QHBoxLayout()
        self.heading.setSpacing(GAP)
        if title:
            self.heading.addWidget(label(title, "subtitle"))
            self.heading.addStretch(1)
            self.body.addLayout(self.heading)


class Page(QScrollArea):
    """A scrolling page: a title line (``buttons`` at its right) above ``body``."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        inner.setMaximumWidth(MAX_WIDTH)
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 3 * GAP)
        self.body.setSpacing(2 * GAP)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GAP)
        top = QHBoxLayout()
        top.setSpacing(GAP)
        top.addWidget(label(title, "title"))
        top.addStretch(1)
        top.addLayout(self.buttons)
        self.body.addLayout(top)
        outer = QWidget()
        row = QHBoxLayout(outer)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(inner, 1000)
        row.addStretch(1)
        self.setWidget(outer)
