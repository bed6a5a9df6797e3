"""An address as a QR code, for the camera of a phone."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...i18n import _

QUIET = 4
"""Light modules around it, as the standard wants them."""
MODULE = 4
"""Pixels of a module: sharp, and large enough for a camera."""


def image_of(text: str) -> QImage:
    """One pixel for each module, with the quiet zone; dark on light in every scheme, as cameras want it."""
    import segno  # only once an address is shown

    rows = list(segno.make(text, error="m", micro=False).matrix_iter(border=QUIET))
    image = QImage(len(rows), len(rows), QImage.Format.Format_Grayscale8)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            image.setPixel(x, y, 0xFF000000 if dark else 0xFFFFFFFF)
    return image


class QrCode(QWidget):
    """Draws a text; nothing for ""."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = ""
        self._image: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_text(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self._image = image_of(text) if text else None
            self.setAccessibleName(_("QR code of {address}").format(address=text) if text else "")
            self.setToolTip(text)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        side = MODULE * self._image.width() if self._image is not None else 0
        return QSize(side, side)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image is not None:
            painter = QPainter(self)
            painter.drawImage(self.rect(), self._image)  # without smoothing: every module stays sharp
            painter.end()
