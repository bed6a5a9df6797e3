"""Shows the messages near what is read, more of them where the reader comes to an end, and stays where is read."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from ..bridge import Bridge
from ..theme import GAP
from . import links, selection
from . import window as windows
from .document import ChatDocument, Entry
from .picture_lines import PictureLines
from .thumbnails import Thumbnails
from .view import ColumnView
from .window import Window


class MessagesView(ColumnView):
    """``end_seen(bool)``: whether its end is in view. ``bridge`` decodes pictures; without one they stay empty."""

    end_seen = Signal(bool)

    def __init__(self, parent: QWidget | None = None, bridge: Bridge | None = None) -> None:
        super().__init__(parent)
        self.chat = ChatDocument(self.document(), self.font(), self.scheme)
        self.thumbnails = Thumbnails(bridge, parent=self)
        self.thumbnails.arrived.connect(self.viewport().update)
        self._lines = PictureLines(self.document(), self.thumbnails, self.chat.find, self)
        self.focused: int | None = None
        self._all: Sequence[Entry] = ()
        self._window = Window(0, 0, 0)
        self._stick = True
        self._moving = False
        self._edges = QTimer(self)
        self._edges.setSingleShot(True)
        self._edges.setInterval(0)
        self._edges.timeout.connect(self._extend)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._grown)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show this conversation; an answer that is being written ends. Who reads above the end stays there."""
        shown, count = self.chat.entries, len(entries)
        window, size = self._window, windows.size_in(entries)
        if shown and window.first < count and entries[window.first].key == shown[0].key:
            followed = window.at_end or self.chat.live is not None
            wanted = Window(window.first, count if followed else min(window.end, count), count)
            if self._stick and followed:
                wanted = windows.followed(window.first, count, size)
        else:
            wanted = windows.at_end(count, size)
            self.focused, self._stick = None, True
            self.thumbnails.forget_failures()
        self._all = entries
        self._show_window(wanted)

    def show_message(self, key: int) -> None:
        """Bring a message into view, with the focus on it."""
        place = links.place_of(self._all, key)
        if place is None:
            return
        self._stick = False
        if not self._window.first <= place < self._window.end:
            self._show_window(windows.around(place, len(self._all), self._size))
        self.focused = key
        self._scroll_to(place - self._window.first)
        self._scrolled(self.verticalScrollBar().value())

    def show_end(self) -> None:
        """Have the end of the conversation in the document."""
        if not self._window.at_end:
            self._show_window(windows.at_end(len(self._all), self._size))

    def scroll_to_end(self) -> None:
        self._stick = True
        self.show_end()
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def scroll_to_start(self) -> None:
        self._stick = False
        if self._window.first:
            self._show_window(windows.around(0, len(self._all), self._size))
        self.verticalScrollBar().setValue(0)

    def restyle(self) -> None:
        """Draw everything again, in the colours and the font of the current theme."""
        live = self.chat.live
        below = self.verticalScrollBar().maximum() - self.verticalScrollBar().value()
        self.chat.font = self.font()
        self.chat.show(())
        self._show_window(self._window)
        if live is not None:
            self.chat.begin(live, "…")
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum() - below)

    def focused_part(self) -> tuple[int, int] | None:
        place = links.place_of(self.chat.entries, self.focused) if self.focused is not None else None
        return self.span_of(place) if place is not None else None

    def span_of(self, place: int) -> tuple[int, int]:
        """From where to where in the document a message goes, of those that are there."""
        return self.chat.start_of(place), self.chat.start_of(place + 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._stick:
            self.scroll_to_end()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and self.chat.entries:
            self.restyle()

    def _size(self, place: int) -> int:
        return len(self._all[place].text)

    def _show_window(self, wanted: Window) -> None:
        """Have these messages in the document, and what is read where it is."""
        shown, before = self.chat.entries, self._window
        self._moving = True
        with selection.Anchor(self, self._stick):
            there = before.first + len(shown)  # with an answer that is being written
            kept = before.first < wanted.end and wanted.first < there and bool(shown)
            self._window = wanted
            if kept and wanted.first > before.first and len(shown) > wanted.first - before.first:
                self.chat.drop_first(wanted.first - before.first)
            elif kept and wanted.first < before.first:
                self.chat.prepend(self._all[wanted.first : before.first])
            self.chat.show(self._all[wanted.first : wanted.end])
        self._moving = False
        self._edges.start()

    def _extend(self) -> None:
        """More messages, where the reader comes near an end of those that are there."""
        bar, near = self.verticalScrollBar(), self.viewport().height()
        growing = self.chat.live is not None
        if self._window.first and bar.value() < near:
            wanted = windows.earlier(self._window, self._size, growing=growing)
            if growing:
                with selection.Anchor(self, self._stick):
                    self.chat.prepend(self._all[wanted.first : self._window.first])
                self._window = wanted
            else:
                self._show_window(wanted)
        elif not self._window.at_end and bar.value() > bar.maximum() - near:
            self._show_window(windows.later(self._window, self._size))

    def _scroll_to(self, index: int, *, only_if_hidden: bool = False) -> None:
        """Bring a message of the document to the top of the view."""
        block = self.document().findBlock(self.chat.start_of(index))
        top = int(self.document().documentLayout().blockBoundingRect(block).top())
        bar = self.verticalScrollBar()
        if not only_if_hidden or not bar.value() <= top < bar.value() + self.viewport().height() - 4 * GAP:
            bar.setValue(top - GAP)

    def _scrolled(self, value: int) -> None:
        if self._moving:
            return
        bottom = value >= self.verticalScrollBar().maximum() - 2 * GAP
        self._stick = bottom and self._window.at_end
        self.end_seen.emit(self._stick)
        self._edges.start()

    def _grown(self, _minimum: int, maximum: int) -> None:
        if self._stick:
            self.verticalScrollBar().setValue(maximum)
