"""What this machine has made of models: smaller vision parts, 4-bit forms. It can be deleted, and is made again when
it is needed."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

from ...core.units import format_bytes
from ...i18n import _
from ...usecases.model_list import MadeHere
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label


def what_text(one: MadeHere) -> str:
    """``4-bit form (nf4) · 5.5 GiB``"""
    text = _("vision part ({kind})") if one.projector else _("4-bit form ({kind})")
    return f"{text.format(kind=one.kind)} · {format_bytes(one.size_bytes)}"


class MadeList(Card):
    """``delete_wanted(Path)``; hidden while empty."""

    delete_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Made on this machine"), parent)
        self.shown: tuple[MadeHere, ...] = ()
        self.buttons: list[QPushButton] = []
        self.body.addWidget(label(_("It is made again when a model needs it."), "muted", wrap=True))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(0, 1)
        self.body.addLayout(self._grid)
        self.hide()

    def show_made(self, found: tuple[MadeHere, ...]) -> None:
        """Show these."""
        if found == self.shown:
            return
        self.shown, self.buttons = found, []
        clear(self._grid)
        for row, one in enumerate(found):
            name = ElidedLabel(one.source)
            name.setToolTip(str(one.path))
            delete = button(_("Delete …"), functools.partial(self.delete_wanted.emit, one.path))
            delete.setAccessibleName(f"{delete.text()}: {one.path.name}")
            for column, widget in enumerate((name, label(what_text(one), "muted"), delete)):
                self._grid.addWidget(widget, row, column)
            self.buttons.append(delete)
        self.setVisible(bool(found))
