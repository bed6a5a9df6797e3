"""The name of a row that can be unfolded: a small arrow before it points right, or down while it is open."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from ...i18n import _
from .. import theme
from .labels import tip

ARROW = ((-1.75, -3.5), (1.75, 0.0), (-1.75, 3.5))
PLACE = 6.0
PADDING = 20
"""Left and right of the name, as the style sheet has it for this kind."""
MOST = 26
"""Characters of a name that are shown, about."""


class Opener(QPushButton):
    """Says by its accessible name whether it is open; a long name is shortened in the middle. ``clicked`` as any
    button."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self._name, self._opened = name, False
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
        self.setAccessibleName(said.format(name=self._name))
        self.update()

    def sizeHint(self) -> QSize:
        self.ensurePolished()
        metrics = self.fontMetrics()
        width = min(metrics.horizontalAdvance(self._name) + 2, MOST * metrics.horizontalAdvance("x"))
        return QSize(width + PADDING, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - PADDING
        shown = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideMiddle, room)
        if shown != self.text():
            self.setText(shown)
            self.setToolTip(tip(self._name) if shown != self._name else "")

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
