"""Bringing one model of the catalogue into view, from elsewhere in the window."""

from __future__ import annotations

import functools
from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QScrollArea

from ..theme import GAP
from .catalogue_card import CatalogueCard


class Reveal(QObject):
    """The page may be about to be shown, and its list about to be read: it is done when both are there."""

    def __init__(self, page: QScrollArea, cards: Callable[[], list[CatalogueCard]]) -> None:
        super().__init__(page)
        self._page, self._cards = page, cards
        self._wanted: str | None = None

    def show(self, model: str) -> None:
        """Unfold a model and scroll to it."""
        self._wanted = model
        QTimer.singleShot(0, self, self._unfold)

    def follow(self) -> None:
        """The list was read."""
        if self._wanted is not None:
            QTimer.singleShot(0, self, self._unfold)

    def _unfold(self) -> None:
        card = next((one for one in self._cards() if one.entry.model.id == self._wanted), None)
        if card is None or not self._page.isVisible():
            return
        self._wanted = None
        card.open(True)
        QTimer.singleShot(0, card, functools.partial(self._scroll_to, card))  # laid out by then

    def _scroll_to(self, card: CatalogueCard) -> None:
        """Its head at the top: a card may be higher than the page."""
        content = self._page.widget()
        assert content is not None
        self._page.verticalScrollBar().setValue(card.mapTo(content, QPoint(0, 0)).y() - GAP)
        (card.get_button or card.toggle).setFocus()
