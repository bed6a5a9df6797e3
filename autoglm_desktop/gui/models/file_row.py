"""One file on this machine: what it is, how it runs here, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ...texts import errors
from ...usecases.model_list import FileEntry
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from . import texts

LOADING = ("installing", "loading")
LOADED = ("ready", "generating")


class FileRow(Card):
    """Signals carry nothing; ``entry`` is what they are about."""

    load_wanted = Signal()
    cancel_wanted = Signal()
    chat_wanted = Signal()
    remove_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, entry: FileEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.entry = entry
        self.phase = ""
        self.pill = Pill()
        self.verdict = label(texts.file_verdict(entry), "error" if entry.refusal else None, wrap=True)
        self.error = label(role="error", wrap=True)
        self.act_button = button(_("Load and chat"), self._act, "primary")
        self.act_button.setVisible(entry.refusal is None)
        self.folder_button = button(_("Show folder"), self.folder_wanted.emit)
        self.remove_button = button(_("Remove from list"), self.remove_wanted.emit)
        self.remove_button.setToolTip(_("The file itself stays where it is."))
        self.remove_button.setVisible(entry.removable)
        self.buttons = (self.remove_button, self.folder_button, self.act_button)  # as they stand
        self._arrange()
        self.show_state(SessionState())

    def show_state(self, state: SessionState) -> None:
        """Show what the session does with this file; what it does with others is nothing here."""
        mine = state.target is not None and state.target.file == self.entry.local.path
        self.phase = state.phase if mine else ""
        if self.phase in LOADED:
            self.pill.show_text(_("Loaded"), "good")
        elif self.phase in LOADING:
            self.pill.show_text(_("Loading …"), "accent")
        self.pill.setVisible(self.phase in LOADED + LOADING)
        failed = self.phase == "failed" and state.error is not None
        self.error.setText(errors.text(state.error) if failed and state.error is not None else "")
        self.error.setVisible(failed)
        self.act_button.setText(self._action())
        self.act_button.setProperty("kind", "plain" if self.phase in LOADING else "primary")
        self.act_button.style().unpolish(self.act_button)
        self.act_button.style().polish(self.act_button)
        self.remove_button.setEnabled(self.phase not in LOADED + LOADING)

    def _action(self) -> str:
        if self.phase in LOADED:
            return _("Chat")
        if self.phase in LOADING:
            return _("Cancel")
        return _("Try again") if self.phase == "failed" else _("Load and chat")

    def _act(self) -> None:
        if self.phase in LOADED:
            self.chat_wanted.emit()
        elif self.phase in LOADING:
            self.cancel_wanted.emit()
        else:
            self.load_wanted.emit()

    def _arrange(self) -> None:
        local = self.entry.local
        name = QHBoxLayout()
        name.setSpacing(GAP)
        name.addWidget(ElidedLabel(local.name, "subtitle", Qt.TextElideMode.ElideRight))
        name.addWidget(self.pill)
        name.addStretch(1)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addLayout(name)
        lines.addWidget(label(texts.file_facts(self.entry), "muted", wrap=True))
        lines.addWidget(ElidedLabel(str(local.path), "muted"))
        lines.addWidget(self.verdict)
        lines.addWidget(self.error)
        row = QHBoxLayout()
        row.setSpacing(2 * GAP)
        row.addWidget(
            Mark(texts.file_mark(self.entry), 3 * GAP, texts.file_mark_name(self.entry)),
            0,
            Qt.AlignmentFlag.AlignTop,
        )
        row.addLayout(lines, 1)
        for made in self.buttons:
            row.addWidget(made, 0, Qt.AlignmentFlag.AlignTop)
        row.setSpacing(GAP + GAP // 2)
        self.body.addLayout(row)
