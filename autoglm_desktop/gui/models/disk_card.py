"""What models take on the disk, what unfinished downloads hold, what is free; and the folder they lie in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ...core.units import format_bytes
from ...i18n import _
from ...texts.values import labelled
from ..theme import GAP
from ..widgets.bar import Amount, Bar, BarContent, Swatch
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from ..widgets.live import LiveBar, LiveText


class Use(Protocol):
    """``usecases.on_disk.DiskUse``. Bytes; None: not known."""

    @property
    def folder(self) -> Path: ...

    @property
    def models_bytes(self) -> int: ...

    @property
    def partial_bytes(self) -> int: ...

    @property
    def free_bytes(self) -> int | None: ...


class DiskCard(Card):
    """``open_wanted``, ``move_wanted`` and ``stop_wanted`` by its buttons."""

    open_wanted = Signal()
    move_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Disk"), parent)
        self.open_button = button(_("Open the folder"), self.open_wanted.emit)
        self.move_button = button(_("Move …"), self.move_wanted.emit)
        self.move_button.setAccessibleName(_("Move the models folder"))
        for made in (self.open_button, self.move_button):
            self.heading.addWidget(made)
        self.folder = ElidedLabel(role="mono")
        self.bar = Bar()
        self.amounts = [label(role="muted", wrap=True) for _part in range(3)]
        self.work = QWidget()
        self.work_text, self.work_bar = LiveText(), LiveBar(GAP - 2)
        self.stop_button = button(_("Cancel"), self.stop_wanted.emit)
        self._arrange()
        self.show_work(None)

    def show_use(self, use: Use) -> None:
        self.folder.set_text(str(use.folder))
        free = use.free_bytes
        shares = (
            Amount(_("Models"), use.models_bytes, format_bytes(use.models_bytes), "accent"),
            Amount(_("Unfinished downloads"), use.partial_bytes, format_bytes(use.partial_bytes), "warn"),
            Amount(_("Free"), free or 0, format_bytes(free) if free is not None else _("not known"), "bar"),
        )
        for text, share in zip(self.amounts, shares, strict=True):
            text.setText(labelled(share.name, share.text))
        self.bar.set_content(BarContent(shares, sum(share.value for share in shares)))

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [self.open_button, self.move_button, self.stop_button]

    def show_work(self, text: str | None, fraction: float | None = None) -> None:
        """What is being done to the folder; None: nothing."""
        self.work.setVisible(text is not None)
        self.move_button.setEnabled(text is None)
        if text is not None:
            self.work_text.set_text(text)
            self.work_bar.set_fraction(fraction)

    def _arrange(self) -> None:
        legend = QHBoxLayout()
        legend.setSpacing(GAP)
        for text, colour in zip(self.amounts, ("accent", "warn", "bar"), strict=True):
            legend.addWidget(Swatch(colour))
            legend.addWidget(text, 1)
        row = QHBoxLayout(self.work)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GAP)
        row.addWidget(self.work_text, 2)
        row.addWidget(self.work_bar, 1)
        row.addWidget(self.stop_button)
        for widget in (self.folder, self.bar):
            self.body.addWidget(widget)
        self.body.addLayout(legend)
        self.body.addWidget(self.work)
