"""An action on a picture that is shown somewhere: its mark, or where it is done elsewhere a caption at the foot."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QPainter, QPen, QTextOption

from ...core.phone_actions import Action, places
from ...texts import phone_actions as texts
from .. import theme
from ..theme import GAP
from . import marks

CORNER = 8
CAPTION_LINES = 3
LINE, LINE_STRONG = 3.0, 4.5


def strong_contrast() -> bool:
    """Whether the desktop asks for high contrast (Qt 6.10 and later can tell)."""
    hints = getattr(QGuiApplication.styleHints(), "accessibility", None)
    return hints is not None and hints().contrastPreference().name == "HighContrast"


def draw(painter: QPainter, action: Action, area: QRectF, *, strong: bool | None = None) -> None:
    """Draw an action on the picture in ``area``, in the painter's font. ``strong``: with high contrast; None: as the
    desktop asks for."""
    look = _look(strong_contrast() if strong is None else strong)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if places(action):
        marks.draw(painter, action, texts.kind_text(action), area, look)
    else:
        _draw_caption(painter, texts.action_text(action), area, look)


def _look(strong: bool) -> marks.Look:
    if strong:
        return marks.Look(QColor("#ffe100"), QColor("black"), QColor("white"), LINE_STRONG, QColor("black"))
    return marks.Look(marks.INK, theme.colour("surface"), theme.colour("text"), LINE, marks.LIGHT)


def _draw_caption(painter: QPainter, text: str, area: QRectF, look: marks.Look) -> None:
    option = QTextOption(Qt.AlignmentFlag.AlignCenter)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    most = CAPTION_LINES * QFontMetricsF(painter.font()).lineSpacing() * 1.3
    room = QRectF(0, 0, max(area.width() - 4 * GAP, 1.0), 10 * most)
    needed = painter.boundingRect(room, text, option)
    while needed.height() > most and len(text) > 1:
        text = text[: max(len(text) * 9 // 10, 1)].rstrip(" …") + "…"
        needed = painter.boundingRect(room, text, option)
    box = QRectF(0, 0, area.width() - 2 * GAP, needed.height() + GAP + 4)
    box.moveCenter(area.center())
    box.moveBottom(area.bottom() - GAP)
    painter.setPen(QPen(look.ink, 1.5))
    painter.setBrush(look.ground)
    painter.drawRoundedRect(box, CORNER, CORNER)
    painter.setPen(look.text)
    painter.drawText(box.adjusted(GAP, 0, -GAP, 0), text, option)
