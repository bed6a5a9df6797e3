"""A bar of amounts on one scale: in use, needed, left."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from .. import theme
from ..theme import GAP
from .labels import label


@dataclass(frozen=True)
class Amount:
    """A part of a bar; ``colour`` is a name of the theme. ``text`` is how its size is written."""

    name: str
    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class BarContent:
    """``amounts`` from the left; ``limit`` (same unit) is marked where they go beyond it."""

    amounts: tuple[Amount, ...]
    limit: float

    @property
    def scale(self) -> float:
        """The whole length."""
        return max(self.limit, sum(amount.value for amount in self.amounts))


class Bar(QWidget):
    """Paints a BarContent; nothing for None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content: BarContent | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_content(self, content: BarContent | None) -> None:
        self._content = content
        parts = content.amounts if content is not None else ()
        self.setAccessibleName(", ".join(f"{amount.name}: {amount.text}" for amount in parts))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(120, GAP + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, GAP + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        content = self._content
        if content is None or content.scale <= 0:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(0, 2, self.width(), GAP)
        outline = QPainterPath()
        outline.addRoundedRect(rect, GAP / 2, GAP / 2)
        painter.setClipPath(outline)
        painter.fillRect(rect, theme.colour("bar"))
        left = 0.0
        for amount in content.amounts:
            width = self.width() * amount.value / content.scale
            painter.fillRect(QRectF(left, 2, width, GAP), theme.colour(amount.colour))
            left += width
        painter.setClipping(False)
        if content.limit < content.scale:
            x = self.width() * content.limit / content.scale
            painter.fillRect(QRectF(x - 1, 0, 2, GAP + 4), theme.colour("text"))
        painter.end()


class Swatch(QWidget):
    """A small square in a colour of the bar."""

    def __init__(self, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colour = colour
        self.setFixedSize(10, 10)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour(self._colour))
        painter.drawRoundedRect(self.rect(), 3, 3)
        painter.end()


class Legend(QWidget):
    """The amounts of a bar, a line each: colour, name, size."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)

    def set_amounts(self, amounts: tuple[Amount, ...]) -> None:
        clear(self._grid)
        for row, amount in enumerate(amounts):
            self._grid.addWidget(Swatch(amount.colour), row, 0, Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(label(amount.name, "muted", wrap=True), row, 1)
            value = label(amount.text)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(value, row, 2)


def clear(grid: QGridLayout) -> None:
    """Take every widget out of a grid."""
    while (item := grid.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
