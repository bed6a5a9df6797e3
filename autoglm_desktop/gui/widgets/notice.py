"""A sentence about something that happened, which can be put away."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ..theme import GAP
from .buttons import button
from .card import Card
from .labels import label
from .mark import Mark


class Notice(Card):
    """``status`` as in Mark: ok, warn, fail, unknown. ``closed`` by its button."""

    closed = Signal()

    def __init__(self, status: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, padding=GAP + GAP // 2)
        self.text = text
        row = QHBoxLayout()
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(Mark(status))
        row.addWidget(label(text, wrap=True, selectable=True), 1)
        self.close_button = button(_("Close"), self.closed.emit)
        row.addWidget(self.close_button)
        self.body.addLayout(row)


class Notices(QWidget):
    """Notices, the newest last; hidden while there are none."""

    def __init__(self, most: int = 5, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shown: list[Notice] = []
        self._most = most
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GAP)
        self.hide()

    def say(self, status: str, text: str) -> None:
        """Add a notice. The same one is not repeated, and the oldest goes where there are too many."""
        for old in self.shown:
            if old.text == text:
                self.put_away(old)
                break
        if len(self.shown) == self._most:
            self.put_away(self.shown[0])
        notice = Notice(status, text)
        notice.closed.connect(functools.partial(self.put_away, notice))
        self.shown.append(notice)
        self._column.addWidget(notice)
        self.show()

    def put_away(self, notice: Notice) -> None:
        """Remove a notice."""
        self.shown.remove(notice)
        notice.hide()
        notice.deleteLater()
        self.setVisible(bool(self.shown))
