"""The list of downloads: those that are under way, rest, failed or were just completed; and the offer to go on."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...core.downloads import DONE, DownloadItem, DownloadsState
from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.mark import Mark
from . import download_texts as texts
from .download_card import DownloadCard


class InterruptedCard(Card):
    """What was under way when the program ended, with ``go_on`` and ``discard``."""

    go_on = Signal()
    discard = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, padding=GAP + GAP // 2)
        self.items: list[DownloadItem] = []
        self.text = label(wrap=True)
        self.go_on_button = button(_("Continue"), self.go_on.emit, "primary")
        self.discard_button = button(_("Discard …"), self.discard.emit)
        row = QHBoxLayout()
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(Mark("warn"))
        row.addWidget(self.text, 1)
        row.addWidget(self.discard_button)
        row.addWidget(self.go_on_button)
        self.body.addLayout(row)
        self.hide()

    def show_items(self, items: list[DownloadItem]) -> None:
        if [item.id for item in items] != [item.id for item in self.items]:
            self.text.setText(texts.interrupted(items))
        self.items = items
        self.setVisible(bool(items))


class DownloadsSection(QWidget):
    """``wanted(name, DownloadItem)``, ``source_wanted(source, DownloadItem)`` by a card's button.

    ``show_state`` updates cards in place; hidden while empty.

    ``rearranged`` when cards came or went. ``chattable``: the ids of those whose files can be run (they are in
    the list of files).
    """

    wanted = Signal(str, object)
    source_wanted = Signal(str, object)
    rearranged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: dict[str, DownloadCard] = {}
        self._chattable: frozenset[str] = frozenset()
        self.title = label(role="subtitle")
        self.clear_button = button(_("Dismiss all that are complete"), self._dismiss_done, "link")
        self.interrupted = InterruptedCard()
        self._column = QVBoxLayout()
        self._column.setSpacing(GAP + GAP // 2)
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.clear_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP + GAP // 2)
        column.addWidget(self.interrupted)
        column.addLayout(head)
        column.addLayout(self._column)
        self.hide()

    def show_state(self, state: DownloadsState) -> None:
        ids = [item.id for item in state.items]
        if ids != list(self.cards):
            self._match(state)
        for item in state.items:
            self.cards[item.id].show_item(item, item.id in self._chattable)
        heading = texts.heading(state)
        if heading != self.title.text():
            self.title.setText(heading)
        self.interrupted.show_items([item for item in state.items if item.interrupted])
        self.clear_button.setVisible(sum(item.state == DONE for item in state.items) > 1)
        self.setVisible(bool(ids))

    def set_chattable(self, ids: frozenset[str]) -> None:
        self._chattable = ids
        for item_id, card in self.cards.items():
            card.show_item(card.item, item_id in ids)

    def _match(self, state: DownloadsState) -> None:
        """Cards for what is there, in its order; those that stay are not made anew."""
        old, self.cards = self.cards, {}
        for place, item in enumerate(state.items):
            card = old.pop(item.id, None)
            if card is None:
                card = DownloadCard(item)
                card.wanted.connect(functools.partial(self._emit, card))
                card.source_wanted.connect(functools.partial(self._emit_source, card))
            self.cards[item.id] = card
            if self._column.indexOf(card) != place:
                self._column.insertWidget(place, card)
        for gone in old.values():
            self._column.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        self.rearranged.emit()

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        found: list[QWidget] = [
            self.interrupted.discard_button, self.interrupted.go_on_button, self.clear_button,
        ]  # fmt: skip
        for card in self.cards.values():
            found += card.stops()
        return found

    def _emit(self, card: DownloadCard, name: str) -> None:
        self.wanted.emit(name, card.item)

    def _emit_source(self, card: DownloadCard, source: str) -> None:
        self.source_wanted.emit(source, card.item)

    def _dismiss_done(self) -> None:
        for card in list(self.cards.values()):
            if card.item.state == DONE:
                self.wanted.emit("dismiss", card.item)
