"""The port, and further names that the service is called by."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLineEdit, QPushButton, QWidget

from ...i18n import _
from ...usecases.service_settings import PORTS, names_of
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.rows import in_row
from .model import ServiceModel

SUGGESTED = ("host.docker.internal",)
PORT_WIDTH = 96


class OptionsCard(Card):
    """``port_entered(port)``, ``hosts_entered(names)`` once the field is left or Enter is pressed."""

    port_entered = Signal(int)
    hosts_entered = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Port and allowed hosts"), parent)
        self.port = QLineEdit()
        self.port.setFixedWidth(PORT_WIDTH)
        self.port.setMaxLength(5)
        self.port.setAccessibleName(_("Port"))
        self.port.setToolTip(_("A number from {least} to {most}").format(least=PORTS[0], most=PORTS[1]))
        self.port.editingFinished.connect(self._port_entered)
        self.hosts = QLineEdit()
        self.hosts.setAccessibleName(_("Allowed hosts"))
        self.hosts.setPlaceholderText("host.docker.internal, my-pc.lan")
        self.hosts.setMaxLength(2000)
        self.hosts.editingFinished.connect(self._entered)
        self.add_buttons: list[QPushButton] = []
        self.wrong = label("", "error", wrap=True)
        self.wrong.hide()
        self._port: int | None = None
        self.port_wrong = label(self.port.toolTip(), "error")
        self.port_wrong.hide()
        self._arrange()

    def show_state(self, service: ServiceModel) -> None:
        settings = service.settings
        for part in (self.port, self.hosts):
            part.setEnabled(service.is_read)
        if self._port != service.port:  # it was changed elsewhere: what was entered and wrong is gone, too
            self._port = service.port
            self.port_wrong.hide()
        if not self.port.hasFocus() and self.port_wrong.isHidden():
            self.port.setText(str(service.port))
        if not self.hosts.hasFocus() and self.wrong.isHidden():
            self.hosts.setText(", ".join(settings.hosts))
        for one in self.add_buttons:
            one.setEnabled(service.is_read and one.property("name") not in settings.hosts)

    def _port_entered(self) -> None:
        least, most = PORTS
        text = self.port.text().strip()
        good = text.isascii() and text.isdecimal() and least <= int(text) <= most
        self.port_wrong.setVisible(not good)
        if good:
            self.port_entered.emit(int(text))

    def _entered(self) -> None:
        found = names_of(self.hosts.text())
        self.wrong.setText(_("This is no name of a computer: {names}").format(names=", ".join(found.wrong)))
        self.wrong.setVisible(bool(found.wrong))
        if not found.wrong:
            self.hosts_entered.emit(found.hosts)

    def _add(self, name: str) -> None:
        text = self.hosts.text().strip().rstrip(",")
        self.hosts.setText(f"{text}, {name}" if text else name)
        self._entered()

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GAP)
        grid.setVerticalSpacing(GAP)
        grid.setColumnStretch(1, 1)
        port, names = label(_("Port")), label(_("Allowed hosts"))
        port.setBuddy(self.port)
        names.setBuddy(self.hosts)
        grid.addWidget(port, 0, 0)
        grid.addLayout(in_row(self.port, self.port_wrong, None), 0, 1)
        grid.addWidget(names, 1, 0)
        grid.addWidget(self.hosts, 1, 1)
        self.body.addLayout(grid)
        self.body.addWidget(self.wrong)
        adding = in_row()
        for name in SUGGESTED:
            made = button(_("Add {name}").format(name=name), functools.partial(self._add, name), "link")
            made.setProperty("name", name)
            self.add_buttons.append(made)
            adding.addWidget(made)
        adding.addStretch(1)
        self.body.addLayout(adding)
        self.body.addWidget(
            label(
                _(
                    "Programs that call this computer by a name are let in only if the name stands here: so no web "
                    "page can use the service behind your back. A Docker container calls it host.docker.internal, "
                    "WSL and other computers by its own name. Numbers such as 192.168.1.5 need no entry."
                ),
                "muted",
                wrap=True,
            )
        )
