"""A round mark that says by colour, shape and accessible name how something is."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...i18n import N_, _
from .. import theme

NAMES = {
    "ok": N_("fine"),
    "warn": N_("to look at"),
    "fail": N_("in the way"),
    "unknown": N_("not known"),
    "busy": N_("being looked at"),
}
COLOURS = {"ok": "good", "warn": "warn", "fail": "bad", "unknown": "muted", "busy": "muted"}
GROUNDS = {"ok": "good_soft", "warn": "warn_soft", "fail": "bad_soft", "unknown": "raised", "busy": "raised"}
STROKES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "ok": (((0.28, 0.53), (0.44, 0.68), (0.73, 0.35)),),
    "warn": (((0.5, 0.26), (0.5, 0.56)), ((0.5, 0.73), (0.5, 0.731))),
    "fail": (((0.34, 0.34), (0.66, 0.66)), ((0.66, 0.34), (0.34, 0.66))),
    "unknown": (((0.3, 0.5), (0.7, 0.5)),),
    "busy": (((0.29, 0.5), (0.291, 0.5)), ((0.5, 0.5), (0.501, 0.5)), ((0.71, 0.5), (0.711, 0.5))),
}
"""Lines of each sign, in a square of side 1."""


class Mark(QWidget):
    """``status``: ok, warn, fail, unknown or busy. ``size`` in pixels; ``name``: what it says, where that is
    not the usual word for the status."""

    def __init__(
        self, status: str = "busy", size: int = 20, name: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._size, self._name = size, name
        self.status = ""
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_status(status)

    def set_status(self, status: str) -> None:
        self.status = status
        self.setAccessibleName(self._name or _(NAMES[status]))
        self.setToolTip(self._name or _(NAMES[status]))
        self.update()

    def show_status(self, status: str, name: str) -> None:
        """Another status, with the word for it."""
        self._name = name
        self.set_status(status)

    def sizeHint(self) -> QSize:
        return QSize(self._size, self._size)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour(GROUNDS[self.status]))
        painter.drawEllipse(QRectF(0, 0, self._size, self._size))
        pen = QPen(theme.colour(COLOURS[self.status]), max(self._size / 10, 1.8))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        for stroke in STROKES[self.status]:
            painter.drawPolyline([QPointF(x * self._size, y * self._size) for x, y in stroke])
        painter.end()
