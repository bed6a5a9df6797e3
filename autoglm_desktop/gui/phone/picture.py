"""A screenshot with an action drawn on it. What isn't done on the screen is a caption at its foot."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...core.phone_actions import Action
from ...i18n import _
from ...texts import phone_actions as texts
from .. import theme
from . import drawing
from .drawing import CORNER, strong_contrast


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
            drawing.draw(painter, self._action, area, strong=self._strong())
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
            fitted = self._image
            if fitted.size() != size:
                fitted = fitted.scaled(
                    size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
                )
            self._scaled = QPixmap.fromImage(fitted)
            self._scaled.setDevicePixelRatio(ratio)
        return self._scaled

    def _describe(self) -> None:
        self.setAccessibleName(_("Screenshot") if self._image is not None else _("No screenshot"))
        text = texts.action_text(self._action) if self._action is not None else ""
        self.setAccessibleDescription(text)
