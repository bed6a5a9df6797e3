"""Where a screenshot comes from: a file that is picked, a picture or a file that is dropped or pasted."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from ..widgets.picture_sources import PATTERN, accept, has_picture, of_mime

__all__ = ["PATTERN", "DropFrame", "TaskEdit", "has_picture", "of_mime"]


class DropFrame(QFrame):
    """Takes dropped pictures: ``dropped(path or bytes)``."""

    dropped = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setProperty("card", True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if has_picture(event.mimeData()):
            accept(event)
            self._mark(active=True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark(active=False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._mark(active=False)
        found = of_mime(event.mimeData())
        if found is not None:
            accept(event)
            self.dropped.emit(found)

    def _mark(self, *, active: bool) -> None:
        self.setProperty("card", "accent" if active else True)
        self.style().unpolish(self)
        self.style().polish(self)


class TaskEdit(QPlainTextEdit):
    """Text of a task; a picture that is pasted here is for the view: ``pasted(path or bytes)``."""

    pasted = Signal(object)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return has_picture(source) or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        found = of_mime(source) if has_picture(source) else None
        if found is not None:
            self.pasted.emit(found)
        else:
            super().insertFromMimeData(source)
