"""A picture of a message, as large as the window; over the rest of it, until it is closed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import (
    QCloseEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...core.phone_actions import Action
from ...i18n import _
from ...store.picture_file import read_picture
from ...texts import phone_actions as texts
from .. import theme
from ..bridge import Bridge, Job
from ..theme import GAP
from ..widgets.buttons import Choice, button
from ..widgets.labels import ElidedLabel, label, set_role
from . import picture_lines
from .entry import Shown
from .picture_area import PictureArea
from .thumbnails import as_image

MOST_PIXELS = 16e6
"""Of a picture that is shown, 64 MB; a larger one is made smaller, and says so."""


class PictureViewer(QWidget):
    """``open`` it once. Esc closes it, Space changes between fitting and 100 %, arrows go to the other pictures or
    move a large one, Ctrl+C copies the picture."""

    def __init__(
        self,
        window: QWidget,
        bridge: Bridge | None,
        pictures: Sequence[tuple[Shown, Action | None]],
        place: int = 0,
    ) -> None:
        super().__init__(window)
        self._window, self._bridge, self._pictures, self._place = window, bridge, pictures, place
        self._opener: QWidget | None = None
        self._job: Job | None = None
        self._ringed = False
        self._opened = 0.0
        self.caption = ElidedLabel("", None, Qt.TextElideMode.ElideMiddle)
        self.action = label("", "subtitle", wrap=True)
        self.before = button("‹", lambda: self._go(-1))
        self.after = button("›", lambda: self._go(1))
        self.zoom = Choice((("fit", _("Fit")), ("full", "100 %")))
        self.copy_button = button(_("Copy"), self.copy)
        self.close_button = button(_("Close"), self.close, "primary")
        self.area = PictureArea()
        self.message = label("", "muted", wrap=True)
        self.stack = QStackedWidget()
        self._build()
        self._show()

    def open(self, opener: QWidget | None = None) -> None:
        """Show it; the keyboard goes back to ``opener`` at the end."""
        self._opener = opener
        self.setGeometry(self._window.rect())
        self._window.installEventFilter(self)
        self.show()
        self.raise_()
        self._opened = time.monotonic()
        (self.area if self.area.isVisible() else self).setFocus(Qt.FocusReason.PopupFocusReason)

    def copy(self) -> None:
        """Put the picture into the clipboard."""
        if self.area.image is not None:
            QGuiApplication.clipboard().setImage(self.area.image)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._window.removeEventFilter(self)
        self._place = -1  # what still comes is for nobody
        if self._job is not None:
            self._job.cancel()
        if self._opener is not None:
            self._opener.setFocus(Qt.FocusReason.PopupFocusReason)
        self.deleteLater()
        super().closeEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride:  # nothing behind it acts
            event.accept()
            return True
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._window.rect())
        elif watched is self.area and event.type() == QEvent.Type.FocusOut:
            self.update()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() == Qt.Key.Key_Space:
            self._change_zoom(None)
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_PageUp):
            self._go(-1)
        elif event.key() in (Qt.Key.Key_Right, Qt.Key.Key_PageDown):
            self._go(1)
        event.accept()

    def focusNextPrevChild(self, next: bool) -> bool:
        """Tab stays within it."""
        order = [widget for widget in self._order() if widget.isVisible() and widget.isEnabled()]
        here = self.window().focusWidget()
        place = order.index(here) if here in order else -1
        reason = Qt.FocusReason.TabFocusReason if next else Qt.FocusReason.BacktabFocusReason
        order[(place + (1 if next else -1)) % len(order)].setFocus(reason)
        self._ringed = True  # from now on the keyboard's focus is marked
        self.update()
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("window"))
        if self._ringed and self.window().focusWidget() is self.area:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.colour("accent"), 2))
            painter.drawRoundedRect(self.stack.geometry().adjusted(-4, -4, 4, 4), 8, 8)
        painter.end()

    def _order(self) -> list[QWidget]:
        zooms = self.zoom.findChildren(QPushButton)
        return [self.area, self.before, self.after, *zooms, self.copy_button, self.close_button]

    def _build(self) -> None:
        self.setAccessibleName(_("Picture"))
        self.before.setAccessibleName(_("The picture before"))
        self.after.setAccessibleName(_("The next picture"))
        for turn in (self.before, self.after):
            turn.setVisible(len(self._pictures) > 1)
        self.zoom.set_value("fit")
        self.zoom.picked.connect(lambda value: self.area.set_full(value == "full"))
        self.area.installEventFilter(self)
        self.area.turned.connect(self._go)
        self.area.clicked_twice.connect(self._clicked_twice)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack.addWidget(self.area)
        self.stack.addWidget(self.message)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.caption, 1)
        for widget in (self.before, self.after, self.zoom, self.copy_button, self.close_button):
            head.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GAP, GAP, 2 * GAP, 2 * GAP)
        column.setSpacing(GAP)
        column.addLayout(head)
        column.addWidget(self.action)
        column.addWidget(self.stack, 1)

    def _show(self) -> None:
        """Read the picture whose turn it is."""
        picture, action = self._pictures[self._place]
        described = picture_lines.description(picture)
        self.caption.set_text(described)
        self.action.setText(texts.action_text(action) if action is not None else "")
        self.action.setVisible(action is not None)
        self.setAccessibleDescription(described)
        self.area.setAccessibleName(described)
        self.area.setAccessibleDescription(self.action.text())
        self.area.show_picture(None)
        self._say(_("Reading the picture…"))
        if self._job is not None:
            self._job.cancel()
        if picture.path is None or self._bridge is None:
            self._refused(self._place, AppError("file_not_found", path=str(picture.path or picture.name)))
            return
        path, place = picture.path, self._place
        self._job = self._bridge.submit(
            lambda _report: asyncio.to_thread(whole, path),
            lambda image: self._read(place, image),
            lambda error: self._refused(place, error),
        )

    def _read(self, place: int, image: QImage) -> None:
        if place != self._place:
            return
        picture, action = self._pictures[place]
        self.area.show_picture(image, action)
        if image.width() < picture.width:
            smaller = _("here at {percent} % at most").format(
                percent=round(100 * image.width() / picture.width)
            )
            self.caption.set_text(f"{picture_lines.description(picture)} · {smaller}")
        self._can_be_seen(seen=True)
        self.stack.setCurrentWidget(self.area)
        if self.window().focusWidget() is self:
            self.area.setFocus()

    def _refused(self, place: int, error: AppError) -> None:
        if place == self._place:
            self._say(picture_lines.failure(error), "error")

    def _say(self, text: str, role: str = "muted") -> None:
        self._can_be_seen(seen=False)
        if self.window().focusWidget() is self.area:
            self.setFocus()
        set_role(self.message, role)
        self.message.setText(text)
        self.stack.setCurrentWidget(self.message)

    def _can_be_seen(self, *, seen: bool) -> None:
        """What can be done with a picture, and what can't without one."""
        self.copy_button.setEnabled(seen)
        self.zoom.setEnabled(seen)
        self.before.setEnabled(self._place > 0)
        self.after.setEnabled(self._place < len(self._pictures) - 1)

    def _clicked_twice(self, at: QPointF) -> None:
        """The second click of those that opened it is none."""
        if time.monotonic() - self._opened > QGuiApplication.styleHints().mouseDoubleClickInterval() / 1000:
            self._change_zoom(at)

    def _change_zoom(self, at: QPointF | None) -> None:
        if self.area.image is not None:
            full = self.zoom.value() == "fit"
            self.zoom.set_value("full" if full else "fit")
            self.area.set_full(full, at)

    def _go(self, by: int) -> None:
        """Another picture of the message."""
        place = self._place + by
        if 0 <= place < len(self._pictures):
            self._place = place
            self._show()


def whole(path: Path) -> QImage:
    """A picture file, upright, of 16 megapixels at most. Raises as ``store.picture_file.read_picture``."""
    bitmap = read_picture(path)
    scale = min(1.0, math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)))
    return as_image(bitmap, max(int(bitmap.width * scale), 1), max(int(bitmap.height * scale), 1))
