"""Where files can be dropped: the whole page takes them, this area says so."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from .. import theme
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label


def dropped_files(data: QMimeData) -> list[Path]:
    """The local files of a drag."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


class DropArea(QWidget):
    """``pick_wanted`` by its button. ``set_active`` while something is dragged over the page."""

    pick_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._active = False
        self.title = label(role="subtitle", wrap=True)
        self.text = label("", "muted", wrap=True)
        self.pick_button = button(_("Choose files …"), self.pick_wanted.emit)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addWidget(self.title)
        lines.addWidget(self.text)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        row.setSpacing(2 * GAP)
        row.addLayout(lines, 1)
        row.addWidget(self.pick_button)
        self.set_empty(False)

    def set_empty(self, empty: bool, *, demo: bool = False) -> None:
        """Whether there is no file yet. ``demo``: it stands below."""
        text = _("They stay where they are; only their place is remembered.")
        if empty and demo:
            text = _("It stays where it is. To try the program without any file, load the demo below.")
        self.text.setText(text)
        if empty:
            self.title.setText(_("No model file is on this machine yet. Drop a GGUF file here."))
        else:
            self.title.setText(_("Drop GGUF files here to add them"))

    def set_active(self, active: bool) -> None:
        self._active = active
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(theme.colour("accent" if self._active else "muted"), 2 if self._active else 1)
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(theme.colour("accent_soft" if self._active else "window"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 10, 10)
        painter.end()
