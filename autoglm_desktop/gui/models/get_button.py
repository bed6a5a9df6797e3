"""The button that fetches one variant, and then says how far that is."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from ...core.downloads import DONE, DownloadItem
from ..theme import GAP
from . import download_texts as texts

GET_WIDTH = 9 * GAP
"""Room for a short one, also while it says 100 %."""


class GetButton(QPushButton):
    """``get_wanted`` while nothing is under way, ``show_wanted`` while something is. ``short``: says only how much
    is there, so that it keeps its width."""

    get_wanted = Signal()
    show_wanted = Signal()

    def __init__(
        self, text: str, name: str, kind: str = "plain", *, short: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(text, parent)
        self._text, self._name, self._kind, self._short = text, name, kind, short
        self._item: DownloadItem | None = None
        self._words = ""
        self.setProperty("kind", kind)
        self.setAccessibleName(name)
        self.clicked.connect(self._press)

    def set_kind(self, kind: str) -> None:
        """As the style sheet knows it, while nothing is under way."""
        self._kind = kind
        if self._item is None:
            self._look(kind)

    def show_item(self, item: DownloadItem | None) -> None:
        """Show the entry of the queue that is about the same; None: there is none."""
        item = None if item is not None and item.state == DONE else item
        words = _words(item) if item is not None else ""
        text = self._text if item is None else (texts.percent(item) or "…") if self._short else words
        kind = self._kind if item is None else "plain"
        if (item is None) != (self._item is None):
            self._look(kind)
        self._item = item
        if text != self.text() or words != self._words:
            self._words = words
            self.setText(text)
            if item is None or self._short:
                self.setMinimumWidth(0)
            else:  # what changes twice a minute does not jump
                self.setMinimumWidth(max(self.minimumWidth(), self.sizeHint().width()))
            self.setAccessibleName(self._name if item is None else f"{self._name}: {words}")
            self.setToolTip(words)

    def _look(self, kind: str) -> None:
        self.setProperty("kind", kind)
        self.style().unpolish(self)
        self.style().polish(self)

    def _press(self) -> None:
        if self._item is None:
            self.get_wanted.emit()
        else:
            self.show_wanted.emit()


def _words(item: DownloadItem) -> str:
    word, _tone = texts.state_word(item)
    share = texts.percent(item)
    return f"{word} · {share}" if share else word
