"""The key that programs send along: hidden, shown, copied, made anew."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from ...i18n import _, sentences
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.dialog import Ask
from ..widgets.labels import ElidedLabel, label
from ..widgets.rows import in_row
from . import words
from .copying import CopyButton
from .model import ServiceModel
from .switch import Switch


class KeyCard(Card):
    """``new_wanted`` once that is confirmed; ``asked(on)``: whether programs of this computer need it, too.
    ``shown_changed``: the key is shown or hidden."""

    new_wanted = Signal()
    asked = Signal(bool)
    shown_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Key"), parent)
        self._key = ""
        self.shows = False
        self.dialog: Ask | None = None
        self.said = label("", "muted", wrap=True)
        here = _("Programs on this computer need a key, too")
        self.also_here = Switch(here)
        self.also_here.clicked.connect(self.asked)
        self.here = QWidget()
        asks = in_row(self.also_here, label(here), None)
        asks.setContentsMargins(0, 0, 0, 0)
        self.here.setLayout(asks)
        self.value = ElidedLabel("", "mono")
        self.show_button = button(_("Show the key"), self._turn)
        self.copy = CopyButton(lambda: self._key, _("Copy the key"))
        self.new_button = button(_("Make a new one"), self._ask)
        self.new_button.setToolTip(_("Programs with the old key are refused from then on."))
        self.row = QWidget()
        inside = in_row(self.value, self.show_button, self.copy, self.new_button, None)
        inside.setContentsMargins(0, 0, 0, 0)
        self.row.setLayout(inside)
        for part in (self.said, self.here, self.row):
            self.body.addWidget(part)

    def show_state(self, service: ServiceModel) -> None:
        settings = service.settings
        needed = settings.lan or settings.ask_key
        self._key = settings.key or ""
        self.here.setVisible(not settings.lan)
        self.also_here.setChecked(settings.ask_key)
        self.also_here.setEnabled(service.is_read)
        self.row.setVisible(needed and bool(self._key))
        self.said.setText(self._sentence(service))
        self._show_key()

    def _sentence(self, service: ServiceModel) -> str:
        settings = service.settings
        if not settings.lan and not settings.ask_key:
            return _(
                "None is needed: only programs on this computer can reach the service. Any key is taken."
            )
        if not self._key:
            return _("It is being fetched …")
        return sentences(_("Every request must carry it."), words.where_key(settings.key_where))

    def _show_key(self) -> None:
        self.value.set_text(self._key if self.shows else words.HIDDEN)
        self.value.setAccessibleName(_("Key") if self.shows else _("Key, hidden"))
        self.show_button.setText(_("Hide the key") if self.shows else _("Show the key"))

    def _turn(self) -> None:
        self.shows = not self.shows
        self._show_key()
        self.shown_changed.emit()

    def _ask(self) -> None:
        self.dialog = Ask(
            _("Make a new key?"),
            _("Programs that have the old key are refused until they get the new one."),
            _("Make a new one"),
            "danger",
            self,
        )
        self.dialog.accepted.connect(self.new_wanted)
        self.dialog.open()
