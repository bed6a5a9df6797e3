"""Who can reach the service: this computer only, or the network, too; then its addresses and what to beware of."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...i18n import _
from ...usecases.service_settings import LanAddress
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import Choice
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from .copying import CopyButton
from .model import ServiceModel
from .qr import QrCode
from .said_row import SaidRow
from .words import Said

HERE, NETWORK = "here", "network"
MOST_ADDRESSES = 4


class ReachCard(Card):
    """``picked(lan)``"""

    picked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Who can reach it"), parent)
        self.choice = Choice([(HERE, _("This computer only")), (NETWORK, _("My network, too"))])
        self.choice.setAccessibleName(_("Who can reach it"))
        tips = (
            _("Programs on this computer, and on a phone that is connected by cable and adb."),
            _("Other computers in the same network, with the key."),
        )
        for one, tip in zip(self.choice.findChildren(QPushButton), tips, strict=True):
            one.setToolTip(tip)
        self.choice.picked.connect(lambda value: self.picked.emit(value == NETWORK))
        self.said = label("", "muted", wrap=True)
        self.warning = SaidRow()
        self.network = QWidget()
        self.none_found = label(_("This computer has no address in a network now."), "muted", wrap=True)
        self.qr = QrCode()
        self.qr_said = label(_("The first address for a camera. It holds no key."), "muted", wrap=True)
        self._grid = QGridLayout()
        self._shown: tuple[object, ...] | None = None
        self._arrange()

    def show_state(self, service: ServiceModel) -> None:
        lan = service.settings.lan
        self.choice.set_value(NETWORK if lan else HERE)
        self.choice.setEnabled(service.is_read)
        self.said.setText(
            _("Other computers in your network can use the model. They need the key.")
            if lan
            else _("The phone agent runs on a computer and steers the phone by adb: for that this is enough.")
        )
        self.warning.show_said(
            Said(
                "warn",
                _(
                    "Nothing is encrypted on the way: whoever listens in the network can read the screenshots, the "
                    "answers and the key. Use it only in a network that you trust, never in a public Wi-Fi, and "
                    "never open the port to the internet."
                ),
            )
            if lan
            else None
        )
        self._show_addresses(service.addresses if lan else (), service.port, service.wanted and lan)

    def _show_addresses(self, addresses: tuple[LanAddress, ...], port: int, shown: bool) -> None:
        self.network.setVisible(shown)
        if not shown or self._shown == (addresses, port):
            return
        self._shown = (addresses, port)
        clear(self._grid)
        before: QWidget = self.choice.findChildren(QPushButton)[-1]
        for row, one in enumerate(addresses[:MOST_ADDRESSES]):
            url = f"http://{one.address}:{port}/v1"
            name = _("{name} (containers, virtual machines)") if one.virtual else "{name}"
            copy = CopyButton(functools.partial(str, url), _("Copy {address}").format(address=url))
            self._grid.addWidget(label(url, "mono", selectable=True), row, 0)
            self._grid.addWidget(copy, row, 1)
            interface = ElidedLabel(name.format(name=one.interface), "muted")
            interface.setMinimumWidth(3 * GAP)  # a long address goes first in a narrow window
            self._grid.addWidget(interface, row, 2)
            self.setTabOrder(before, copy)
            before = copy
        self.none_found.setVisible(not addresses)
        for part in (self.qr, self.qr_said):
            part.setVisible(bool(addresses))
        self.qr.show_text(f"http://{addresses[0].address}:{port}/v1" if addresses else "")

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.choice)
        row.addStretch(1)
        self.body.addLayout(row)
        self.body.addWidget(self.said)
        self.body.addWidget(self.warning)
        inside = QHBoxLayout(self.network)
        inside.setContentsMargins(0, GAP, 0, 0)
        inside.setSpacing(2 * GAP)
        left = QVBoxLayout()
        left.setSpacing(GAP)
        left.addWidget(label(_("Addresses for other computers")))
        left.addWidget(self.none_found)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setColumnStretch(2, 1)
        left.addLayout(self._grid)
        left.addStretch(1)
        inside.addLayout(left, 1)
        right = QVBoxLayout()
        right.setSpacing(GAP)
        right.addWidget(self.qr, 0, Qt.AlignmentFlag.AlignHCenter)
        self.qr_said.setFixedWidth(17 * GAP)
        self.qr_said.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        right.addWidget(self.qr_said)
        right.addStretch(1)
        inside.addLayout(right)
        self.body.addWidget(self.network)
