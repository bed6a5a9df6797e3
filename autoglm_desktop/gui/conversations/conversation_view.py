"""The view of the list of conversations: how a row is painted and edited, and its keys."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from ...i18n import _
from .. import theme
from ..theme import GAP
from .conversation_rows import AWAY, CONVERSATION, ConversationRows, Index

PADDING = 10
MARK = 12
"""The side of a mark, in pixels."""
SMALL = 0.86
"""The size of a heading's letters, as a share of the others'."""


class RowDelegate(QStyledItemDelegate):
    """A title with its marks, or a heading."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(GAP * 5, option.fontMetrics.height() + 2 * GAP)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        rect: QRect = option.rect
        text = index.data() or ""
        inside = rect.adjusted(PADDING, 0, -PADDING, 0)
        conversation = index.data(CONVERSATION)
        if conversation is None:
            _paint_heading(painter, option, inside, text)
        else:
            paint_ground(painter, option)
            if index.data(AWAY):
                inside.setRight(inside.right() - MARK - GAP // 2)
                _paint_arrow(painter, _place_of_mark(inside))
            if conversation.pinned:
                inside.setRight(inside.right() - MARK - GAP // 2)
                _paint_pin(painter, _place_of_mark(inside))
            painter.setPen(theme.colour("text"))
            painter.setFont(option.font)
            paint_line(painter, option, inside, text)
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = super().createEditor(parent, option, index)
        editor.setAccessibleName(_("Rename"))
        return editor

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        editor.setGeometry(option.rect)


def paint_ground(painter: QPainter, option: QStyleOptionViewItem) -> None:
    """What the style sheet has for a row that is pointed at or chosen, and a frame for the one with the keyboard."""
    widget: QWidget = option.widget
    widget.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)
    if option.state & QStyle.StateFlag.State_HasFocus:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("accent"), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(option.rect).adjusted(1, 1, -1, -1), 6, 6)


def paint_line(painter: QPainter, option: QStyleOptionViewItem, rect: QRect, text: str) -> None:
    """One line in the painter's font, shortened at its end."""
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
    direction = option.direction
    flag = QStyle.visualAlignment(direction, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    painter.drawText(rect, flag | Qt.TextFlag.TextSingleLine, shown)


def small_font(font: QFont, *, bold: bool = False) -> QFont:
    made = QFont(font)
    made.setPointSizeF(font.pointSizeF() * SMALL)
    made.setBold(bold)
    return made


def _paint_heading(painter: QPainter, option: QStyleOptionViewItem, rect: QRect, text: str) -> None:
    painter.setFont(small_font(option.font, bold=True))
    painter.setPen(theme.colour("muted"))
    paint_line(painter, option, rect, text)


def _place_of_mark(inside: QRect) -> QRectF:
    """Right of what is left for the text."""
    top = inside.top() + (inside.height() - MARK) / 2
    return QRectF(inside.right() + GAP // 2, top, MARK, MARK)


def _pen(painter: QPainter, colour: QColor) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 1.5)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _paint_arrow(painter: QPainter, place: QRectF) -> None:
    """Out and away."""
    _pen(painter, theme.colour("warn"))
    _strokes(painter, place, ((0.2, 0.8), (0.8, 0.2)), ((0.35, 0.2), (0.8, 0.2), (0.8, 0.65)))


def _paint_pin(painter: QPainter, place: QRectF) -> None:
    _pen(painter, theme.colour("muted"))
    _strokes(
        painter,
        place,
        ((0.3, 0.08), (0.7, 0.08)),
        ((0.38, 0.08), (0.38, 0.4), (0.2, 0.6), (0.8, 0.6), (0.62, 0.4), (0.62, 0.08)),
        ((0.5, 0.6), (0.5, 0.95)),
    )


def _strokes(painter: QPainter, place: QRectF, *strokes: tuple[tuple[float, float], ...]) -> None:
    for stroke in strokes:
        points = [QPointF(place.x() + x * place.width(), place.y() + y * place.height()) for x, y in stroke]
        painter.drawPolyline(points)


class ConversationView(QListView):
    """``delete_wanted``: the Delete key. ``menu_wanted(index, place)``: the mouse's right button or the menu key.
    ``edit_ended``: a title is no longer edited."""

    delete_wanted = Signal()
    menu_wanted = Signal(object, object)
    edit_ended = Signal()

    def __init__(self, rows: ConversationRows, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = rows
        self.setModel(rows)
        self.setProperty("flat", True)
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setItemDelegate(RowDelegate(self))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QListView.EditTrigger.EditKeyPressed | QListView.EditTrigger.DoubleClicked)

    @property
    def editing(self) -> bool:
        """Whether a title is being edited now."""
        return self.state() == QListView.State.EditingState

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        super().closeEditor(editor, hint)
        self.edit_ended.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.delete_wanted.emit()
            return
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()  # its menu comes; what it is asked of need not be opened
        else:
            super().mousePressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Mouse:
            index, place = self.indexAt(event.pos()), event.globalPos()
        else:
            index = self.currentIndex()
            place = self.viewport().mapToGlobal(self.visualRect(index).center())
        self.menu_wanted.emit(index, place)


def accept_override(event: QEvent, keys: Callable[[int], bool]) -> bool:
    """Take a key before a shortcut of the window does; whether it was one of ``keys``."""
    if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and keys(event.key()):
        event.accept()
        return True
    return False
