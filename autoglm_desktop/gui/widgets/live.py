"""Texts and bars that change several times a second: painted, so that a change moves nothing around them."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from .. import theme
from ..theme import GAP
from .labels import tip

DIVIDER = " · "
KEPT = 0.7
"""A part that has become shorter than this share of its place gets a smaller one."""


class LiveText(QWidget):
    """One line, shortened at its end where it does not fit. A new text costs one repaint and no layout.

    ``colour``: a name of the theme; ``right``: set flush right; ``least``: the width that it is given at least.
    Parts that `` · `` divides keep their places while the numbers in them change.
    """

    def __init__(
        self, colour: str = "muted", *, right: bool = False, least: int = 40, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._text, self._colour, self._least = "", colour, least
        self._widths: list[float] = []
        self._flush = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def set_text(self, text: str, colour: str | None = None) -> None:
        if text == self._text and colour in (None, self._colour):
            return
        self._text, self._colour = text, colour or self._colour
        self.setAccessibleName(text)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._least, self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._least, self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        metrics = QFontMetricsF(self.font())
        shown = metrics.elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(tip(self._text) if shown != self._text else "")
        painter = QPainter(self)
        painter.setPen(theme.colour(self._colour))
        widths = self.places(metrics)
        if shown != self._text or len(widths) == 1 or sum(widths) > self.width():
            painter.drawText(self.rect(), self._flush | Qt.AlignmentFlag.AlignVCenter, shown)
        else:
            rect = QRectF(self.rect())
            for part, width in zip(self._parts(), widths, strict=True):
                painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, part)
                rect.setLeft(rect.left() + width)
        painter.end()

    def places(self, metrics: QFontMetricsF) -> list[float]:
        """The width of each part: as wide as it has been lately, so that what follows it stands still."""
        needed = [metrics.horizontalAdvance(part) for part in self._parts()]
        if len(needed) != len(self._widths):
            self._widths = needed
        pairs = zip(needed, self._widths, strict=True)
        self._widths = [max(now, old) if now > KEPT * old else now for now, old in pairs]
        return self._widths

    def _parts(self) -> list[str]:
        parts = self._text.split(DIVIDER)
        return [*(part + DIVIDER for part in parts[:-1]), parts[-1]]


class LiveBar(QWidget):
    """How much of something is done: a fraction, or None where that is not known yet."""

    def __init__(self, height: int = GAP, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fraction: float | None = None
        self._colour, self._bar_height = "accent", height
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(5 * GAP)

    def set_fraction(self, fraction: float | None, colour: str = "accent") -> None:
        """Between 0 and 1. ``colour``: a name of the theme."""
        if fraction == self.fraction and colour == self._colour:
            return
        self.fraction, self._colour = fraction, colour
        self.setAccessibleName("" if fraction is None else f"{int(fraction * 100)} %")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(20 * GAP, self._bar_height)

    def minimumSizeHint(self) -> QSize:
        return QSize(5 * GAP, self._bar_height)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        radius = self._bar_height / 2
        painter.setBrush(theme.colour("bar"))
        painter.drawRoundedRect(QRectF(0, 0, self.width(), self._bar_height), radius, radius)
        if self.fraction:
            width = max(self.width() * min(self.fraction, 1.0), self._bar_height)
            painter.setBrush(theme.colour(self._colour))
            painter.drawRoundedRect(QRectF(0, 0, width, self._bar_height), radius, radius)
        painter.end()
