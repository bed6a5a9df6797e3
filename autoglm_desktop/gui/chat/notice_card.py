"""A card that says what happens or what went wrong, with the next steps as buttons."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from ...i18n import _
from ..running.walk_list import WalkArea
from ..theme import GAP
from ..transcript.column import centred
from ..widgets.buttons import button
from ..widgets.labels import label, set_role
from .words import Notice

ROLES = {"info": "subtitle", "warn": "warn", "bad": "error"}


class NoticeCard(QWidget):
    """Shows a Notice, or hides. ``acted(name)`` when one of its buttons is pressed."""

    acted = Signal(str)
    arranged = Signal()  # other buttons
    left = Signal()  # the button that had the keyboard is gone

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        card = QFrame()
        card.setProperty("card", True)
        self.setLayout(centred(card, top=GAP, bottom=GAP))
        self.notice: Notice | None = None
        self.text = label("", "subtitle", wrap=True, selectable=True)
        self.walk = WalkArea()
        self.walk.setAccessibleName(_("What was tried"))
        self.details = label("", "muted", wrap=True, selectable=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GAP)
        column = QVBoxLayout(card)
        column.setContentsMargins(2 * GAP, GAP + GAP // 2, 2 * GAP, GAP + GAP // 2)
        column.setSpacing(GAP)
        column.addWidget(self.text)
        column.addWidget(self.bar)
        column.addWidget(self.walk)
        column.addWidget(self.details)
        column.addLayout(self.buttons)
        self.hide()

    def show_notice(self, notice: Notice | None) -> None:
        """Show this; None hides the card."""
        before, self.notice = self.notice, notice
        if notice is None:
            had = self._has_focus()
            self.hide()
            if had:
                self.left.emit()
            return
        if notice == before:
            return
        self.text.setText(notice.text)
        set_role(self.text, ROLES[notice.tone])
        self.walk.show_lines(notice.walk)
        self.details.setText("\n".join(notice.details))
        self.details.setVisible(bool(notice.details))
        self._show_progress(notice.progress)
        if before is None or before.actions != notice.actions:
            self._show_actions(notice)
        self.show()

    def reached(self) -> list[QWidget]:
        """What Tab reaches."""
        items = [self.buttons.itemAt(place) for place in range(self.buttons.count())]
        widgets = [item.widget() for item in items if item is not None]
        return [self.walk, *(widget for widget in widgets if widget is not None)]

    def press(self, name: str) -> None:
        """Press the button of an action by its name."""
        assert self.notice is not None
        names = [action.name for action in self.notice.actions]
        item = self.buttons.itemAt(names.index(name))
        widget = item.widget() if item is not None else None
        assert widget is not None
        widget.click()  # type: ignore[attr-defined]

    def _show_progress(self, progress: float | None) -> None:
        self.bar.setVisible(progress is not None)
        if progress is not None:
            self.bar.setRange(0, 0 if progress < 0 else 1000)
            self.bar.setValue(int(max(progress, 0) * 1000))

    def _has_focus(self) -> bool:
        focused = QApplication.focusWidget()
        return focused is not None and self.isAncestorOf(focused)

    def _show_actions(self, notice: Notice) -> None:
        had = self._has_focus()
        while (item := self.buttons.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for action in notice.actions:
            self.buttons.addWidget(
                button(action.text, functools.partial(self.acted.emit, action.name), action.kind)
            )
        self.buttons.addStretch(1)
        self.arranged.emit()
        if had:
            self.left.emit()
