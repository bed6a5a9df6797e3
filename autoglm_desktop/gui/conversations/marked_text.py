"""A few lines of a text with places marked in it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QTextCharFormat, QTextLayout, QTextOption

from .. import theme
from .found_rows import Marks


def paint(painter: QPainter, font: QFont, rect: QRect, text: str, marks: Marks, lines: int) -> None:
    """Draw it from the top of ``rect``; what does not fit ends with an ellipsis."""
    layout = _layout(text, (), font, rect.width(), lines + 1)
    if layout.lineCount() > lines:
        last = layout.lineAt(lines - 1).textStart()
        end = QFontMetrics(font).elidedText(text[last:], Qt.TextElideMode.ElideRight, rect.width())
        text = text[:last] + end
    layout = _layout(text, marks, font, rect.width(), lines)
    painter.setPen(theme.colour("text"))
    layout.draw(painter, QPointF(rect.topLeft()))


def _layout(text: str, marks: Marks, font: QFont, width: int, lines: int) -> QTextLayout:
    layout = QTextLayout(text, font)
    layout.setFormats([_format(begin, min(end, len(text))) for begin, end in marks if begin < len(text)])
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    layout.beginLayout()
    top = 0.0
    for _number in range(lines):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        line.setPosition(QPointF(0, top))
        top += line.height()
    layout.endLayout()
    return layout


def _format(begin: int, end: int) -> QTextLayout.FormatRange:
    look = QTextCharFormat()
    look.setBackground(theme.colour("selection"))
    found = QTextLayout.FormatRange()
    found.start, found.length, found.format = begin, end - begin, look
    return found
