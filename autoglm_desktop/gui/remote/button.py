"""The button that opens the dialog of remote servers."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from ...i18n import _
from ..bridge import Bridge
from .dialog import RemoteDialog, Servers


class RemoteButton(QPushButton):
    """``changed(endpoints)``: the list was read, or has become another one."""

    changed = Signal(object)

    def __init__(self, bridge: Bridge, servers: Servers, parent: QWidget | None = None) -> None:
        super().__init__(_("Remote servers…"), parent)
        self._bridge, self._servers = bridge, servers
        self.dialog: RemoteDialog | None = None
        self.setProperty("kind", "plain")
        self.clicked.connect(self.open)

    def open(self) -> None:
        """Show the dialog over this button's window."""
        self.dialog = RemoteDialog(self._bridge, self._servers, self.window())
        self.dialog.changed.connect(self.changed)
        self.dialog.finished.connect(self._closed)
        self.dialog.show()

    def _closed(self) -> None:
        self.dialog = None
