"""One part of the machine: mark, title, headline, details, bar."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...i18n import _
from ..theme import GAP
from ..widgets.bar import Bar, Legend, clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.mark import Mark
from .tile_details import Note
from .tile_texts import TileContent, waiting

NOTE_MARK = 16


class Tile(Card):
    """Shows a TileContent under a title that stays."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._title = title
        self._mark = Mark()
        self.heading.addWidget(self._mark)
        self.heading.addWidget(label(title, "muted"), 1)
        self.headline = label(role="subtitle", wrap=True)
        self.details = label(role="muted", wrap=True)
        self.more = label(role="muted", wrap=True, selectable=True)
        self._unfolded = QWidget()
        self._unfolded.hide()
        column = QVBoxLayout(self._unfolded)
        column.setContentsMargins(0, GAP // 2, 0, 0)
        column.setSpacing(GAP)
        self._notes = QGridLayout()
        self._notes.setHorizontalSpacing(GAP)
        self._notes.setVerticalSpacing(GAP // 2)
        self._notes.setColumnStretch(1, 1)
        column.addLayout(self._notes)
        column.addWidget(self.more)
        self.more_button = button(_("More"), self._turn, "link")
        self._bar, self._legend = Bar(), Legend()
        self.body.setSpacing(GAP // 2)
        self.body.addLayout(self.heading)
        self.body.addSpacing(GAP // 2)
        self.body.addWidget(self.headline)
        self.body.addWidget(self.details)
        self.body.addWidget(self._unfolded)
        self.body.addWidget(self.more_button, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addStretch(1)
        self.body.addWidget(self._bar)
        self.body.addWidget(self._legend)
        self.show_content(waiting())

    def add_button(self, added: QPushButton) -> None:
        """Put a button at the foot of the tile."""
        row = QHBoxLayout()
        row.addWidget(added)
        row.addStretch(1)
        self.body.addLayout(row)

    def show_content(self, content: TileContent) -> None:
        """Show it."""
        self.content = content
        self._mark.set_status(content.status)
        self.headline.setText(content.headline)
        self.details.setText("\n".join(content.details))
        self.details.setVisible(bool(content.details))
        self.more.setText("\n".join(content.more))
        self.more.setVisible(bool(content.more))
        self._show_notes(content.notes)
        foldable = bool(content.more or content.notes)
        self.more_button.setVisible(foldable)
        if not foldable:
            self._fold(True)
        self._bar.set_content(content.bar)
        self._legend.set_amounts(content.bar.amounts if content.bar is not None else ())
        self._bar.setVisible(content.bar is not None)
        self._legend.setVisible(content.bar is not None)
        self.setAccessibleName(_("{part}: {state}").format(part=self._title, state=content.headline))

    def _show_notes(self, notes: tuple[Note, ...]) -> None:
        clear(self._notes)
        for row, note in enumerate(notes):
            self._notes.addWidget(Mark(note.status, NOTE_MARK), row, 0, Qt.AlignmentFlag.AlignTop)
            self._notes.addWidget(label(note.text, wrap=True, selectable=True), row, 1)

    def _turn(self) -> None:
        self._fold(not self._unfolded.isHidden())

    def _fold(self, hidden: bool) -> None:
        self._unfolded.setHidden(hidden)
        self.more_button.setText(_("More") if hidden else _("Less"))
