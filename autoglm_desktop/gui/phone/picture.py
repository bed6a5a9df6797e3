"""A screenshot with an action drawn on it. What isn't done on the screen is a caption at its foot."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QGuiApplication,
    QImage,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QTextOption,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...core.phone_actions import Action, places
from ...i18n import _
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


class ActionPicture(QWidget):
    """As large as its width allows, ``most_height`` at most; the whole picture is always seen.

    Its accessible description is the action in words. ``strong`` says whether high contrast is asked for.
    """

    def __init__(
        self,
        most_height: int = 2000,
        strong: Callable[[], bool] = strong_contrast,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._most_height, self._strong = most_height, strong
        self._image: QImage | None = None
        self._scaled: QPixmap | None = None
        self._action: Action | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # so that its description is read out
        self._describe()

    @property
    def action(self) -> Action | None:
        return self._action

    def show_picture(self, image: QImage | None) -> None:
        """Another screenshot; its action goes."""
        self._image, self._scaled, self._action = image, None, None
        self._describe()
        self.updateGeometry()
        self.update()

    def show_action(self, action: Action | None) -> None:
        """Draw an action on it."""
        self._action = action
        self._describe()
        self.update()

    def area(self) -> QRectF:
        """Where the picture is shown."""
        width, height = self._ratio()
        scale = min((self.width() - 2) / width, (self.height() - 2) / height)
        shown = QRectF(0, 0, max(width * scale, 1.0), max(height * scale, 1.0))
        shown.moveCenter(QRectF(self.rect()).center())
        return shown

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        across, down = self._ratio()
        return min(round((width - 2) * down / across) + 2, self._most_height)

    def sizeHint(self) -> QSize:
        return QSize(300, self.heightForWidth(300))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 120)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.area()
        frame = QPainterPath()
        frame.addRoundedRect(area, CORNER, CORNER)
        painter.save()
        painter.setClipPath(frame)
        painter.fillRect(area, theme.colour("raised"))
        if self._image is not None:
            painter.drawPixmap(area.topLeft(), self._fitted(area))
        painter.restore()
        painter.setPen(
            QPen(theme.colour("accent" if self.hasFocus() else "border"), 2 if self.hasFocus() else 1)
        )
        painter.drawPath(frame)
        if self._action is not None:
            self._draw_action(painter, self._action, area)
        painter.end()

    def _ratio(self) -> tuple[int, int]:
        """Of a picture; of a usual phone where there is none."""
        return (9, 20) if self._image is None else (self._image.width(), self._image.height())

    def _fitted(self, area: QRectF) -> QPixmap:
        """The picture in the pixels of this screen; made anew when the size changes."""
        assert self._image is not None
        ratio = self.devicePixelRatioF()
        size = QSize(round(area.width() * ratio), round(area.height() * ratio))
        if self._scaled is None or self._scaled.size() != size:
            fitted = self._image.scaled(
                size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            self._scaled = QPixmap.fromImage(fitted)
            self._scaled.setDevicePixelRatio(ratio)
        return self._scaled

    def _look(self) -> marks.Look:
        if self._strong():
            return marks.Look(
                QColor("#ffe100"), QColor("black"), QColor("white"), LINE_STRONG, QColor("black")
            )
        return marks.Look(marks.INK, theme.colour("surface"), theme.colour("text"), LINE, marks.LIGHT)

    def _draw_action(self, painter: QPainter, action: Action, area: QRectF) -> None:
        look = self._look()
        if places(action):
            marks.draw(painter, action, texts.kind_text(action), area, look)
        else:
            self._draw_caption(painter, texts.action_text(action), area, look)

    def _draw_caption(self, painter: QPainter, text: str, area: QRectF, look: marks.Look) -> None:
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

    def _describe(self) -> None:
        self.setAccessibleName(_("Screenshot") if self._image is not None else _("No screenshot"))
        text = texts.action_text(self._action) if self._action is not None else ""
        self.setAccessibleDescription(text)
