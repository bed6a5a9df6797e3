"""The conversation as one document: selectable across messages, streamed at a cost that does not grow."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QDesktopServices,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocumentFragment,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QToolTip, QWidget

from ...i18n import _
from ..theme import GAP
from . import backdrop, rendering
from .blocks import finished_length

COLUMN_WIDTH = 760
"""Lines longer than this are hard to read."""

MARGIN = 2 * GAP
FRAME_MS = 50


@dataclass(frozen=True)
class Entry:
    """A message as it is shown. ``footer``, ``remarks`` and ``actions`` ((name, text) pairs) stand below an answer."""

    key: int
    role: str
    text: str
    footer: str = ""
    remarks: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()


class Transcript(QTextBrowser):
    """``acted(name, key)``: an action below a message was clicked; ``end_seen(bool)``: whether its end is in view."""

    acted = Signal(str, int)
    end_seen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("flat", True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName(_("Conversation"))
        self.document().setIndentWidth(3 * GAP)
        self.document().setDocumentMargin(MARGIN)
        self.anchorClicked.connect(self._clicked)
        self.highlighted.connect(self._hovered)
        self._entries: list[tuple[Entry, int]] = []
        self._stick = True
        self._live: Entry | None = None
        self._text = ""
        self._committed = 0
        self._tail = 0
        self._interval_ms = FRAME_MS
        # Not to be guessed: an answer must not contain a link that acts.
        self._scheme = f"act-{secrets.token_hex(8)}"
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._render_tail)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._grown)

    def show_entries(self, entries: tuple[Entry, ...]) -> None:
        """Show these messages; those that are shown already and did not change stay as they are."""
        self._end_live()
        kept = 0
        for (shown, _start), wanted in zip(self._entries, entries, strict=False):
            if shown != wanted:
                break
            kept += 1
        self._cut(kept)
        for entry in entries[kept:]:
            self._append(entry)

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self._end_live()
        start = self._end_position()
        self._entries.append((entry, start))
        self._live, self._text, self._committed = entry, entry.text, 0
        cursor = self._new_block()
        self._tail = cursor.position()
        cursor.insertText(waiting, rendering.muted_format())
        if self._text:
            self._render_tail()

    def add(self, text: str) -> None:
        """More of the answer that is being written; drawn within 50 ms."""
        if self._live is None:
            return
        self._text += text
        if not self._timer.isActive():
            self._timer.start(self._interval_ms)

    def freeze(self) -> None:
        """Draw what has come so far; what still comes is shown with the finished answer."""
        self._timer.stop()
        if self._text:
            self._render_tail()
        self._live = None

    def scroll_to_end(self) -> None:
        self._stick = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def restyle(self) -> None:
        """Draw everything again, in the colours of the current theme."""
        entries, live, text = [entry for entry, _start in self._entries], self._live, self._text
        stick, place = self._stick, self.verticalScrollBar().value()
        self._end_live()
        self._cut(0)
        for entry in entries:
            if entry is live:
                self.begin(Entry(entry.key, entry.role, text), "…")
            else:
                self._append(entry)
        if stick:
            self.scroll_to_end()
        else:
            self.verticalScrollBar().setValue(place)

    def loadResource(self, type: int, name: QUrl | str) -> None:
        """Nothing is loaded, from nowhere."""
        return

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        top = self.verticalScrollBar().value()
        painter.translate(-self.horizontalScrollBar().value(), -top)
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
        if event.type() == QEvent.Type.PaletteChange and self._entries:
            self.restyle()

    def _append(self, entry: Entry) -> None:
        self._entries.append((entry, self._end_position()))
        if entry.role == "user":
            self._insert(rendering.question_fragment(entry.text, self.font()))
            return
        if entry.text:
            self._insert(rendering.answer_fragment(entry.text, self.font()))
        self._append_small_print(entry)

    def _append_small_print(self, entry: Entry) -> None:
        cursor = self._new_block(bottom=GAP)
        small = rendering.muted_format()
        for remark in entry.remarks:
            cursor.insertText(remark + "\n", small)
        cursor.insertText(entry.footer, small)
        for name, text in entry.actions:
            cursor.insertText("   ", small)
            cursor.insertText(text, rendering.link_format(f"{self._scheme}:{name}:{entry.key}"))
        cursor.setCharFormat(QTextCharFormat())

    def _render_tail(self) -> None:
        """Commit the blocks that are finished, draw the rest again."""
        if self._live is None:
            return
        begun = time.monotonic()
        tail = self._text[self._committed :]
        finished = finished_length(tail)
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        if finished:
            self._replace_tail(tail[:finished])
            self._committed += finished
            self._tail = self._new_block().position()
            tail = tail[finished:]
        self._replace_tail(tail)
        cursor.endEditBlock()
        spent_ms = (time.monotonic() - begun) * 1000
        self._interval_ms = max(FRAME_MS, int(4 * spent_ms))  # a huge unfinished block is drawn less often

    def _replace_tail(self, markdown: str) -> None:
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._tail)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        cursor.setBlockFormat(QTextBlockFormat())
        cursor.setBlockCharFormat(QTextCharFormat())
        if markdown.strip():
            self._put(cursor, rendering.answer_fragment(markdown, self.font()))

    def _insert(self, fragment: QTextDocumentFragment) -> None:
        self._put(self._new_block(), fragment)

    def _put(self, cursor: QTextCursor, fragment: QTextDocumentFragment) -> None:
        """Insert a fragment at an empty block and drop the empty block it begins with."""
        position = cursor.position()
        cursor.insertFragment(fragment)
        cursor.setPosition(position)
        cursor.deleteChar()
        after = cursor.block().next()
        if not cursor.block().text() and after.isValid() and QTextCursor(after).currentTable() is not None:
            rendering.shrink(cursor, 0)  # before a table the empty block stays

    def _new_block(self, bottom: float = 0.0) -> QTextCursor:
        """An empty block at the end; the document's first one is used as it is."""
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        form = QTextBlockFormat()
        form.setBottomMargin(bottom)
        if self.document().isEmpty():
            cursor.setBlockFormat(form)
        else:
            cursor.insertBlock(form, QTextCharFormat())
        return cursor

    def _end_position(self) -> int:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor.position()

    def _cut(self, kept: int) -> None:
        """Remove all messages but the first ``kept``."""
        if kept >= len(self._entries):
            return
        start = self._entries[kept][1]
        del self._entries[kept:]
        if kept == 0:
            self.document().clear()
            return
        cursor = QTextCursor(self.document())
        cursor.setPosition(start)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()

    def _end_live(self) -> None:
        self._timer.stop()
        self._live, self._text = None, ""

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
        self.viewport().setToolTip(text)
        QToolTip.showText(self.cursor().pos(), text, self)
