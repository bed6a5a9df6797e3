"""Tables of an answer."""

from __future__ import annotations

from PySide6.QtGui import QFont, QTextCharFormat, QTextCursor, QTextFrameFormat, QTextLength, QTextTable

from .. import theme
from ..theme import GAP


def tidy(table: QTextTable) -> None:
    """After a code block Qt's parser begins the first cell with an empty line and forgets that it is a heading."""
    for column in range(table.columns()):
        cell = table.cellAt(0, column)
        cursor = cell.firstCursorPosition()
        if not cursor.block().text() and cursor.position() != cell.lastCursorPosition().position():
            cursor.deleteChar()
        cursor = cell.firstCursorPosition()
        cursor.setPosition(cell.lastCursorPosition().position(), QTextCursor.MoveMode.KeepAnchor)
        bold = QTextCharFormat()
        bold.setFontWeight(QFont.Weight.DemiBold)
        cursor.mergeCharFormat(bold)


def style(table: QTextTable) -> None:
    """Thin lines, room around the words."""
    form = table.format()
    form.setBorder(1)
    form.setBorderBrush(theme.colour("border"))
    form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    form.setBorderCollapse(True)
    form.setCellPadding(0.75 * GAP)
    form.setCellSpacing(0)
    form.setTopMargin(1.5 * GAP)
    form.setBottomMargin(1.5 * GAP)
    form.setWidth(QTextLength())
    table.setFormat(form)
