"""Who answers a conversation, in one line: this machine, or a remote server and where what is written goes."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ...core.conversation import ConversationSettings
from ...core.errors import AppError
from ...core.remote import Endpoint
from ...i18n import _
from ...texts import demo as demo_texts
from ...texts import errors
from ...texts.remote import place_text, short_place_text
from ..theme import GAP
from ..widgets.labels import ElidedLabel, label, set_role, tip
from ..widgets.mark import Mark


class Who(QWidget):
    """Plain for this machine; in the colour of warnings where what is written leaves it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mark = Mark("warn", 14)
        self.name = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.name.setMinimumWidth(1)
        self.place = label("", "muted")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP // 2 + 1)
        row.addWidget(self.mark)
        row.addWidget(self.name)
        row.addWidget(self.place)
        row.addStretch(1)

    def show_answerer(
        self,
        settings: ConversationSettings,
        endpoint: Endpoint | None,
        model: str | None,
        *,
        demo: bool = False,
    ) -> None:
        """``endpoint`` None although ``settings`` name one: it was removed; ``demo``: it is what answers."""
        if settings.endpoint is None and demo:
            said = "\n".join((demo_texts.told(), _("Nothing that you write leaves this machine.")))
            self._show(_("This machine") + f" · {demo_texts.word()}", "", said, leaves=False)
        elif settings.endpoint is None:
            text = _("This machine") if not model else _("This machine") + f" · {model}"
            self._show(text, "", _("Nothing that you write leaves this machine."), leaves=False)
        elif endpoint is None:
            gone = errors.text(AppError("remote_gone"))
            self._show("", _("The remote server was removed"), gone, leaves=True)
        else:
            name = f"{endpoint.name} · {model}" if model else endpoint.name
            said = place_text(endpoint)
            self._show(name, short_place_text(endpoint), said, leaves=endpoint.leaves)

    def _show(self, name: str, place: str, said: str, *, leaves: bool) -> None:
        self.mark.setVisible(leaves)
        self.name.set_text(name)
        self.name.setVisible(bool(name))
        self.place.setText(f"· {place}" if place and name else place)
        self.place.setVisible(bool(place))
        set_role(self.place, "warn" if leaves else "muted")
        self.setToolTip(tip(said))
        self.mark.show_status("warn" if leaves else "ok", said)
        self.place.setToolTip(tip(said))
        self.setAccessibleName(_("Answered by: {name}").format(name=", ".join(filter(None, (name, place)))))
        self.setAccessibleDescription(said)
