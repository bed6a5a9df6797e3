"""A document to read in a column: nothing is loaded, and where a link leads is said before it is clicked."""

from __future__ import annotations

import secrets

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QCursor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QTextBrowser, QToolTip, QWidget

from ...i18n import _
from ..widgets.labels import tip
from . import backdrop, links, selection
from .column import COLUMN_WIDTH, MARGIN


class ColumnView(QTextBrowser):
    """``scheme``: of links that act. Not to be guessed: an answer must not contain one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("flat", True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scheme = f"act-{secrets.token_hex(8)}"
        self.highlighted.connect(self._hovered)

    def loadResource(self, type: int, name: QUrl | str) -> None:
        """Nothing is loaded, from nowhere."""
        return

    def createMimeDataFromSelection(self) -> QMimeData:
        """The selected words, without the small print and the buttons among them."""
        data = QMimeData()
        data.setText(selection.text_of(self.textCursor()))
        return data

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab leaves it; links and actions are in the menus of messages."""
        return QWidget.focusNextPrevChild(self, forward)

    def focused_part(self) -> tuple[int, int] | None:
        """From where to where in the document the keyboard's focus is marked."""
        return None

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        top = self.verticalScrollBar().value()
        painter.translate(0, -top)
        backdrop.paint(painter, self.document(), top, self.viewport().height())
        part = self.focused_part()
        if part is not None and self.hasFocus():
            backdrop.paint_focus(painter, self.document(), *part)
        painter.end()
        super().paintEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        bar = self.verticalScrollBar()
        side = max((self.width() - COLUMN_WIDTH) // 2 - MARGIN, 0)
        right = max(side - (bar.width() if bar.isVisible() else 0), 0)
        margins = self.viewportMargins()
        if (margins.left(), margins.right()) != (side, right):
            self.setViewportMargins(side, 0, right, 0)
        super().resizeEvent(event)

    def _hovered(self, url: QUrl) -> None:
        text = self.told_of(url)
        self.viewport().setToolTip(tip(text))
        if text:
            QToolTip.showText(QCursor.pos(), tip(text), self)

    def told_of(self, url: QUrl) -> str:
        """What is said of a link before it is clicked."""
        if url.isEmpty() or url.scheme() == self.scheme:
            return ""
        return links.address(url) if links.opens(url) else _("Only http, https and mailto links are opened.")
