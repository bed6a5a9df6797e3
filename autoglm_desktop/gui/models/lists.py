"""The two lists of the Models page: what is on this machine, and what the catalogue knows."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ...i18n import _
from ...usecases.model_list import CatalogueEntry, FileEntry
from ...usecases.session import SessionState
from ..downloads_model import DownloadsModel
from ..theme import GAP
from ..widgets.labels import label
from .catalogue_card import CatalogueCard
from .demo_row import DemoRow
from .drop import DropArea
from .file_row import FileRow
from .made import MadeList
from .opening import Opening


class FileSection(QWidget):
    """Files, what is ``unfinished``, what was made of them, where to drop more, and what stands ``below``.

    ``load_wanted(LocalModel)``, ``remove_wanted(Path)``, ``folder_wanted(Path)``; ``cancel_wanted``, ``chat_wanted``:
    of the one that is being loaded, or is."""

    load_wanted = Signal(object)
    cancel_wanted = Signal()
    chat_wanted = Signal()
    remove_wanted = Signal(object)
    folder_wanted = Signal(object)

    def __init__(self, unfinished: QWidget, below: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[FileRow] = []
        self.drop, self.made, self.demo = DropArea(), MadeList(), DemoRow()
        self.demo.cancel_wanted.connect(self.cancel_wanted)
        self.demo.chat_wanted.connect(self.chat_wanted)
        self._column = QVBoxLayout()
        self._column.setSpacing(GAP + GAP // 2)
        column = _section(self)
        column.addWidget(label(_("On this machine"), "subtitle"))
        column.addLayout(self._column)
        column.addWidget(unfinished)
        column.addWidget(self.made)
        column.addWidget(self.drop)
        column.addWidget(self.demo)
        column.addWidget(below)

    def show_files(
        self, files: Sequence[FileEntry], state: SessionState, demo_bytes: int | None = None
    ) -> None:
        """Rows of files that are as they were stay. ``demo_bytes`` None: this installation has no demo."""
        self.drop.set_empty(not files, demo=demo_bytes is not None)
        self.demo.show_size(demo_bytes)
        self.demo.show_state(state)
        old = {row.entry.local.path: row for row in self.rows}
        self.rows = []
        for place, entry in enumerate(files):
            row = old.get(entry.local.path)
            if row is None or row.entry != entry:
                row = FileRow(entry)
                self._connect(row)
                row.show_state(state)
            self.rows.append(row)
            if self._column.indexOf(row) != place:
                self._column.insertWidget(place, row)
        _discard(row for row in old.values() if row not in self.rows)

    def show_state(self, state: SessionState) -> None:
        """What the session does."""
        for row in self.rows:
            row.show_state(state)
        self.demo.show_state(state)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [made for row in self.rows for made in (*row.buttons, row.stop_button)]

    def _connect(self, row: FileRow) -> None:
        local = row.entry.local
        folder = local.path if local.is_folder else local.path.parent
        row.load_wanted.connect(functools.partial(self.load_wanted.emit, local))
        row.cancel_wanted.connect(self.cancel_wanted)
        row.chat_wanted.connect(self.chat_wanted)
        row.remove_wanted.connect(functools.partial(self.remove_wanted.emit, local.path))
        row.folder_wanted.connect(functools.partial(self.folder_wanted.emit, folder))


class CatalogueSection(QWidget):
    """Cards of the catalogue between what stands above and below. Signals as those of the cards."""

    get_wanted = Signal(str)
    show_wanted = Signal(str)
    link_wanted = Signal(str)
    turn_wanted = Signal(str, bool, bool)

    def __init__(self, above: QWidget, below: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: list[CatalogueCard] = []
        self.waiting = label(_("Reading the list of models …"), "muted")
        self._column = QVBoxLayout()
        self._column.setSpacing(GAP + GAP // 2)
        column = _section(self)
        column.addWidget(above)
        column.addWidget(self.waiting)
        column.addLayout(self._column)
        column.addWidget(below)

    def show_catalogue(self, entries: Sequence[CatalogueEntry], *, first_start: bool) -> None:
        """``first_start``: the first model stands out, as there is none yet. Cards of models that are as they were
        stay; others are made anew, and stay as far open as they were."""
        self.waiting.hide()
        old = {card.entry.model.id: card for card in self.cards}
        focused = next((target for card in self.cards if (target := card.focused()) is not None), None)
        self.cards = []
        for place, entry in enumerate(entries):
            card = old.get(entry.model.id)
            first = first_start and place == 0
            if card is None or card.entry != entry or card.stands_out != first:
                card = self._made(entry, card.opened if card is not None else place == 0, first)
            self.cards.append(card)
            if self._column.indexOf(card) != place:
                self._column.insertWidget(place, card)
        _discard(card for card in old.values() if card not in self.cards)
        for card in self.cards:
            if focused in card.names:
                card.names[focused].opener.setFocus()

    def show_downloads(self, downloads: DownloadsModel) -> None:
        """Say on the buttons what is under way."""
        for card in self.cards:
            card.show_downloads(downloads)

    def show_opening(self, opening: Opening) -> None:
        """What is unfolded, and what is being read."""
        for card in self.cards:
            card.show_opening(opening)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        found: list[QWidget] = []
        for card in self.cards:
            found += [made for made in (card.get_button, card.toggle) if made is not None]
            gets = {target: made for target, made in card.buttons if made is not card.get_button}
            for target, name in card.names.items():
                found += [name.opener, *([gets[target]] if target in gets else [])]
        return found

    def _made(self, entry: CatalogueEntry, opened: bool, first: bool) -> CatalogueCard:
        card = CatalogueCard(entry, opened)
        if first:
            card.stand_out()
        card.link_wanted.connect(self.link_wanted)
        card.get_wanted.connect(self.get_wanted)
        card.show_wanted.connect(self.show_wanted)
        card.turn_wanted.connect(self.turn_wanted)
        return card


def _section(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, GAP, 0, 0)
    column.setSpacing(GAP + GAP // 2)
    return column


def _discard(widgets: Iterable[QWidget]) -> None:
    for widget in list(widgets):
        widget.hide()
        widget.deleteLater()
