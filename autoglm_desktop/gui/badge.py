"""The badge: what the model really runs on, as the engine reported it. Always at the foot of the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from ..core.units import format_bytes
from ..i18n import _
from ..texts import errors
from ..texts import session as texts
from ..usecases.session import SessionState
from .session_model import SessionModel
from .theme import GAP
from .widgets.labels import ElidedLabel, tip

NAME_WIDTH = 40 * GAP
TONES = {"ready": "good", "generating": "good", "loading": "busy", "installing": "busy", "failed": "bad"}


def phase_text(phase: str) -> str:
    """The word in the pill."""
    return {
        "idle": _("No model loaded"),
        "installing": _("Preparing the engine"),
        "loading": _("Loading"),
        "ready": _("Ready"),
        "generating": _("Answering"),
        "failed": _("Stopped"),
    }[phase]


def detail_text(state: SessionState) -> str:
    """Rung, device, memory, speed: only what was measured."""
    if state.phase == "failed" and state.error is not None:
        return errors.text(state.error)
    if state.phase == "installing" and state.install is not None:
        return texts.install_text(state.install)
    if state.phase == "loading" and state.step is not None:
        return texts.step_text(state.step)
    if state.proof is None or state.plan is None:
        return _("Its memory is free; the next message loads it again.") if state.target is not None else ""
    parts = [texts.rung_text(state.plan.rung), texts.device_text(state.proof)]
    if state.memory is not None and state.memory.resident_bytes is not None:
        parts.append(_("{size} in RAM").format(size=format_bytes(state.memory.resident_bytes)))
    else:
        parts.append(format_bytes(texts.memory_bytes(state.proof)))
    if state.tokens_per_s is not None:
        parts.append(_("{speed} tokens/s").format(speed=f"{state.tokens_per_s:.1f}"))
    return " · ".join(parts)


class Badge(QFrame):
    """Shows SessionModel's state; offers to free the memory or to stop loading."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("badge")
        self._session = session
        self.pill = QLabel()
        self.pill.setProperty("role", "pill")
        self.name = ElidedLabel(role="subtitle")
        self.name.setMaximumWidth(NAME_WIDTH)
        self.detail = ElidedLabel(role="muted", mode=Qt.TextElideMode.ElideRight)
        self.action = QPushButton()
        self.action.clicked.connect(self._act)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GAP, GAP // 2, 2 * GAP, GAP // 2)
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(self.pill)
        row.addWidget(self.name)
        row.addWidget(self.detail, 1)
        row.addWidget(self.action)
        self.setMinimumHeight(5 * GAP + GAP // 2)
        session.changed.connect(self.show_state)
        self.show_state(session.state)

    def show_state(self, state: SessionState) -> None:
        """Show a state."""
        self.pill.setText(phase_text(state.phase))
        self.pill.setProperty("tone", TONES.get(state.phase, ""))
        self.pill.style().unpolish(self.pill)
        self.pill.style().polish(self.pill)
        self.name.set_text(state.target.name if state.target is not None else "")
        self.name.setVisible(state.target is not None)
        self.detail.set_text(detail_text(state))
        self.pill.setToolTip(tip(self._proof(state)))
        self.action.setVisible(state.phase in ("ready", "loading", "installing"))
        self.action.setText(_("Free the memory") if state.phase == "ready" else _("Cancel"))

    def _proof(self, state: SessionState) -> str:
        if state.proof is None:
            return ""
        tries = [texts.try_text(tried) for tried in state.tries]
        return "\n".join([texts.proof_text(state.proof), state.proof.build, *tries])

    def _act(self) -> None:
        if self._session.state.phase == "ready":
            self._session.unload()
        else:
            self._session.cancel_load()
