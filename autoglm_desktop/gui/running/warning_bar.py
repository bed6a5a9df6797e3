"""A bar across the window where a loaded model has lost memory to others, with what to do."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from ...i18n import _
from ...texts import reasons
from ...usecases.session import SessionState
from ..session_model import SessionModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label


class WarningBar(QFrame):
    """Hidden while there is nothing to warn of; what was closed is not said again until the model is loaded anew."""

    def __init__(self, session: SessionModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("banner", "warn")
        self._session = session
        self._closed: set[str] = set()  # codes of warnings
        self.text = label("", wrap=True, selectable=True)
        self.again = button(_("Load again"), self._load_again, "primary")
        self.again.setToolTip(_("The model is planned for the memory that is free now."))
        self.free = button(_("Free the GPU"), session.free)
        self.close_button = button(_("Close"), self._put_away)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GAP, GAP, 2 * GAP, GAP)
        row.setSpacing(GAP)
        row.addWidget(self.text, 1)
        for made in (self.again, self.free, self.close_button):
            row.addWidget(made)
        session.changed.connect(self.show_state)
        self.hide()
        self.show_state(session.state)

    def show_state(self, state: SessionState) -> None:
        if state.phase not in ("ready", "generating"):
            self._closed.clear()
        if state.warning is None or state.warning.code in self._closed:
            self.hide()
            return
        self.text.setText(reasons.text(state.warning))
        self.again.setEnabled(state.phase == "ready")
        self.show()

    def _load_again(self) -> None:
        state = self._session.state
        if state.target is not None:
            self._session.load(state.target)

    def _put_away(self) -> None:
        warning = self._session.state.warning
        if warning is not None:
            self._closed.add(warning.code)
        self.hide()
