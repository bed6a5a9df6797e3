"""What engines are started with: threads, memory lock, huge pages, NUMA. It holds from the next load on."""

from __future__ import annotations

import functools
from dataclasses import replace

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from ...core.engine_tuning import NUMA, USUAL
from ...i18n import _, ngettext
from ..session_model import SessionModel

Choices = list[tuple[object, str]]
THREADS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
"""That are offered; any other number can stand in the settings file."""


class OptionsButton(QPushButton):
    """Its menu is filled when it opens."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(_("Engine options"), parent)
        self._session = session
        self.setProperty("kind", "plain")
        self.setProperty("menu", True)
        self.setToolTip(_("They hold from the next load on."))
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.fill)
        self.setMenu(self._menu)

    def fill(self) -> None:
        """The menu for what is set now."""
        menu, tuning = self._menu, self._session.tuning
        menu.clear()
        for old in menu.findChildren(QMenu):
            old.deleteLater()
        for name, text, value in (
            ("memory_lock", _("Lock the model in RAM (it is never swapped out)"), tuning.memory_lock),
            ("huge_pages", _("Huge pages for the model (Linux; it is copied into RAM)"), tuning.huge_pages),
        ):
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(value)
            action.toggled.connect(functools.partial(self._set, name))
        offered = sorted({*THREADS, tuning.threads or 1})
        threads: Choices = [
            (None, _("One for each fast core")),
            *((count, _threads(count)) for count in offered),
        ]
        self._choices(menu.addMenu(_("Threads")), "threads", threads)
        numa: Choices = [(None, _("Off")), *((name, name) for name in NUMA)]
        self._choices(menu.addMenu(_("NUMA (several processors)")), "numa", numa)
        menu.addSeparator()
        usual = menu.addAction(_("The usual options"))
        usual.setEnabled(tuning != USUAL)
        usual.triggered.connect(lambda: self._session.set_tuning(USUAL))

    def _choices(self, menu: QMenu, name: str, choices: Choices) -> None:
        group = QActionGroup(menu)
        for value, text in choices:
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(getattr(self._session.tuning, name) == value)
            action.triggered.connect(functools.partial(self._set, name, value))
            group.addAction(action)

    def _set(self, name: str, value: object, _checked: bool = False) -> None:
        self._session.set_tuning(replace(self._session.tuning, **{name: value}))  # type: ignore[arg-type]


def _threads(count: int) -> str:
    return ngettext("{count} thread", "{count} threads", count).format(count=count)
