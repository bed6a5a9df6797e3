"""The card at the top: the switch, whether it is on, its address, and which model answers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.rows import in_row
from . import words
from .copying import CopyButton
from .model import ServiceModel
from .said_row import SaidRow
from .switch import Switch


class StatusCard(Card):
    """``switched(on)`` by the switch; ``wanted(act)`` by a button (words.Said)."""

    switched = Signal(bool)
    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.switch = Switch(_("Service"))
        self.title = label("", "subtitle", wrap=True)
        self.subtitle = label("", "muted", wrap=True)
        self.url = label("", "mono", selectable=True)
        self.copy = CopyButton(self.url.text, _("Copy the address"))
        self.address = QWidget()
        self.trouble, self.model = SaidRow(), SaidRow()
        self.switch.clicked.connect(self.switched)
        for row in (self.trouble, self.model):
            row.wanted.connect(self.wanted)
        self._arrange()

    def show_state(self, service: ServiceModel, session: SessionState) -> None:
        state = service.shown
        self.switch.setChecked(service.wanted)
        self.switch.setEnabled(service.is_read)
        self.switch.setToolTip(_("Switch the service off") if service.wanted else _("Switch the service on"))
        self.title.setText(words.title(state, service.settings.lan))
        self.switch.setAccessibleDescription(self.title.text())
        self.subtitle.setText(words.subtitle(state))
        self.subtitle.setVisible(bool(self.subtitle.text()))
        self.url.setText(service.url or "")
        self.address.setVisible(service.url is not None)
        self.trouble.show_said(words.trouble(state))
        self.model.show_said(words.model_line(session))

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2 * GAP)
        head.addWidget(self.switch, 0, Qt.AlignmentFlag.AlignTop)
        said = QVBoxLayout()
        said.setSpacing(GAP // 2)
        said.addWidget(self.title)
        said.addWidget(self.subtitle)
        head.addLayout(said, 1)
        self.body.addLayout(head)
        inside = in_row(label(_("Address for programs:"), "muted"), self.url, self.copy, None)
        inside.setContentsMargins(0, 0, 0, 0)
        self.address.setLayout(inside)
        for part in (self.address, self.trouble, self.model):
            self.body.addWidget(part)
