"""Rounded grounds behind questions and code, a bar beside quotations: painted under the transcript's text."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QTextBlock, QTextDocument

from .. import theme
from ..theme import GAP
from .code import CODE, GROUP, KIND, QUESTION, QUOTE, RULE

RADIUS = 8.0


def paint(painter: QPainter, document: QTextDocument, top: float, height: float) -> None:
    """Paint what lies between ``top`` and ``top + height``, in the document's coordinates."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    for kind, rect in _groups(document, top, height):
        if kind == QUOTE:
            painter.setBrush(theme.colour("border"))
            painter.drawRoundedRect(QRectF(rect.left() - 1.5 * GAP, rect.top(), 3, rect.height()), 1.5, 1.5)
        elif kind == RULE:
            painter.fillRect(QRectF(rect.left(), rect.center().y(), rect.width(), 1), theme.colour("border"))
        elif kind == CODE:
            painter.setBrush(theme.colour("code"))
            painter.drawRoundedRect(rect.adjusted(-1.5 * GAP, -GAP, 1.5 * GAP, GAP), RADIUS, RADIUS)
        elif kind == QUESTION:
            painter.setBrush(theme.colour("bubble"))
            painter.drawRoundedRect(
                rect.adjusted(-1.75 * GAP, -1.25 * GAP, 1.75 * GAP, 1.25 * GAP), RADIUS, RADIUS
            )


def paint_focus(painter: QPainter, document: QTextDocument, start: int, end: int) -> None:
    """A bar beside the message in focus, which is all between two places."""
    layout = document.documentLayout()
    last = document.findBlock(max(end - 1, start))
    top = layout.blockBoundingRect(document.findBlock(start)).top()
    bottom = layout.blockBoundingRect(last).bottom()
    painter.setBrush(theme.colour("accent"))
    painter.drawRoundedRect(QRectF(2, top, 3, bottom - top), 1.5, 1.5)


def _groups(document: QTextDocument, top: float, height: float) -> Iterator[tuple[int, QRectF]]:
    """(kind, rectangle of the text) of each group that can be seen; of a long one hardly more than can be seen."""
    kind, group, rect = 0, 0, QRectF()
    block = _first_visible(document, top)
    while block.isValid():
        form = block.blockFormat()
        here = form.intProperty(KIND), form.intProperty(GROUP)
        if here != (kind, group):
            if kind:
                yield kind, rect
            (kind, group), rect = here, QRectF()
            if _text_rect(document, block).top() > top + height:
                return
        if kind:
            rect = rect.united(_text_rect(document, block, whole_width=kind != QUESTION))
            if rect.bottom() > top + height + 4 * GAP and kind != QUESTION:
                break
        block = block.next()
    if kind:
        yield kind, rect


def _first_visible(document: QTextDocument, top: float) -> QTextBlock:
    """A block above the top line: of a question's bubble the first one, whose width takes all lines to know."""
    place = QRectF(0, max(top - 4 * GAP, 0), 1, 1).topLeft()
    block = document.findBlock(max(document.documentLayout().hitTest(place, Qt.HitTestAccuracy.FuzzyHit), 0))
    group = block.blockFormat().intProperty(GROUP)
    while _kind_of(block) == QUESTION and block.previous().blockFormat().intProperty(GROUP) == group:
        block = block.previous()
    return block.previous() if block.previous().isValid() else block


def _kind_of(block: QTextBlock) -> int:
    return block.blockFormat().intProperty(KIND)


def _text_rect(document: QTextDocument, block: QTextBlock, *, whole_width: bool = True) -> QRectF:
    """Where the lines of a block stand; as wide as its widest line unless ``whole_width``."""
    layout = block.layout()
    origin = document.documentLayout().blockBoundingRect(block).topLeft()
    rect = layout.boundingRect()
    lines = [layout.lineAt(index) for index in range(layout.lineCount())]
    width = rect.width()
    if not whole_width:
        width = max((line.naturalTextWidth() for line in lines), default=0.0)
    left = min((line.x() for line in lines), default=0.0)
    first = min((line.y() for line in lines), default=0.0)
    last = max((line.y() + line.height() for line in lines), default=0.0)
    position = layout.position()
    return QRectF(position.x() + left, origin.y() + first, width, last - first)
