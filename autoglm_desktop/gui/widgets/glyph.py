"""Small buttons with a sign that is painted in the theme's colours: no file, no font, and sharp at any scale."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolButton, QWidget

from .. import theme

Line = tuple[tuple[float, float], ...]
LINES: dict[str, tuple[Line, ...]] = {
    "close": (((0.25, 0.25), (0.75, 0.75)), ((0.75, 0.25), (0.25, 0.75))),
    "picture": (
        ((0.08, 0.16), (0.92, 0.16), (0.92, 0.84), (0.08, 0.84), (0.08, 0.16)),
        ((0.08, 0.72), (0.34, 0.46), (0.54, 0.66), (0.68, 0.54), (0.92, 0.76)),
    ),
    "text": (
        ((0.2, 0.08), (0.6, 0.08), (0.82, 0.3), (0.82, 0.92), (0.2, 0.92), (0.2, 0.08)),
        ((0.34, 0.46), (0.68, 0.46)),
        ((0.34, 0.62), (0.68, 0.62)),
        ((0.34, 0.78), (0.56, 0.78)),
    ),
}
"""Lines of each sign, in a square of side 1."""
SUNS = {"picture": (0.68, 0.34, 0.07)}
"""A ring in it: x, y, radius."""


def draw(painter: QPainter, name: str, place: QRectF, colour: str) -> None:
    """Paint a sign into a square. ``colour``: a name of the theme."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(theme.colour(colour), max(place.width() / 11, 1.4))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)

    def at(x: float, y: float) -> QPointF:
        return QPointF(place.x() + x * place.width(), place.y() + y * place.height())

    for line in LINES[name]:
        painter.drawPolyline([at(*point) for point in line])
    if name in SUNS:
        x, y, radius = SUNS[name]
        painter.drawEllipse(at(x, y), radius * place.width(), radius * place.height())


class GlyphButton(QToolButton):
    """``name``: of a sign; ``said``: what it does, for the tool tip and those who hear it."""

    def __init__(self, name: str, said: str, size: int = 18, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._size = name, size
        self.setProperty("kind", "plain")
        self.setAccessibleName(said)
        self.setToolTip(said)
        self.setFixedSize(size + 12, size + 12)

    def sizeHint(self) -> QSize:
        return QSize(self._size + 12, self._size + 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        edge = (self.width() - self._size) / 2
        shade = "text" if self.isEnabled() and self.underMouse() else "muted"
        draw(painter, self._name, QRectF(edge, edge, self._size, self._size), shade)
        painter.end()
