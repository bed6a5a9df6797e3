"""The badge: what the model really runs on, as the engine reported it. Always at the foot of the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QMouseEvent, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from ..i18n import _
from ..texts import demo as demo_texts
from ..texts import session as texts
from ..usecases.session import SessionState
from .running import phases
from .running.details import Details, locked_text
from .session_model import SessionModel
from .theme import GAP
from .widgets.labels import ElidedLabel, tip

NAME_WIDTH = 40 * GAP
FREE_KEYS = "Ctrl+Shift+F"
DETAILS_KEYS = "Ctrl+I"


class Badge(QFrame):
    """Shows SessionModel's state; a click on it opens what stands behind it. Offers to free the memory, to stop
    loading, to load."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("badge")
        self._session = session
        self.dialog: Details | None = None
        self.pill = _pill()
        self.demo, self.lock = _pill(), _pill("warn")
        self.demo.setText(demo_texts.word())
        self.demo.setToolTip(tip(demo_texts.told()))
        self.name = ElidedLabel(role="subtitle")
        self.name.setMaximumWidth(NAME_WIDTH)
        self.detail = ElidedLabel(role="muted", mode=Qt.TextElideMode.ElideRight)
        self.more = QPushButton(_("Details"))
        self.more.setToolTip(_("What it runs on, and what was tried") + f" ({DETAILS_KEYS})")
        self.more.clicked.connect(self.open_details)
        self.action = QPushButton()
        self.action.clicked.connect(self._act)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GAP, GAP // 2, 2 * GAP, GAP // 2)
        row.setSpacing(GAP + GAP // 2)
        for part in (self.pill, self.name, self.demo, self.lock):
            row.addWidget(part)
        row.addWidget(self.detail, 1)
        row.addWidget(self.more)
        row.addWidget(self.action)
        self.setMinimumHeight(5 * GAP + GAP // 2)
        for keys, act in ((FREE_KEYS, self.free), (DETAILS_KEYS, self.open_details)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(act)
        session.changed.connect(self.show_state)
        self.show_state(session.state)

    def show_state(self, state: SessionState) -> None:
        """Show a state."""
        self.pill.setText(phases.word(state))
        _tone(self.pill, phases.TONES.get(state.phase, ""))
        self.name.set_text(state.target.name if state.target is not None else "")
        self.name.setVisible(state.target is not None)
        self.demo.setVisible(state.target is not None and state.target.is_demo)
        self.lock.setText(_("Locked"))
        self.lock.setVisible(state.locked is not None)
        self.lock.setToolTip(tip(locked_text(state)))
        self.detail.set_text(phases.sentence(state))
        self.pill.setToolTip(tip(self._proof(state)))
        self.more.setVisible(state.target is not None)
        self._show_action(state)

    def free(self) -> None:
        """Free the memory at once, where a model runs."""
        if self._session.state.phase in ("ready", "generating"):
            self._session.free()

    def open_details(self) -> None:
        """Open what stands behind the badge, or bring it forward."""
        if self._session.state.target is None:
            return
        if self.dialog is None:
            self.dialog = Details(self._session, self.window())
        if self.dialog.isVisible():
            self.dialog.raise_()
        self.dialog.show()
        self.dialog.activateWindow()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.open_details()

    def _show_action(self, state: SessionState) -> None:
        running = state.phase in ("ready", "generating")
        loading = state.phase in ("loading", "installing")
        unloaded = state.phase == "idle" and state.target is not None
        self.action.setVisible(running or loading or unloaded)
        text = phases.free_text(state) if running else _("Cancel") if loading else _("Load now")
        self.action.setText(text)
        said = _("Ends the engine at once; the next message loads the model again.") + f" ({FREE_KEYS})"
        self.action.setToolTip(said if running else "")
        self.setCursor(
            Qt.CursorShape.PointingHandCursor if state.target is not None else Qt.CursorShape.ArrowCursor
        )

    def _proof(self, state: SessionState) -> str:
        if state.proof is None:
            return ""
        tries = [texts.try_text(tried) for tried in state.tries]
        return "\n".join([texts.proof_text(state.proof), state.proof.build, *tries])

    def _act(self) -> None:
        state = self._session.state
        if state.phase in ("ready", "generating"):
            self._session.free()
        elif state.phase in ("loading", "installing"):
            self._session.cancel_load()
        elif state.target is not None:
            self._session.load(state.target)


def _pill(tone: str = "") -> QLabel:
    made = QLabel()
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("role", "pill")
    made.setProperty("tone", tone)
    return made


def _tone(pill: QLabel, tone: str) -> None:
    if pill.property("tone") != tone:
        pill.setProperty("tone", tone)
        pill.style().unpolish(pill)
        pill.style().polish(pill)
