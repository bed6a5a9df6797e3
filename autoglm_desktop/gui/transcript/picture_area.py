"""A picture that fits its room, or in its own size to be moved about in it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QScrollArea, QWidget

from ...core.phone_actions import SCALE, Action, places
from ..phone.picture import ActionPicture
from . import picture_lines

FRAME = 2
"""Pixels of ActionPicture's border, both sides together."""
MOST_HEIGHT = 1 << 20


class PictureArea(QScrollArea):
    """``turned(-1 or 1)``: arrows or Page keys that have nothing to move; ``clicked_twice``."""

    turned = Signal(int)
    clicked_twice = Signal(QPointF)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image: QImage | None = None
        self._full = False
        self._dragged: QPoint | None = None
        self.sheet = ActionPicture(MOST_HEIGHT)
        self.sheet.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.sheet.installEventFilter(self)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWidget(self.sheet)
        self.setCornerWidget(QWidget())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_picture(self, image: QImage | None, action: Action | None = None) -> None:
        """Another picture, or none."""
        self.image = image
        self.sheet.show_picture(image)
        self.sheet.show_action(action if image is not None else None)
        self._arrange()

    def set_full(self, full: bool, at: QPointF | None = None) -> None:
        """``full``: each pixel as one of the screen. In the middle comes ``at``, a share of its sides, else where the
        action is done."""
        self._full = full
        self._arrange()
        done = places(self.sheet.action)
        if at is None and done:
            at = QPointF(done[0].x / SCALE, done[0].y / SCALE)
        if at is not None:
            room, size = self.viewport().size(), self.sheet.size()
            x, y = round(at.x() * size.width()), round(at.y() * size.height())
            self.ensureVisible(x, y, room.width() // 2, room.height() // 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {
            Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1,
        }.get(Qt.Key(event.key()))  # fmt: skip
        sideways = event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right)
        bar = self.horizontalScrollBar() if sideways else self.verticalScrollBar()
        if by is not None and not bar.maximum():
            self.turned.emit(by)
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.sheet and isinstance(event, QMouseEvent):
            self._drag(event)
            return True
        return super().eventFilter(watched, event)

    def _arrange(self) -> None:
        """Give the picture its size."""
        if self.image is None:
            return
        ratio = self.devicePixelRatioF()
        size = QSize(round(self.image.width() / ratio), round(self.image.height() / ratio))
        if not self._full:
            room = self.maximumViewportSize()
            size = picture_lines.fitted(size.width(), size.height(), room - QSize(FRAME, FRAME))
        self.sheet.setFixedSize(size + QSize(FRAME, FRAME))

    def _drag(self, event: QMouseEvent) -> None:
        """Move a large picture with the mouse."""
        here = event.globalPosition().toPoint()
        if event.type() == QEvent.Type.MouseButtonDblClick:
            place, size = event.position(), self.sheet.size()
            self.clicked_twice.emit(QPointF(place.x() / size.width(), place.y() / size.height()))
        elif event.type() == QEvent.Type.MouseButtonPress:
            self._dragged = here
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self._dragged = None
        elif self._dragged is not None:
            moved, self._dragged = here - self._dragged, here
            across, down = self.horizontalScrollBar(), self.verticalScrollBar()
            across.setValue(across.value() - moved.x())
            down.setValue(down.value() - moved.y())
