"""What is drawn on a screenshot for an action. Each line is drawn three times, dark, light and in colour, so that it
stands out on any picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from ...core import phone_actions as actions
from ...core.phone_actions import SCALE, Action, Place
from ..theme import GAP

DARK, LIGHT = QColor(0, 0, 0, 150), QColor(255, 255, 255)
INK = QColor("#e0006c")
"""Of marks, in both schemes: rare on the screens of phones."""


@dataclass(frozen=True)
class Look:
    """``ink`` of the marks, ``edge`` on both sides of their lines, ``ground`` and ``text`` of labels; ``line``: its
    width in pixels."""

    ink: QColor
    ground: QColor
    text: QColor
    line: float
    edge: QColor


def point(place: Place, area: QRectF) -> QPointF:
    """The middle of a place on a picture that is shown in ``area``."""
    return QPointF(
        area.left() + (place.x + 0.5) * area.width() / SCALE,
        area.top() + (place.y + 0.5) * area.height() / SCALE,
    )


def radius(area: QRectF) -> float:
    """Of a tap: about a finger's."""
    return max(11.0, min(area.width(), area.height()) * 0.05)


def outline(action: Action, area: QRectF) -> QPainterPath:
    """The lines of an action's mark; empty for what is done elsewhere than on the screen."""
    path, size = QPainterPath(), radius(area)
    if isinstance(action, actions.Swipe):
        return _arrow(point(action.start, area), point(action.end, area), size)
    for place in actions.places(action):
        centre = point(place, area)
        path.addEllipse(centre, size, size)
        if isinstance(action, actions.DoubleTap):
            path.addEllipse(centre, size * 0.55, size * 0.55)
        elif isinstance(action, actions.LongPress):
            path.addEllipse(centre, size * 1.5, size * 1.5)
            path.moveTo(centre.x(), centre.y() - size * 0.55)  # the hands of a clock
            path.lineTo(centre)
            path.lineTo(centre.x() + size * 0.45, centre.y())
    return path


def draw(painter: QPainter, action: Action, label: str, area: QRectF, look: Look) -> None:
    """The mark and, beside it, its label."""
    path = outline(action, area)
    if path.isEmpty():
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if not isinstance(action, actions.Swipe):
        inside = QColor(look.ink)
        inside.setAlpha(70)
        size = radius(area)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(inside)
        painter.drawEllipse(point(actions.places(action)[0], area), size, size)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((DARK, look.line + 3.5), (look.edge, look.line + 2), (look.ink, look.line)):
        pen = QPen(colour, width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPath(path)
    _draw_label(painter, label, label_place(path.boundingRect(), _label_size(painter, label), area), look)


def label_place(mark: QRectF, size: QRectF, area: QRectF) -> QRectF:
    """Below the mark, above it where there is no room below; always inside the picture."""
    left = min(max(mark.center().x() - size.width() / 2, area.left() + 4), area.right() - size.width() - 4)
    top = mark.bottom() + GAP
    if top + size.height() > area.bottom() - 4:
        top = mark.top() - GAP - size.height()
    return QRectF(left, max(top, area.top() + 4), size.width(), size.height())


def _label_size(painter: QPainter, label: str) -> QRectF:
    metrics = QFontMetricsF(painter.font())
    return QRectF(0, 0, metrics.horizontalAdvance(label) + 2 * GAP, metrics.height() + 6)


def _draw_label(painter: QPainter, label: str, place: QRectF, look: Look) -> None:
    if not label:
        return
    painter.setPen(QPen(look.ink, 1.0))
    painter.setBrush(look.ground)
    painter.drawRoundedRect(place, place.height() / 2, place.height() / 2)
    painter.setPen(look.text)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, label)


def _arrow(start: QPointF, end: QPointF, size: float) -> QPainterPath:
    """A ring where the finger comes down, and an arrow to where it leaves."""
    path = QPainterPath()
    ring = size * 0.6
    path.addEllipse(start, ring, ring)
    across, down = end.x() - start.x(), end.y() - start.y()
    length = math.hypot(across, down)
    if length <= ring:
        return path
    across, down = across / length, down / length
    path.moveTo(start.x() + across * ring, start.y() + down * ring)
    path.lineTo(end)
    head = min(size * 1.2, length * 0.6)
    wings = [
        QPointF(
            end.x() - head * (across * math.cos(turn) - down * math.sin(turn)),
            end.y() - head * (across * math.sin(turn) + down * math.cos(turn)),
        )
        for turn in (0.5, -0.5)
    ]
    path.addPolygon(QPolygonF([wings[0], end, wings[1]]))
    return path
