"""The phone step in a window of its own."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from ...i18n import _
from ...store.library import Library
from ...usecases.pictures import Pictures, seeing
from ...usecases.remote_servers import RemoteServers
from ..bridge import Bridge
from ..session_model import SessionModel
from .controller import PhoneController
from .view import PhoneView

SIZE = (980, 680)


class PhoneDialog(QDialog):
    """``show()`` it from a button; it stays beside the window. Closing it stops what runs. ``view.models_wanted`` asks
    for the Models page. ``pictures`` belongs to who opens it, and is closed after the session's end."""

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        pictures: Pictures,
        library: Library,
        parent: QWidget | None = None,
        servers: RemoteServers | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("One step on the phone"))
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint, True)
        see = functools.partial(seeing, library)
        self.controller = PhoneController(bridge, session, pictures, see, parent=self, servers=servers)
        self.view = PhoneView(bridge, session, self.controller)
        self.view.models_wanted.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view)
        self.setMinimumSize(720, 480)
        self.resize(*SIZE)
        self.finished.connect(lambda _code: self.controller.stop())
