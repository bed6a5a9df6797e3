"""The conversation to read: one document, selectable across messages; what is streamed is drawn every 50 ms."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QCursor,
    QDesktopServices,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu, QWidget

from ...i18n import _
from ..theme import GAP
from . import keys, links, message_menu, rendering, selection
from . import window as windows
from .code import COPY_CODE
from .colouring import Colouriser
from .document import ChatDocument, Entry
from .live import FOLD
from .small_print import MORE
from .view import ColumnView
from .window import Window

FRAME_MS = 50


class Transcript(ColumnView):
    """``acted(name, key)``: an action of a message was chosen; ``end_seen(bool)``: whether its end is in view;
    ``copied``: something went to the clipboard."""

    acted = Signal(str, int)
    end_seen = Signal(bool)
    copied = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(_("Conversation"))
        self.chat = ChatDocument(self.document(), self.font(), self.scheme)
        self.colouriser = Colouriser(self.document())
        self._all: Sequence[Entry] = ()
        self._window = Window(0, 0, 0)
        self._stick = True
        self._moving = False
        self.focused: int | None = None
        self._interval_ms = FRAME_MS
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._edges = QTimer(self)
        self._edges.setSingleShot(True)
        self._edges.setInterval(0)
        self._edges.timeout.connect(self._extend)
        self.anchorClicked.connect(self._clicked)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        bar.rangeChanged.connect(self._grown)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show this conversation; an answer that is being written ends. Who reads above the end stays there."""
        self._timer.stop()
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

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self._timer.stop()
        self._interval_ms = FRAME_MS
        if not self._window.at_end:
            self._show_window(windows.at_end(len(self._all), self._size))
        self.chat.begin(entry, waiting)

    def add(self, text: str, kind: str = "text") -> None:
        """More of the answer that is being written. ``kind``: text | thinking | relabel, as core/thinking.py has it."""
        if self.chat.live is not None:
            self.chat.add(text, kind)
            if not self._timer.isActive():
                self._timer.start(self._interval_ms)

    def freeze(self) -> None:
        """Draw what has come so far; what still comes is shown with the finished answer."""
        self._timer.stop()
        self._draw()
        self.chat.end_live()

    def scroll_to_end(self) -> None:
        self._stick = True
        if not self._window.at_end:
            self._show_window(windows.at_end(len(self._all), self._size))
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

    def act(self, name: str, key: int) -> None:
        """Do something with a message, as its links, its menu and the keyboard ask for."""
        entry = next((found for found in self.chat.entries if found.key == key), None)
        if name == COPY_CODE:
            self._copy(selection.code_of(self.document(), key))
        elif name == FOLD:
            with selection.Anchor(self, self._stick):
                self.chat.fold(key)
        elif entry is not None and name == "copy":
            self._copy(entry.text if entry.role == "user" else rendering.plain_text(entry.answer))
        elif entry is not None and name == "copy_markdown":
            self._copy(entry.answer)
        else:
            self.acted.emit(name, key)

    def focus_entry(self, key: int | None) -> None:
        """Move the focus among messages; it is scrolled into view and said to screen readers."""
        self.focused = key
        place = links.place_of(self.chat.entries, key) if key is not None else None
        if place is not None:
            keys.announce(self, self.chat.entries[place])
            self._scroll_to(place, only_if_hidden=True)
        self.viewport().update()

    def open_menu(self, key: int | None, at: QPoint) -> None:
        """Show the menu of a message at a place on the screen."""
        menu = self.menu_of(key)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

    def menu_of(self, key: int | None) -> QMenu:
        """What can be done with a message, and its links."""
        place = links.place_of(self.chat.entries, key) if key is not None else None
        entry = self.chat.entries[place] if place is not None else None
        found = links.links_between(self, place, self.scheme) if place is not None else []
        copy = self.copy if self.textCursor().hasSelection() else None
        return message_menu.build(
            self,
            entry,
            found,
            copy,
            lambda name: self.act(name, key or 0),
            lambda address: self._clicked(QUrl(address)),
        )

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.open_menu(self.focused, self.mapToGlobal(self.rect().center()))
            return
        index = self.chat.index_at(self.cursorForPosition(event.pos()).position())
        key = self.chat.entries[index].key if index >= 0 else None
        self.focus_entry(key)
        self.open_menu(key, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not keys.press(self, event):
            super().keyPressEvent(event)

    def focused_part(self) -> tuple[int, int] | None:
        place = links.place_of(self.chat.entries, self.focused) if self.focused is not None else None
        return (self.chat.start_of(place), self.chat.start_of(place + 1)) if place is not None else None

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

    def _draw(self) -> None:
        if self.chat.live is None:
            return
        begun = time.monotonic()
        self.chat.draw()
        spent_ms = (time.monotonic() - begun) * 1000
        self._interval_ms = max(FRAME_MS, int(4 * spent_ms))  # a huge unfinished block is drawn less often

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

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copied.emit()

    def _clicked(self, url: QUrl) -> None:
        if url.scheme() == self.scheme:
            name, _colon, key = url.path().partition(":")
            if name == MORE:
                self.open_menu(int(key), QCursor.pos())
            else:
                self.act(name, int(key))
        elif links.opens(url):
            QDesktopServices.openUrl(url)
