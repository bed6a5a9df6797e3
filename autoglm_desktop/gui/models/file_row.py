"""One file on this machine: what it is, how it runs here, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from ...i18n import _
from ...texts import errors, places
from ...usecases.model_list import FileEntry
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label, set_role
from ..widgets.live import LiveBar, LiveText
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from . import texts

LOADING = ("installing", "loading")
LOADED = ("ready", "generating")
PILL_OF_VERIFIED = {"ok": "good", "warn": "warn", "fail": "error"}


class FileRow(Card):
    """Signals carry nothing; ``entry`` is what they are about."""

    load_wanted = Signal()
    cancel_wanted = Signal()
    chat_wanted = Signal()
    remove_wanted = Signal()
    folder_wanted = Signal()
    verify_wanted = Signal()
    delete_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, entry: FileEntry, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.entry = entry
        self.phase = ""
        self.pill = Pill()
        role = "muted" if texts.not_run(entry) else "error" if entry.refusal else None
        self.verdict = label(texts.file_verdict(entry), role, wrap=True)
        self.error = label(role="error", wrap=True)
        self.said = label(role="good", wrap=True)
        self.said.hide()
        self.work = QWidget()
        self.work_text, self.work_bar = LiveText(), LiveBar(GAP - 2)
        self.stop_button = button(_("Cancel"), self.stop_wanted.emit)
        self.stop_button.setAccessibleName(_("Cancel") + f": {entry.local.name}")
        self.act_button = button(_("Load and chat"), self._act, "primary")
        self.act_button.setVisible(entry.refusal is None)
        self._fill_menu()
        self.buttons = (self.more_button, self.act_button)  # as they stand
        self._arrange()
        self.show_work(None)
        self.show_state(SessionState())

    def show_state(self, state: SessionState) -> None:
        """Show what the session does with this file; what it does with others is nothing here."""
        mine = state.shown_file == self.entry.local.path
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
        self.act_button.setAccessibleName(f"{self._action()}: {self.entry.local.name}")
        self.act_button.setProperty("kind", "plain" if self.phase in LOADING else "primary")
        self.act_button.style().unpolish(self.act_button)
        self.act_button.style().polish(self.act_button)

    def show_work(self, text: str | None, fraction: float | None = None) -> None:
        """What is being done to the file; None: nothing."""
        self.work.setVisible(text is not None)
        self.verify_action.setEnabled(text is None)
        if text is not None:
            self.said.hide()
            self.work_text.set_text(text)
            self.work_bar.set_fraction(fraction)

    def say(self, status: str, text: str) -> None:
        """What came of it. ``status``: ok, warn or fail."""
        self.show_work(None)
        set_role(self.said, PILL_OF_VERIFIED[status])
        self.said.setText(text)
        self.said.show()

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

    def _fill_menu(self) -> None:
        self.more_button = button(_("More"))
        self.more_button.setAccessibleName(_("More for {name}").format(name=self.entry.local.name))
        menu = QMenu(self.more_button)
        menu.setToolTipsVisible(True)
        self.verify_action = menu.addAction(_("Check the file"), self.verify_wanted.emit)
        self.verify_action.setToolTip(_("Reads all of it and compares it with what the source published."))
        self.folder_action = menu.addAction(_("Show folder"), self.folder_wanted.emit)
        menu.addSeparator()
        self.remove_action = menu.addAction(_("Remove from list"), self.remove_wanted.emit)
        self.remove_action.setToolTip(_("The file itself stays where it is."))
        self.remove_action.setVisible(self.entry.removable)
        self.delete_action = menu.addAction(_("Delete …"), self.delete_wanted.emit)
        self.delete_action.setVisible(self.entry.local.place is None and not self.entry.removable)
        self.more_button.setMenu(menu)

    def _arrange(self) -> None:
        local = self.entry.local
        name = QHBoxLayout()
        name.setSpacing(GAP)
        name.addWidget(ElidedLabel(local.name, "subtitle", Qt.TextElideMode.ElideRight))
        if local.place is not None:
            name.addWidget(Pill(places.origin(local.place)))
        name.addWidget(self.pill)
        name.addStretch(1)
        work = QHBoxLayout(self.work)
        work.setContentsMargins(0, 0, 0, 0)
        work.setSpacing(2 * GAP)
        work.addWidget(self.work_text, 3)
        work.addWidget(self.work_bar, 2)
        work.addWidget(self.stop_button)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addLayout(name)
        lines.addWidget(label(texts.file_facts(self.entry), "muted", wrap=True))
        lines.addWidget(ElidedLabel(str(local.path), "muted"))
        for widget in (self.verdict, self.error, self.said, self.work):
            lines.addWidget(widget)
        row = QHBoxLayout()
        row.setSpacing(GAP + GAP // 2)
        mark = Mark(texts.file_mark(self.entry), 3 * GAP, texts.file_mark_name(self.entry))
        row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(lines, 1)
        for made in self.buttons:
            row.addWidget(made, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(row)
