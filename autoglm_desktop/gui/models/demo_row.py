"""The demo among the models: a part of the program, none of the user's files, and judged for no machine."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...core.units import format_bytes
from ...i18n import _
from ...texts import demo as demo_texts
from ...texts import errors
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label, tip
from ..widgets.pill import Pill
from .file_row import LOADED, LOADING


class DemoRow(Card):
    """``load_wanted``, ``cancel_wanted``, ``chat_wanted`` by its button; hidden where the demo is missing."""

    load_wanted = Signal()
    cancel_wanted = Signal()
    chat_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._phase = ""
        self.pill = Pill()
        self.facts = label("", "muted", wrap=True)
        self.error = label("", "error", wrap=True)
        self.act_button = button("", self._act)
        name = QHBoxLayout()
        name.setSpacing(GAP)
        name.addWidget(label(demo_texts.word(), "subtitle"))
        name.addWidget(self.pill)
        name.addStretch(1)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addLayout(name)
        lines.addWidget(self.facts)
        lines.addWidget(self.error)
        row = QHBoxLayout()
        row.setSpacing(GAP + GAP // 2)
        row.addLayout(lines, 1)
        row.addWidget(self.act_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.body.addLayout(row)
        self.setToolTip(tip(demo_texts.told()))
        self.show_state(SessionState())
        self.show_size(None)

    def show_size(self, size_bytes: int | None) -> None:
        """``size_bytes`` None: this installation has no demo."""
        self.setVisible(size_bytes is not None)
        if size_bytes is not None:
            said = _("A very small model that only knows this program. Part of it, nothing to download")
            self.facts.setText(f"{said} · {format_bytes(size_bytes)}")

    def show_state(self, state: SessionState) -> None:
        """What the session does with the demo."""
        mine = state.target is not None and state.target.is_demo
        self._phase = state.phase if mine else ""
        if self._phase in LOADED:
            self.pill.show_text(_("Loaded"), "good")
        elif self._phase in LOADING:
            self.pill.show_text(_("Loading …"), "accent")
        self.pill.setVisible(self._phase in LOADED + LOADING)
        failed = state.error if self._phase == "failed" else None
        self.error.setText(errors.text(failed) if failed is not None else "")
        self.error.setVisible(failed is not None)
        self.act_button.setText(self._action())
        self.act_button.setAccessibleName(f"{self._action()}: {demo_texts.word()}")

    def _action(self) -> str:
        if self._phase in LOADED:
            return _("Chat")
        if self._phase in LOADING:
            return _("Cancel")
        return _("Try again") if self._phase == "failed" else _("Load and chat")

    def _act(self) -> None:
        if self._phase in LOADED:
            self.chat_wanted.emit()
        elif self._phase in LOADING:
            self.cancel_wanted.emit()
        else:
            self.load_wanted.emit()
