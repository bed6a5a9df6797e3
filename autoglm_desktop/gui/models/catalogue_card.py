"""A model of the catalogue: one click gets what is best here; its variants, their sizes, how each would run."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...i18n import N_, _
from ...texts.values import labelled
from ...usecases.model_list import CatalogueEntry, VariantEntry
from ..downloads_model import DownloadsModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from ..widgets.rule import Rule
from . import texts
from .get_button import GET_WIDTH, GetButton
from .opening import Opening
from .variant_row import VariantDetail, VariantName

HEADS = (
    "",
    N_("Variant"),
    N_("Size"),
    N_("How it would run here"),
    N_("Said to be at"),
    "",
)
SIZE, VERDICT, PLACE, GET = 2, 3, 4, 5

LINK_MARGINS = (5, 0, 0, 0)
"""A link's text stands in from its edge; what stands above it does so too."""


class CatalogueCard(Card):
    """``get_wanted(target)``, ``show_wanted(target)`` for a variant; ``link_wanted(url)`` when a place is clicked;
    ``turn_wanted(target, opened, installed)`` when a variant is to be unfolded or folded."""

    get_wanted = Signal(str)
    show_wanted = Signal(str)
    link_wanted = Signal(str)
    turn_wanted = Signal(str, bool, bool)

    def __init__(self, entry: CatalogueEntry, opened: bool, parent: QWidget | None = None) -> None:
        super().__init__(entry.model.title, parent)
        self.entry = entry
        self.stands_out = False
        self.buttons: list[tuple[str, GetButton]] = []
        self.details: dict[str, VariantDetail] = {}
        self.names: dict[str, VariantName] = {}
        self.get_button = self._main_button()
        self.toggle = button("", self._turn)
        self.toggle.setMinimumWidth(self._toggle_width())
        if self.get_button is not None:
            self.heading.addWidget(self.get_button)
        elif texts.recommended_installed(entry):
            self.heading.addWidget(Pill(_("Installed"), "good"))
        self.heading.addWidget(self.toggle)
        self.body.addWidget(label(texts.catalogue_summary(entry), wrap=True))
        self.table = QWidget()
        column = QVBoxLayout(self.table)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        for note in texts.notes(entry):
            column.addWidget(label(note, "muted", wrap=True))
        self._grid = QGridLayout()
        column.addLayout(self._grid)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(VERDICT, 1)
        self._grid.setColumnMinimumWidth(GET, GET_WIDTH)
        self._fill()
        self.body.addWidget(self.table)
        self.open(opened)

    def stand_out(self) -> None:
        """As what to begin with."""
        self.stands_out = True
        self.setProperty("card", "accent")
        if self.get_button is not None:
            self.get_button.set_kind("primary")

    def open(self, opened: bool) -> None:
        """Unfold or fold the variants."""
        self.table.setVisible(opened)
        self.toggle.setText(_("Hide variants") if opened else _("Show variants"))

    @property
    def opened(self) -> bool:
        return not self.table.isHidden()

    def show_downloads(self, downloads: DownloadsModel) -> None:
        """Say on the buttons what is under way."""
        for target, made in self.buttons:
            made.show_item(downloads.of_target(target))

    def show_opening(self, opening: Opening) -> None:
        """Unfold the variants that were opened, and say what is being read."""
        for target, detail in self.details.items():
            reading, problem = opening.reading == target, opening.problem(target)
            detail.show_opened(opening.is_open(target), reading=reading, problem=problem)

    def focused(self) -> str | None:
        """The variant whose name has the focus."""
        return next((target for target, name in self.names.items() if name.opener.hasFocus()), None)

    def _turn(self) -> None:
        """Variants that are folded away are not looked at any longer."""
        self.open(not self.opened)
        if not self.opened:
            for target, detail in self.details.items():
                if not detail.isHidden():
                    self.turn_wanted.emit(target, False, detail.entry.installed)

    def _toggle_width(self) -> int:
        """Room for both of its texts: a button that changes its width jumps."""
        widths = []
        for text in (_("Hide variants"), _("Show variants")):
            self.toggle.setText(text)
            self.toggle.ensurePolished()
            widths.append(self.toggle.sizeHint().width())
        return max(widths)

    def _main_button(self) -> GetButton | None:
        """One click for what is best here."""
        found = texts.recommended(self.entry)
        if found is None or found.installed or found.source is None:
            return None
        size = texts.get_size(self.entry, found)
        text = _("Get {variant} · {size}") if size else _("Get {variant}")
        return self._get(found, text.format(variant=found.id, size=size), "soft")

    def _get(self, variant: VariantEntry, text: str, kind: str) -> GetButton:
        target = texts.target(self.entry, variant)
        size = texts.get_size(self.entry, variant)
        name = _("Get {name}, {size}") if size else _("Get {name}")
        name = name.format(name=f"{self.entry.model.title} {variant.id}", size=size)
        made = GetButton(text, name, kind, short=kind == "plain")
        made.get_wanted.connect(functools.partial(self.get_wanted.emit, target))
        made.show_wanted.connect(functools.partial(self.show_wanted.emit, target))
        self.buttons.append((target, made))
        return made

    def _fill(self) -> None:
        for column, head in enumerate(HEADS):
            cell = label(_(head) if head else "", "muted")
            if column == PLACE:
                cell.setContentsMargins(*LINK_MARGINS)
            self._put(cell, 0, column)
        for number, variant in enumerate(self.entry.variants):
            row = 3 * number + 1
            self._grid.addWidget(Rule(), row, 0, 1, len(HEADS))
            self._row(row + 1, variant)
            self._grid.setRowMinimumHeight(row + 1, 4 * GAP)

    def _row(self, row: int, variant: VariantEntry) -> None:
        self._put(Mark(texts.variant_mark(variant), name=texts.variant_mark_name(variant)), row, 0)
        target = texts.target(self.entry, variant)
        name = self.names[target] = VariantName(variant.id, variant.id == self.entry.recommended)
        self._put(name, row, 1)
        detail = self.details[target] = VariantDetail(variant, name)
        detail.turned.connect(lambda opened: self.turn_wanted.emit(target, opened, variant.installed))
        self._grid.addWidget(detail, row + 1, 1, 1, len(HEADS) - 1)
        size = label(texts.variant_size(variant))
        size.setToolTip(texts.size_tip(self.entry, variant))
        self._put(size, row, SIZE)
        self._put(label(texts.variant_verdict(variant), "muted", wrap=True), row, VERDICT)
        self._put(self._place(variant), row, PLACE)
        if variant.installed:
            self._put(label(_("Installed"), "good"), row, GET)
        elif variant.source is not None:
            self._put(self._get(variant, _("Get"), "plain"), row, GET)

    def _place(self, variant: VariantEntry) -> QWidget:
        url = texts.source_url(variant)
        if not url:
            nowhere = label(_("none known"), "muted")
            nowhere.setContentsMargins(*LINK_MARGINS)
            return nowhere
        link = button(texts.source_host(variant), functools.partial(self.link_wanted.emit, url), "link")
        link.setToolTip(url)
        link.setAccessibleName(labelled(variant.id, url))
        return link

    def _put(self, cell: QWidget, row: int, column: int) -> None:
        flush = Qt.AlignmentFlag.AlignRight if column in (SIZE, GET) else Qt.AlignmentFlag.AlignLeft
        if column == VERDICT:
            self._grid.addWidget(cell, row, column)
        else:
            self._grid.addWidget(cell, row, column, flush | Qt.AlignmentFlag.AlignVCenter)
