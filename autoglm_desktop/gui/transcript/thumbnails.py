"""Small pictures, decoded one after the other off the GUI's thread; of those that were seen lately some are kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage

from ...core.errors import AppError
from ...store.picture_file import Bitmap, read_picture
from ..bridge import Bridge

MOST_BYTES = 32 << 20
"""Of decoded pictures that are kept: some hundred, of which a window shows ten."""

MOST_WAITING = 40
"""Pictures that wait to be decoded; beyond, the oldest wishes are dropped, and come again where they are still seen."""

Key: TypeAlias = "tuple[Path, int, int]"


class Thumbnails(QObject):
    """``arrived``: a picture that was asked for is there now, or can't be. Without a bridge none ever is."""

    arrived = Signal()

    def __init__(
        self, bridge: Bridge | None, most_bytes: int = MOST_BYTES, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._most_bytes = bridge, most_bytes
        self._kept: OrderedDict[Key, QImage] = OrderedDict()
        self._failed: dict[Path, AppError] = {}
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._decoding: Key | None = None
        self.bytes = 0

    @property
    def busy(self) -> bool:
        """Whether pictures are being decoded."""
        return self._decoding is not None or bool(self._waiting)

    def image(self, path: Path, size: QSize) -> QImage | AppError | None:
        """A picture of this many pixels, why there is none, or None: it comes later."""
        key = (path, size.width(), size.height())
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        if path in self._failed:
            return self._failed[path]
        if key != self._decoding:
            self._waiting[key] = None
            self._waiting.move_to_end(key)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            self._next()
        return None

    def error(self, path: Path) -> AppError | None:
        """Why a picture that was asked for can't be shown."""
        return self._failed.get(path)

    def forget_failures(self) -> None:
        """What could not be shown is tried again."""
        self._failed.clear()

    def _next(self) -> None:
        """Decode what was asked for last: it is what is seen."""
        if self._bridge is None or self._decoding is not None or not self._waiting:
            return
        key, _none = self._waiting.popitem()
        self._decoding = key
        job = self._bridge.submit(
            lambda _report: asyncio.to_thread(decoded, *key),
            lambda image: self._keep(key, image),
            lambda error: self._refuse(key, error),
        )
        job.ended.connect(self._ended)

    def _keep(self, key: Key, image: QImage) -> None:
        self._kept[key] = image
        self.bytes += image.sizeInBytes()
        while self.bytes > self._most_bytes and len(self._kept) > 1:
            _key, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.sizeInBytes()

    def _refuse(self, key: Key, error: AppError) -> None:
        self._failed[key[0]] = error

    def _ended(self) -> None:
        self._decoding = None
        self.arrived.emit()
        self._next()


def decoded(path: Path, width: int, height: int) -> QImage:
    """A picture file in this many pixels, upright. Raises as ``store.picture_file.read_picture``."""
    return as_image(read_picture(path), width, height)


def as_image(bitmap: Bitmap, width: int, height: int) -> QImage:
    """A decoded picture in this many pixels."""
    data = bitmap.pixels(width, height)
    image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.convertToFormat(QImage.Format.Format_RGB32)
