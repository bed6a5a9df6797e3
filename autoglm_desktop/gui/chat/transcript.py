"""The conversation to read: one document, selectable across messages; what is streamed is drawn every 50 ms."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCursor, QDesktopServices, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QTextBrowser, QToolTip, QWidget

from ...i18n import _
from ..theme import GAP
from ..widgets.labels import tip
from . import backdrop
from .column import COLUMN_WIDTH, MARGIN
from .document import ChatDocument, Entry

FRAME_MS = 50


class Transcript(QTextBrowser):
    """``acted(name, key)``: an action below a message was clicked; ``end_seen(bool)``: whether its end is in view."""

    acted = Signal(str, int)
    end_seen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("flat", True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(_("Conversation"))
        # Not to be guessed: an answer must not contain a link that acts.
        self._scheme = f"act-{secrets.token_hex(8)}"
        self.chat = ChatDocument(self.document(), self.font(), self._scheme)
        self._stick = True
        self._interval_ms = FRAME_MS
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self.anchorClicked.connect(self._clicked)
        self.highlighted.connect(self._hovered)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._grown)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these messages; one that is being written ends. Who reads above the end stays there."""
        self._timer.stop()
        place, stick = self.verticalScrollBar().value(), self._stick
        self.chat.show(entries)
        if not stick:
            self.verticalScrollBar().setValue(place)

    def show_earlier(self, entries: Sequence[Entry]) -> None:
        """The same with more above; what is in view stays in view."""
        below = self.verticalScrollBar().maximum() - self.verticalScrollBar().value()
        self.show_entries(entries)
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum() - below)

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self._timer.stop()
        self._interval_ms = FRAME_MS
        self.chat.begin(entry, waiting)

    def add(self, text: str) -> None:
        """More of the answer that is being written."""
        if self.chat.live is not None:
            self.chat.add(text)
            if not self._timer.isActive():
                self._timer.start(self._interval_ms)

    def freeze(self) -> None:
        """Draw what has come so far; what still comes is shown with the finished answer."""
        self._timer.stop()
        live = self.chat.live
        if live is not None and live.text:
            self._draw()
        self.chat.end_live()

    def scroll_to_end(self) -> None:
        self._stick = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def restyle(self) -> None:
        """Draw everything again, in the colours and the font of the current theme."""
        entries, live = list(self.chat.entries), self.chat.live
        below = self.verticalScrollBar().maximum() - self.verticalScrollBar().value()
        self.chat.font = self.font()
        self.show_entries(())
        self.show_entries(entries[:-1] if live is not None else entries)
        if live is not None:
            self.begin(live, "…")
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum() - below)

    def loadResource(self, type: int, name: QUrl | str) -> None:
        """Nothing is loaded, from nowhere."""
        return

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        top = self.verticalScrollBar().value()
        painter.translate(0, -top)
        backdrop.paint(painter, self.document(), top, self.viewport().height())
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
        if self._stick:
            self.scroll_to_end()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and self.chat.entries:
            self.restyle()

    def _draw(self) -> None:
        if self.chat.live is None:
            return
        begun = time.monotonic()
        self.chat.draw()
        spent_ms = (time.monotonic() - begun) * 1000
        self._interval_ms = max(FRAME_MS, int(4 * spent_ms))  # a huge unfinished block is drawn less often

    def _scrolled(self, value: int) -> None:
        self._stick = value >= self.verticalScrollBar().maximum() - 2 * GAP
        self.end_seen.emit(self._stick)

    def _grown(self, _minimum: int, maximum: int) -> None:
        if self._stick:
            self.verticalScrollBar().setValue(maximum)

    def _clicked(self, url: QUrl) -> None:
        if url.scheme() == self._scheme:
            name, _colon, key = url.path().partition(":")
            self.acted.emit(name, int(key))
        elif url.scheme() in ("http", "https"):
            QDesktopServices.openUrl(url)

    def _hovered(self, url: QUrl) -> None:
        """Where a link leads, before it is clicked."""
        if url.isEmpty() or url.scheme() == self._scheme:
            self.viewport().setToolTip("")
            return
        known = url.scheme() in ("http", "https")
        text = url.toDisplayString() if known else _("Only http and https links are opened.")
        self.viewport().setToolTip(tip(text))
        QToolTip.showText(QCursor.pos(), tip(text), self)
