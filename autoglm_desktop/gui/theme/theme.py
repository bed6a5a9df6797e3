"""Applies a colour scheme to the application: Fusion style, palette and one style sheet made from named colours."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from .colours import DARK, LIGHT

GAP = 8
"""The grid, in device-independent pixels."""

FAMILIES = (
    "Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei UI", "PingFang SC",
    "DejaVu Sans",
)  # fmt: skip
_current = LIGHT


class Scheme(Enum):
    """What the user chose; SYSTEM follows the desktop."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


def apply(app: QApplication, scheme: Scheme = Scheme.SYSTEM) -> None:
    """Style the whole application; follows the system's scheme until called again."""
    global _current
    dark = scheme is Scheme.DARK
    if scheme is Scheme.SYSTEM:
        dark = app.styleHints().colorScheme() == Qt.ColorScheme.Dark
    _current = DARK if dark else LIGHT
    app.setStyle("Fusion")
    font = QFont()
    font.setFamilies(list(FAMILIES))
    font.setPointSizeF(10.5)
    app.setFont(font)
    app.setPalette(_palette())
    app.setStyleSheet(style_sheet(_current))


def colour(name: str) -> QColor:
    """A named colour of the current scheme."""
    return QColor(_current[name])


def current() -> dict[str, str]:
    """All named colours of the current scheme."""
    return dict(_current)


def style_sheet(colours: dict[str, str]) -> str:
    """style.qss with its ``@name`` placeholders filled in."""
    text = Path(__file__).with_name("style.qss").read_text(encoding="utf-8")
    for name in sorted(colours, key=len, reverse=True):
        text = text.replace(f"@{name}", colours[name])
    return text


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: "window",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.Base: "surface",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.Highlight: "selection",
        QPalette.ColorRole.HighlightedText: "text",
        QPalette.ColorRole.PlaceholderText: "muted",
        QPalette.ColorRole.ToolTipBase: "raised",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.Link: "accent",
        QPalette.ColorRole.LinkVisited: "accent",
        QPalette.ColorRole.Mid: "border",
    }
    for role, name in roles.items():
        palette.setColor(role, colour(name))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText, QPalette.ColorRole.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour("muted"))
    return palette
