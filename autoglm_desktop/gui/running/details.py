"""What stands behind the badge: the proof of what runs, every try, the lock, the idle unload, freeing the memory."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from ...i18n import _, ngettext
from ...texts import demo as demo_texts
from ...texts import proof as proof_texts
from ...texts import reasons, walk
from ...texts.rungs import rung_text
from ...usecases import idle_setting
from ...usecases.session import SessionState
from ..session_model import SessionModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.combo import Combo
from ..widgets.labels import label
from ..widgets.rows import in_row
from ..widgets.rule import Rule
from . import phases
from .lock_button import LockButton
from .options_button import OptionsButton
from .proof_panel import ProofPanel
from .walk_list import WalkList

SIZE = (680, 700)


class Details(QDialog):
    """Follows the session while it is open."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle(_("How the model runs"))
        self.name = label("", "subtitle", wrap=True, selectable=True)
        self.state_line = label("", "muted", wrap=True, selectable=True)
        self.warning = label("", "warn", wrap=True, selectable=True)
        self.locked = label("", "warn", wrap=True)
        self.proof = ProofPanel()
        self.tries_title = label(_("What was tried"), "subtitle")
        self.walk = WalkList()
        self.lock = LockButton(session)
        self.idle = _idle_choice(session)
        self.options = OptionsButton(session)
        self.copy = button(_("Copy all"), self.copy_all)
        self.free = button("", session.free)
        self.close_button = button(_("Close"), self.close)
        self._arrange()
        self.resize(*SIZE)
        session.changed.connect(self.show_state)
        self.show_state(session.state)

    def show_state(self, state: SessionState) -> None:
        """Show a state."""
        running = state.phase in ("ready", "generating")
        self.name.setText(_name(state))
        self.state_line.setText(phases.sentence(state))
        self.warning.setText(reasons.text(state.warning) if state.warning is not None else "")
        self.warning.setVisible(state.warning is not None)
        self.locked.setText(locked_text(state))
        self.locked.setVisible(state.locked is not None)
        self.proof.setVisible(running)
        if running:
            self.proof.show_state(state)
        lines = walk.lines(state)
        self.tries_title.setVisible(bool(lines))
        self.tries_title.setText(_("The ladder") if state.phase == "loading" else _("What was tried"))
        self.walk.show_lines(lines)
        self.lock.show_state(state)
        self.free.setVisible(running)
        self.free.setText(phases.free_text(state))
        self.copy.setEnabled(state.target is not None)

    def copy_all(self) -> None:
        """Put the proof and the tries onto the clipboard, as text."""
        QGuiApplication.clipboard().setText(proof_texts.report(self._session.state))
        self.copy.setText(_("Copied"))

    def _arrange(self) -> None:
        content = QWidget()
        body = QVBoxLayout(content)
        body.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        body.setSpacing(GAP + GAP // 2)
        for part in (
            self.name, self.state_line, self.warning, self.locked, self.proof, self.tries_title, self.walk,
        ):  # fmt: skip
            body.addWidget(part)
        body.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        settings = in_row(self.lock, None, label(_("Unload after"), "muted"), self.idle)
        buttons = in_row(self.copy, self.options, None, self.free, self.close_button)
        foot = QVBoxLayout()
        foot.setContentsMargins(3 * GAP, GAP + GAP // 2, 3 * GAP, 2 * GAP)
        foot.setSpacing(GAP + GAP // 2)
        foot.addLayout(settings)
        foot.addLayout(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(area, 1)
        column.addWidget(Rule())
        column.addLayout(foot)


def locked_text(state: SessionState) -> str:
    """That no other rung is tried, and for how long."""
    if state.locked is None:
        return ""
    text = _("Locked to {rung}: no other way is tried until you unlock it, choose another model or quit.")
    return text.format(rung=rung_text(state.locked))


def _name(state: SessionState) -> str:
    if state.target is None:
        return _("No model is loaded")
    return f"{state.target.name} · {demo_texts.word()}" if state.target.is_demo else state.target.name


def idle_text(minutes: int) -> str:
    if minutes <= 0:
        return _("never by itself")
    return ngettext("{count} minute without a message", "{count} minutes without a message", minutes).format(
        count=minutes
    )


def _idle_choice(session: SessionModel) -> Combo:
    combo = Combo(22)
    combo.setAccessibleName(_("Unload after"))
    choices = sorted({*idle_setting.CHOICES, session.idle_minutes})
    for minutes in choices:
        combo.addItem(idle_text(minutes), minutes)
    combo.setCurrentIndex(choices.index(session.idle_minutes))
    combo.activated.connect(lambda index: session.set_idle_minutes(combo.itemData(index)))
    return combo
