"""Icons from ``resources/icons``: one-colour SVGs, drawn in the theme's colours."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from ..store import paths
from . import theme

SIZES = (16, 18, 24, 32, 48)


def icon(name: str, colour: str = "text") -> QIcon:
    """An icon in a named colour; ``currentColor`` in the SVG is replaced. Raises FileNotFoundError."""
    text = (paths.resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    result = QIcon()
    for mode, shade in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, "muted")):
        data = text.replace("currentColor", theme.colour(shade).name())
        renderer = QSvgRenderer(QByteArray(data.encode()))
        for size in SIZES:
            image = QImage(QSize(2 * size, 2 * size), QImage.Format.Format_ARGB32_Premultiplied)
            image.fill(Qt.GlobalColor.transparent)
            painter = QPainter(image)
            renderer.render(painter)
            painter.end()
            pixmap = QPixmap.fromImage(image)
            pixmap.setDevicePixelRatio(2)
            result.addPixmap(pixmap, mode)
    return result
