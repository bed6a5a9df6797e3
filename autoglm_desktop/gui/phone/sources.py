"""Where a screenshot comes from: a file that is picked, a picture or a file that is dropped or pasted."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMimeData, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QImage
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

PATTERN = "*.png *.jpg *.jpeg *.webp *.bmp *.gif"
FORMATS = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")


def of_mime(data: QMimeData) -> Path | bytes | None:
    """The picture in what was dropped or pasted: the first file of this machine, else the picture itself."""
    for url in data.urls():
        if url.isLocalFile():
            return Path(url.toLocalFile())
    for kind in FORMATS:
        if data.hasFormat(kind):
            return bytes(data.data(kind).data())
    image = data.imageData() if data.hasImage() else None
    return as_png(image) if isinstance(image, QImage) and not image.isNull() else None


def has_picture(data: QMimeData) -> bool:
    """Whether there may be one."""
    return (
        data.hasImage() or any(url.isLocalFile() for url in data.urls()) or any(map(data.hasFormat, FORMATS))
    )


def as_png(image: QImage) -> bytes:
    """A picture of the clipboard as a file's content."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG", 90)  # type: ignore[call-overload]
    return bytes(content.data())


class DropFrame(QFrame):
    """Takes dropped pictures: ``dropped(path or bytes)``."""

    dropped = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setProperty("card", True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if has_picture(event.mimeData()):
            event.acceptProposedAction()
            self._mark(active=True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark(active=False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._mark(active=False)
        found = of_mime(event.mimeData())
        if found is not None:
            event.acceptProposedAction()
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
