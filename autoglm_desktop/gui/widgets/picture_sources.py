"""Pictures in what is dropped, pasted or picked: files of this machine, or a picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMimeData, Qt
from PySide6.QtGui import QDropEvent, QImage

Source: TypeAlias = Path | bytes | QImage
"""A file, a file's content, or a picture of the clipboard that has no file."""

PATTERN = "*.png *.jpg *.jpeg *.webp *.bmp *.gif"
SUFFIXES = frozenset(pattern[1:] for pattern in PATTERN.split())
OTHERS = frozenset((".heic", ".heif", ".avif", ".jxl", ".tif", ".tiff", ".svg"))
"""Pictures that cannot be read here: taken all the same, so that somebody says so."""
FORMATS = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")


def files_of(data: QMimeData) -> list[Path]:
    """The files of this machine in it."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def of_mime(data: QMimeData) -> Path | bytes | None:
    """The picture in what was dropped or pasted: the first file of this machine, else the picture itself."""
    found = next(iter(sources_of(data)), None)
    return as_png(found) if isinstance(found, QImage) else found


def sources_of(data: QMimeData) -> list[Source]:
    """All of them. Nothing is encoded here: a large picture would take a while."""
    files = files_of(data)
    if files:
        return list(files)
    for kind in FORMATS:
        if data.hasFormat(kind):
            return [bytes(data.data(kind).data())]
    image = data.imageData() if data.hasImage() else None
    return [image] if isinstance(image, QImage) and not image.isNull() else []


def has_picture(data: QMimeData) -> bool:
    """Whether there may be one."""
    return _has_image(data) or any(url.isLocalFile() for url in data.urls())


def is_for_chat(data: QMimeData) -> bool:
    """Whether this is pictures to someone who writes: files of which one is a picture by its name, or a picture
    without text. Office programs put a picture of each text beside it."""
    files = files_of(data)
    if files:
        return any(path.suffix.lower() in SUFFIXES | OTHERS for path in files)
    return _has_image(data) and not _own_text(data)


def accept(event: QDropEvent) -> None:
    """Take what is dragged as a copy: a file manager may delete what was moved."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()


def as_png(image: QImage) -> bytes:
    """A picture of the clipboard as a file's content. Takes up to a second."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG", 90)  # type: ignore[call-overload]
    return bytes(content.data())


def _has_image(data: QMimeData) -> bool:
    return data.hasImage() or any(map(data.hasFormat, FORMATS))


def _own_text(data: QMimeData) -> bool:
    """Text that is more than the address of the picture."""
    if not data.hasFormat("text/plain"):
        return False
    text = data.text().strip()
    return bool(text) and text not in [url.toString() for url in data.urls()]
