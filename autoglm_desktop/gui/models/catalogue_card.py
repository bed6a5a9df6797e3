"""A model of the catalogue: its variants, their sizes, how each would run here, and where it is said to be found."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...i18n import N_, _
from ...usecases.model_list import CatalogueEntry, VariantEntry
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from ..widgets.rule import Rule
from . import texts

HEADS = (
    "",
    N_("Variant"),
    N_("Size"),
    N_("Installed"),
    N_("How it would run here"),
    N_("Said to be at"),
)


LINK_MARGINS = (5, 0, 0, 0)
"""A link's text stands in from its edge; what stands above it does so too."""


class CatalogueCard(Card):
    """``link_wanted(url)`` when a place is clicked."""

    link_wanted = Signal(str)

    def __init__(self, entry: CatalogueEntry, opened: bool, parent: QWidget | None = None) -> None:
        super().__init__(entry.model.title, parent)
        self.entry = entry
        self.toggle = button("", self._turn)
        self.heading.addWidget(self.toggle)
        self.body.addWidget(label(texts.catalogue_summary(entry), wrap=True))
        self.table = QWidget()
        self._grid = QGridLayout(self.table)
        self._grid.setContentsMargins(0, GAP, 0, 0)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(4, 1)
        self._fill()
        self.body.addWidget(self.table)
        self.open(opened)

    def open(self, opened: bool) -> None:
        """Unfold or fold the variants."""
        self.table.setVisible(opened)
        self.toggle.setText(_("Hide variants") if opened else _("Show variants"))

    @property
    def opened(self) -> bool:
        return not self.table.isHidden()

    def _turn(self) -> None:
        self.open(not self.opened)

    def _fill(self) -> None:
        for column, head in enumerate(HEADS):
            cell = label(_(head) if head else "", "muted")
            if column == 5:
                cell.setContentsMargins(*LINK_MARGINS)
            self._put(cell, 0, column)
        for number, variant in enumerate(self.entry.variants):
            self._grid.addWidget(Rule(), 2 * number + 1, 0, 1, len(HEADS))
            self._row(2 * number + 2, variant)
            self._grid.setRowMinimumHeight(2 * number + 2, 4 * GAP)

    def _row(self, row: int, variant: VariantEntry) -> None:
        self._put(Mark(texts.variant_mark(variant), name=texts.variant_mark_name(variant)), row, 0)
        name = QVBoxLayout()
        name.setSpacing(2)
        name.addWidget(label(variant.id))
        if variant.id == self.entry.recommended:
            name.addWidget(Pill(_("Recommended"), "accent"))
        self._grid.addLayout(name, row, 1, Qt.AlignmentFlag.AlignVCenter)
        self._put(label(texts.variant_size(variant)), row, 2)
        self._put(label(*(_("yes"), "good") if variant.installed else (_("no"), "muted")), row, 3)
        self._put(label(texts.variant_verdict(variant), "muted", wrap=True), row, 4)
        url = texts.source_url(variant)
        if not url:
            nowhere = label(_("none known"), "muted")
            nowhere.setContentsMargins(*LINK_MARGINS)
            self._put(nowhere, row, 5)
            return
        link = button(texts.source_host(variant), functools.partial(self.link_wanted.emit, url), "link")
        link.setToolTip(url)
        self._put(link, row, 5)

    def _put(self, cell: QWidget, row: int, column: int) -> None:
        flush = Qt.AlignmentFlag.AlignRight if column == 2 else Qt.AlignmentFlag.AlignLeft
        if column == 4:
            self._grid.addWidget(cell, row, column)
        else:
            self._grid.addWidget(cell, row, column, flush | Qt.AlignmentFlag.AlignVCenter)
