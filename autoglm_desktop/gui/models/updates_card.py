"""The answer to “Check for updates”: each repository that something was fetched from, and whether it has changed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

from ...core.errors import AppError
from ...i18n import _
from ...texts import errors
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from ..widgets.mark import Mark


class Update(Protocol):
    """``usecases.updates.Update``."""

    @property
    def repo(self) -> str: ...

    @property
    def have_commit(self) -> str | None: ...

    @property
    def newest_commit(self) -> str | None: ...

    @property
    def available(self) -> bool: ...

    @property
    def targets(self) -> tuple[str, ...]: ...

    @property
    def error(self) -> AppError | None: ...


def state_of(update: Update) -> tuple[str, str]:
    """Mark and words."""
    if update.error is not None:
        return "fail", errors.text(update.error)
    if update.newest_commit is None or update.have_commit is None:
        return "unknown", _("The source does not say which version it has.")
    if not update.available:
        return "ok", _("Up to date.")
    return "warn", _("The repository has changed since; only what is different is fetched.")


class UpdatesCard(Card):
    """``get_wanted(Update)``; hidden until something is shown. ``rearranged`` when buttons came or went."""

    get_wanted = Signal(object)
    rearranged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Updates"), parent)
        self.close_button = button(_("Close"), self.hide)
        self.heading.addWidget(self.close_button)
        self.said = label(role="muted", wrap=True)
        self.shown: tuple[Update, ...] = ()
        self.get_buttons: list[QPushButton] = []
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP)
        self._grid.setColumnStretch(1, 2)
        self._grid.setColumnStretch(2, 3)
        self.body.addWidget(self.said)
        self.body.addLayout(self._grid)
        self.hide()

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [self.close_button, *self.get_buttons]

    def show_busy(self) -> None:
        self._empty()
        self._say(_("Asking the sources …"))

    def show_updates(self, updates: Sequence[Update]) -> None:
        self._empty()
        self.shown = tuple(updates)
        self._say("" if updates else _("Nothing on this machine was fetched with this program yet."))
        for row, update in enumerate(updates):
            status, words = state_of(update)
            self._grid.addWidget(Mark(status), row, 0)
            self._grid.addWidget(ElidedLabel(update.repo), row, 1)
            self._grid.addWidget(label(words, "muted", wrap=True), row, 2)
            if status == "warn":
                get = button(_("Get"), functools.partial(self.get_wanted.emit, update), "primary")
                get.setAccessibleName(_("Get the new version of {repo}").format(repo=update.repo))
                self._grid.addWidget(get, row, 3)
                self.get_buttons.append(get)
        self.rearranged.emit()

    def show_error(self, error: AppError) -> None:
        self._empty()
        self._say(errors.text(error))

    def _empty(self) -> None:
        clear(self._grid)
        self.shown, self.get_buttons = (), []

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
        self.show()
