"""The name of a row that can be unfolded: a small arrow before it points right, or down while it is open."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from ...i18n import _
from .. import theme

ARROW = ((-1.75, -3.5), (1.75, 0.0), (-1.75, 3.5))
PLACE = 6.0


class Opener(QPushButton):
    """Says by its accessible name whether it is open. ``clicked`` as any button."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._opened = False
        self.setProperty("kind", "row")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_opened(False)

    @property
    def opened(self) -> bool:
        return self._opened

    def set_opened(self, opened: bool) -> None:
        self._opened = opened
        said = _("{name}: hide details") if opened else _("{name}: show details")
        self.setAccessibleName(said.format(name=self.text()))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(theme.colour("muted"), 1.5)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.translate(PLACE, self.height() / 2)
        if self._opened:
            painter.rotate(90)
        painter.drawPolyline([QPointF(*point) for point in ARROW])
        painter.end()
