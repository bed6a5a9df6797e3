"""Who answers a conversation: this machine, or one of the remote servers, marked with where it leads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from ...core.conversation import ConversationSettings
from ...core.errors import AppError
from ...core.remote import Endpoint
from ...i18n import _
from ...texts import errors
from ...texts.remote import place_text, short_place_text
from ..theme import GAP
from ..widgets.combo import Combo
from ..widgets.labels import label, set_role

MOST_NAME = 30
"""Characters of a server's name, so that there is room to say where it leads."""


class StillCombo(Combo):
    """The wheel scrolls the window and never chooses."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class AnswererChoice(QWidget):
    """``edited`` when the user chooses another answerer, or another model of it."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._endpoints: tuple[Endpoint, ...] = ()
        self._endpoint: str | None = None
        self._local: str | None = None
        self._model: str | None = None
        self.combo = StillCombo(24)
        self.combo.setAccessibleName(_("Who answers"))
        self.place = label("", "muted", wrap=True)
        self.model = QLineEdit()
        self.model.setAccessibleName(_("Model"))
        self.model_row = QWidget()
        model_row = QHBoxLayout(self.model_row)
        model_row.setContentsMargins(0, 0, 0, 0)
        model_row.setSpacing(GAP)
        name = label(_("Model"))
        name.setBuddy(self.model)
        model_row.addWidget(name)
        model_row.addWidget(self.model, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.combo)
        column.addWidget(self.place)
        column.addWidget(self.model_row)
        self.combo.activated.connect(self._picked)
        self.model.textEdited.connect(self._typed)
        self.show_settings(ConversationSettings())

    def show_settings(self, settings: ConversationSettings) -> None:
        """Another choice from outside."""
        self._endpoint, self._model = settings.endpoint, settings.model
        text = (settings.model or "") if settings.endpoint is not None else ""
        if self.model.text() != text:
            self.model.setText(text)
        self._fill()

    def show_endpoints(self, endpoints: Sequence[Endpoint], local: str | None) -> None:
        """What can be chosen. ``local``: the model that this machine would answer with."""
        self._endpoints, self._local = tuple(endpoints), local
        self._fill()

    def apply_to(self, settings: ConversationSettings) -> ConversationSettings:
        return dataclasses.replace(settings, endpoint=self._endpoint, model=self._model)

    def _fill(self) -> None:
        with QSignalBlocker(self.combo):
            self.combo.clear()
            self.combo.addItem(_("This machine"), None)
            for one in self._endpoints:
                self.combo.addItem(f"{_shortened(one.name)} · {short_place_text(one)}", one.id)
            found = self._found()
            if self._endpoint is not None and found is None:
                self.combo.addItem(_("The remote server was removed"), self._endpoint)
            self.combo.setCurrentIndex(max(self.combo.findData(self._endpoint), 0))
        self._show_place(found)

    def _show_place(self, found: Endpoint | None) -> None:
        if self._endpoint is None:
            text, leaves = here_text(self._local), False
        elif found is None:
            text, leaves = errors.text(AppError("remote_gone")), True
        else:
            text, leaves = place_text(found), found.leaves
        self.place.setText(text)
        set_role(self.place, "warn" if leaves else "muted")
        self.combo.setAccessibleDescription(text)
        self.model_row.setVisible(found is not None)
        if found is not None:
            self.model.setPlaceholderText(found.model or _("The name that the server has for it"))

    def _found(self) -> Endpoint | None:
        return next((one for one in self._endpoints if one.id == self._endpoint), None)

    def _picked(self, row: int) -> None:
        wanted = self.combo.itemData(row)
        if wanted == self._endpoint:
            return
        self._endpoint, self._model = wanted, None
        self.model.clear()
        self._fill()
        self.edited.emit()

    def _typed(self, text: str) -> None:
        self._model = text.strip() or None
        self.edited.emit()


def here_text(model: str | None) -> str:
    """What it means that this machine answers; ``model``: the one that would."""
    if not model:
        return _("Nothing that you write leaves this machine.")
    return _("{model} answers, and nothing that you write leaves this machine.").format(model=model)


def _shortened(name: str) -> str:
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 1].rstrip() + "…"
