"""The control that locks a rung: no other is tried until it is unlocked, or the program ends."""

from __future__ import annotations

import functools

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from ...core.rungs import RungPlan
from ...i18n import _
from ...texts.rungs import rung_text
from ...usecases.session import SessionState
from ..session_model import SessionModel


def lockable(state: SessionState) -> tuple[RungPlan, ...]:
    """The rungs that a load could be restricted to: what is here and not too big."""
    found = [plan for plan in state.ladder if plan.installed and plan.status != "too_big"]
    known = {plan.rung for plan in found}
    if state.plan is not None and state.plan.rung not in known:
        found.insert(0, state.plan)
    return tuple(found)


class LockButton(QPushButton):
    """Its menu names the rungs. The one that runs is locked as it is; another one is loaded."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setProperty("kind", "plain")
        self.setProperty("menu", True)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.fill)
        self.setMenu(self._menu)

    def show_state(self, state: SessionState) -> None:
        locked = state.locked
        self.setText(
            _("Lock a way to run…") if locked is None else _("Locked: {rung}").format(rung=rung_text(locked))
        )
        self.setAccessibleName(self.text())
        self.setEnabled(state.target is not None and (bool(lockable(state)) or locked is not None))

    def fill(self) -> None:
        """The menu for the state of now."""
        state, menu = self._session.state, self._menu
        menu.clear()
        for old in menu.findChildren(QActionGroup):
            old.deleteLater()
        group = QActionGroup(menu)
        whole = menu.addAction(_("Try every way, the best first (unlocked)"))
        whole.setCheckable(True)
        whole.setChecked(state.locked is None)
        whole.triggered.connect(functools.partial(self.choose, None))
        group.addAction(whole)
        menu.addSeparator()
        running = (
            state.plan.rung if state.phase in ("ready", "generating") and state.plan is not None else None
        )
        for plan in lockable(state):
            text = rung_text(plan.rung)
            if plan.rung == running:
                text = _("{rung} (runs now)").format(rung=text)
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(plan.rung == state.locked)
            action.triggered.connect(functools.partial(self.choose, plan.rung))
            group.addAction(action)

    def choose(self, rung: str | None, _checked: bool = False) -> None:
        """Lock a rung, or unlock (None)."""
        state = self._session.state
        runs = state.phase in ("ready", "generating") and state.plan is not None
        if rung is None or (runs and state.plan is not None and state.plan.rung == rung):
            self._session.lock(rung)
        else:
            self._session.load_with(rung)
