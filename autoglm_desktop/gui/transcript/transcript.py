"""The conversation to read: one document, selectable across messages; what is streamed is drawn every 50 ms."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QCursor,
    QDesktopServices,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
)
from PySide6.QtWidgets import QMenu, QWidget

from ...i18n import _
from ..bridge import Bridge
from . import keys, links, message_menu, picture_lines, rendering, selection
from .code import COPY_CODE
from .colouring import Colouriser
from .document import Entry
from .live import FOLD
from .messages_view import MessagesView
from .picture_viewer import PictureViewer
from .small_print import MORE
from .step_picture import WRITTEN

FRAME_MS = 50
BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class Transcript(MessagesView):
    """``acted(name, key)``: an action of a message was chosen; ``copied``: something went to the clipboard."""

    acted = Signal(str, int)
    copied = Signal()

    def __init__(self, parent: QWidget | None = None, bridge: Bridge | None = None) -> None:
        super().__init__(parent, bridge)
        self.setAccessibleName(_("Conversation"))
        self._bridge = bridge
        self.colouriser = Colouriser(self.document())
        self._interval_ms = FRAME_MS
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self.anchorClicked.connect(self._anchor_clicked)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        self._timer.stop()
        super().show_entries(entries)

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self._timer.stop()
        self._interval_ms = FRAME_MS
        self.show_end()
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

    def act(self, name: str, key: int) -> None:
        """Do something with a message, as its links, its menu and the keyboard ask for."""
        entry = self.chat.find(key)
        name, _dot, place = name.partition(".")
        if name == COPY_CODE:
            self._copy(selection.code_of(self.document(), key))
        elif name in (FOLD, WRITTEN):
            with selection.Anchor(self, self._stick):
                self.chat.fold(key, written=name == WRITTEN)
        elif name == picture_lines.SHOW:
            self.show_picture(key, int(place or 0))
        elif entry is not None and name == "copy":
            self._copy(_plain(entry))
        elif entry is not None and name == "copy_markdown":
            self._copy(entry.answer)
        else:
            self.acted.emit(name, key)

    def show_picture(self, key: int, place: int = 0) -> None:
        """Show a picture of a message as large as the window, and the others of that message beside it."""
        entry = self.chat.find(key)
        if entry is not None and place < len(entry.drawn):
            PictureViewer(self.window(), self._bridge, entry.drawn, place).open(self)

    def focus_entry(self, key: int | None) -> None:
        """Move the focus among messages; it is scrolled into view and said to screen readers."""
        self.focused = key
        place = links.place_of(self.chat.entries, key) if key is not None else None
        entry = self.chat.find(key)
        if place is not None and entry is not None:
            keys.announce(self, entry)
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
        entry = self.chat.find(key)
        found = links.links_between(self, place, self.scheme) if place is not None else []
        copy = self.copy if self.textCursor().hasSelection() else None
        return message_menu.build(
            self,
            entry,
            found,
            copy,
            lambda name: self.act(name, key or 0),
            lambda address: self._clicked(QUrl(address)),
            selection.codes_between(self.document(), *self.span_of(place)) if place is not None else (),
            lambda group: self.act(COPY_CODE, group),
        )

    def told_of(self, url: QUrl) -> str:
        name, _colon, key = url.path().partition(":")
        show, _dot, place = name.partition(".")
        if url.scheme() != self.scheme or show != picture_lines.SHOW:
            return super().told_of(url)
        entry = self.chat.find(int(key))
        if entry is None or int(place) >= len(entry.drawn):
            return ""
        picture, _action = entry.drawn[int(place)]
        error = self.thumbnails.error(picture.path) if picture.path is not None else None
        more = picture_lines.failure(error) if error is not None else _("Click to see it larger.")
        return f"{picture_lines.description(picture)}\n{more}"

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.open_menu(self.focused, self.mapToGlobal(self.rect().center()))
            return
        index = self.chat.index_at(self.cursorForPosition(event.pos()).position())
        key = self.chat.entries[index].key if index >= 0 else None
        self.focus_entry(key)
        self.open_menu(key, event.globalPos())

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() in BY_KEY and self.chat.find(self.focused) is None:
            place = self.chat.index_at(self.cursorForPosition(self.viewport().rect().center()).position())
            if place >= 0:
                self.focused = self.chat.entries[place].key
                keys.announce(self, self.chat.entries[place])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not keys.press(self, event):
            super().keyPressEvent(event)

    def _draw(self) -> None:
        if self.chat.live is None:
            return
        begun = time.monotonic()
        self.chat.draw()
        spent_ms = (time.monotonic() - begun) * 1000
        self._interval_ms = max(FRAME_MS, int(4 * spent_ms))  # a huge unfinished block is drawn less often

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copied.emit()

    def _anchor_clicked(self, url: QUrl) -> None:
        """Qt selects the words of a link that is clicked; nobody wants to copy those."""
        cursor, bar = self.textCursor(), self.verticalScrollBar()
        value = bar.value()
        cursor.clearSelection()
        self.setTextCursor(cursor)
        bar.setValue(value)
        self._clicked(url)

    def _clicked(self, url: QUrl) -> None:
        if url.scheme() == self.scheme:
            name, _colon, key = url.path().partition(":")
            if name == MORE:
                self.open_menu(int(key), QCursor.pos())
            else:
                self.act(name, int(key))
        elif links.opens(url):
            QDesktopServices.openUrl(url)


def _plain(entry: Entry) -> str:
    """A message as text: a question and an action as they were written."""
    return (
        entry.text if entry.role == "user" or entry.step is not None else rendering.plain_text(entry.answer)
    )
