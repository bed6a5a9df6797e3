"""What a repository offers: each variant with its size, how it would run here, and a button that gets it."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from ...core.outlook import NOTHING_JUDGED, RepositoryPlans
from ...core.repository import Offer
from ...i18n import _
from ..downloads_model import DownloadsModel
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.labels import label
from ..widgets.mark import Mark
from ..widgets.rule import Rule
from . import texts
from .get_button import GET_WIDTH, GetButton
from .opening import Opening
from .variant_row import VariantDetail, VariantName

MARK, NAME, SIZE, VERDICT, GET = range(5)
MIDDLE = Qt.AlignmentFlag.AlignVCenter


class OfferTable(QWidget):
    """``get_wanted(target)``, ``show_wanted(target)``; ``turn_wanted(target, opened)`` when a variant is to be unfolded
    or folded."""

    get_wanted = Signal(str)
    show_wanted = Signal(str)
    turn_wanted = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offers: tuple[Offer, ...] = ()
        self.buttons: list[tuple[str, GetButton]] = []
        self.installed: list[tuple[str, QLabel]] = []
        self.names: dict[str, VariantName] = {}
        self.details: dict[str, VariantDetail] = {}
        self.marks: dict[str, Mark] = {}
        self.verdicts: dict[str, QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(VERDICT, 1)
        self._grid.setColumnMinimumWidth(VERDICT, 20 * GAP)
        self._grid.setColumnMinimumWidth(GET, GET_WIDTH)

    def show_offers(self, repo: str, offers: tuple[Offer, ...]) -> None:
        """Rows for these; nothing is said of how they run yet."""
        clear(self._grid)
        self._offers = offers
        self.buttons, self.installed = [], []
        for known in (self.names, self.details, self.marks, self.verdicts):
            known.clear()
        for number, offer in enumerate(offers):
            self._grid.addWidget(Rule(), 3 * number, 0, 1, GET + 1)
            self._row(3 * number + 1, f"{repo}:{offer.id}", offer)
        self.show_plans(NOTHING_JUDGED, judged=False)

    def show_plans(self, plans: RepositoryPlans, *, judged: bool) -> None:
        """``judged``: there was a machine to judge for."""
        for offer, (target, _made) in zip(self._offers, self.buttons, strict=True):
            entry = texts.offer_entry(offer, plans.of(offer.id), judged=judged)
            self.marks[target].show_status(texts.variant_mark(entry), texts.variant_mark_name(entry))
            known = entry.plan is not None or entry.headline is not None
            text = texts.variant_verdict(entry) if known else texts.files_text(offer, short=True)
            self.verdicts[target].setText(text)
            self.names[target].pill.setVisible(offer.id == plans.recommended)
            self.details[target].show_entry(entry)

    def show_installed(self, targets: frozenset[str]) -> None:
        """What is on this machine: ``owner/repo:VARIANT``, in lower case."""
        for (target, made), (_target, mark) in zip(self.buttons, self.installed, strict=True):
            here = target.casefold() in targets
            made.setVisible(not here)
            mark.setVisible(here)

    def show_downloads(self, downloads: DownloadsModel) -> None:
        """Say on the buttons what is under way."""
        for target, made in self.buttons:
            made.show_item(downloads.of_target(target))

    def show_opening(self, opening: Opening) -> None:
        """Unfold the variants that were opened, and say what is being read."""
        for target, detail in self.details.items():
            reading, problem = opening.reading == target, opening.problem(target)
            detail.show_opened(opening.is_open(target), reading=reading, problem=problem)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [made for target, get in self.buttons for made in (self.names[target].opener, get)]

    def _row(self, row: int, target: str, offer: Offer) -> None:
        size = texts.offer_size(offer)
        get = GetButton(_("Get"), _("Get {name}, {size}").format(name=target, size=size), short=True)
        get.get_wanted.connect(functools.partial(self.get_wanted.emit, target))
        get.show_wanted.connect(functools.partial(self.show_wanted.emit, target))
        here = label(_("Installed"), "good")
        here.hide()
        name = VariantName(offer.id)
        entry = texts.offer_entry(offer, NOTHING_JUDGED.of(offer.id), judged=False)
        detail = VariantDetail(entry, name, texts.files_text(offer))
        detail.turned.connect(functools.partial(self.turn_wanted.emit, target))
        mark, verdict = Mark("unknown"), label(role="muted", wrap=True)
        self.buttons.append((target, get))
        self.installed.append((target, here))
        self.names[target], self.details[target] = name, detail
        self.marks[target], self.verdicts[target] = mark, verdict
        self._grid.setRowMinimumHeight(row, 4 * GAP)
        self._grid.addWidget(mark, row, MARK, MIDDLE)
        self._grid.addWidget(name, row, NAME, MIDDLE)
        self._grid.addWidget(label(size), row, SIZE, Qt.AlignmentFlag.AlignRight | MIDDLE)
        self._grid.addWidget(verdict, row, VERDICT)
        for cell in (get, here):
            self._grid.addWidget(cell, row, GET, Qt.AlignmentFlag.AlignRight | MIDDLE)
        self._grid.addWidget(detail, row + 1, NAME, 1, GET)
