"""The remote servers that are kept, each with where it leads."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from ...core.remote import Endpoint
from ...i18n import _
from ...texts.remote import short_place_text
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, tip

WIDTH = 200


class ServerList(QWidget):
    """``picked(row)`` by the user; ``add_wanted``."""

    picked = Signal(int)
    add_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self.list = QListWidget()
        self.list.setAccessibleName(_("Remote servers"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.none = label(_("No server yet."), "muted", wrap=True)
        self.none.hide()
        self.add_button = button(_("Add a server"), self.add_wanted.emit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.none, 1, Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.list, 1)
        column.addWidget(self.add_button)
        self.list.currentRowChanged.connect(self._changed)

    def show_servers(self, endpoints: Sequence[Endpoint]) -> None:
        """Another list; nothing in it is marked."""
        with QSignalBlocker(self.list):
            self.list.clear()
            for one in endpoints:
                item = QListWidgetItem(f"{self._fitting(one.name)}\n{short_place_text(one)}")
                item.setToolTip(tip(f"{one.name}\n{one.url}"))
                self.list.addItem(item)
        self.list.setVisible(bool(endpoints))
        self.none.setVisible(not endpoints)

    def mark(self, row: int) -> None:
        """Show which one is edited (-1: none); says nothing."""
        with QSignalBlocker(self.list):
            self.list.setCurrentRow(row)

    def _changed(self, row: int) -> None:
        if row >= 0:
            self.picked.emit(row)

    def _fitting(self, name: str) -> str:
        return self.list.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, WIDTH - 4 * GAP)
