"""The list of what a search has found, in the place of the conversations."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import QListView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ...i18n import _, ngettext
from ...store.conversation_search import Found
from .. import theme
from ..theme import GAP
from . import found_rows, marked_text
from .conversation_rows import Index
from .conversation_view import PADDING, accept_override, paint_ground, paint_line, small_font
from .found_rows import FoundRow, Message, More, Remark, Title

ROW = Qt.ItemDataRole.UserRole
LINES = 2
"""Of a message's text."""
HALF = GAP // 2


class FoundRows(QAbstractListModel):
    """The rows of ``found_rows`` for a view."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[FoundRow] = []

    def show_rows(self, rows: list[FoundRow]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid() or not can_be_chosen(self.rows[index.row()]):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == ROW:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return text_of(row)
        return None


def can_be_chosen(row: FoundRow) -> bool:
    return isinstance(row, (Message, More)) or (isinstance(row, Title) and row.found)


def text_of(row: FoundRow) -> str:
    """All that stands in a row, for a screen reader."""
    if isinstance(row, Message):
        return f"{row.who}, {row.when}: {row.text}"
    if isinstance(row, More):
        return ngettext("{count} more", "{count} more", row.count).format(count=row.count)
    return row.text


class FoundDelegate(QStyledItemDelegate):
    """Titles, messages with their words marked, and what else there is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        row, line = index.data(ROW), option.fontMetrics.height()
        if isinstance(row, Message):
            return QSize(GAP * 5, (LINES + 1) * line + GAP + HALF)
        if isinstance(row, Remark):
            return QSize(GAP * 5, 2 * line + 2 * GAP)
        return QSize(GAP * 5, line + (GAP if isinstance(row, More) else 2 * GAP))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        row = index.data(ROW)
        inside = option.rect.adjusted(PADDING, HALF, -PADDING, -HALF)
        font: QFont = option.font
        line: int = option.fontMetrics.height()
        if can_be_chosen(row):
            paint_ground(painter, option)
        painter.setFont(small_font(font))
        if isinstance(row, Title):
            bold = QFont(font)
            bold.setBold(True)
            above = (inside.height() - line) // 2
            marked_text.paint(painter, bold, inside.adjusted(0, above, 0, 0), row.text, row.marks, 1)
        elif isinstance(row, Message):
            painter.setPen(theme.colour("muted"))
            first = inside.adjusted(0, 0, 0, line - inside.height())
            paint_line(painter, option, first, f"{row.who} · {row.when}")
            marked_text.paint(painter, font, inside.adjusted(0, line, 0, 0), row.text, row.marks, LINES)
        else:
            painter.setPen(theme.colour("accent" if isinstance(row, More) else "muted"))
            wrap = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(inside, int(wrap), text_of(row))
        painter.restore()


class FoundView(QListView):
    """``chosen(conversation, message)``: Enter or a click (message -1: the title). ``up``: the arrow key in the first
    row. ``typed(text)``: letters, which belong to the field. ``left``: Escape."""

    chosen = Signal(int, int)
    up = Signal()
    typed = Signal(str)
    left = Signal()

    def __init__(self, clock: Callable[[], float] = time.time, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._found, self._query = Found(()), ""
        self._opened: set[int] = set()
        self.rows = FoundRows(self)
        self.setModel(self.rows)
        self.setItemDelegate(FoundDelegate(self))
        self.setProperty("flat", True)
        self.setMouseTracking(True)
        self.setAccessibleName(_("Found"))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.clicked.connect(self._choose)

    def show_found(self, found: Found, query: str) -> None:
        """Other hits; of the words of ``query`` all are marked."""
        if query != self._query:
            self._opened.clear()
        self._found, self._query = found, query
        self.rows.show_rows(found_rows.rows_of(found, query, self._clock(), self._opened))
        self.scrollToTop()

    def first(self) -> QModelIndex:
        """The first row that can be chosen; not valid: there is none."""
        rows = (row for row, one in enumerate(self.rows.rows) if can_be_chosen(one))
        return self.rows.index(next(rows, -1))

    def go_to_first(self) -> bool:
        """Give the first row the keyboard; False: there is none."""
        index = self.first()
        if index.isValid():
            self.setCurrentIndex(index)
            self.setFocus()
        return index.isValid()

    def choose_first(self) -> None:
        index = self.first()
        self.setCurrentIndex(index)
        self._choose(index)

    def event(self, event: QEvent) -> bool:
        return accept_override(event, lambda key: key == Qt.Key.Key_Escape) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, text = event.key(), event.text()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.currentIndex())
        elif key == Qt.Key.Key_Escape:
            self.left.emit()
        elif key == Qt.Key.Key_Up and self.currentIndex() == self.first():
            self.up.emit()
        elif text.strip() and text.isprintable():
            self.typed.emit(text)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: Index) -> None:
        row = index.data(ROW) if index.isValid() else None
        if isinstance(row, Message):
            self.chosen.emit(row.conversation, row.message)
        elif isinstance(row, Title) and row.found:
            self.chosen.emit(row.conversation, -1)
        elif isinstance(row, More):
            self._open(row, index.row())

    def _open(self, more: More, place: int) -> None:
        """All messages of a conversation, the view where it was."""
        self._opened.add(more.conversation)
        above = self.verticalScrollBar().value()
        self.rows.show_rows(found_rows.rows_of(self._found, self._query, self._clock(), self._opened))
        self.doItemsLayout()
        self.verticalScrollBar().setValue(above)
        self.setCurrentIndex(self.rows.index(place))
