"""What stands in the place of an empty conversation."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from ...core.remote import Endpoint
from ...i18n import _
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label
from . import greetings


class EmptyState(QScrollArea):
    """``models_wanted``; ``suggested(text)`` when an example is clicked. Scrolls where there is little room."""

    models_wanted = Signal()
    suggested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab scrolls to its buttons
        self.title = label("", "title", wrap=True)
        self.text = label("", "muted", wrap=True)
        self.choose = button(_("Choose a model"), self.models_wanted.emit, "primary")
        inner = QWidget()
        inner.setMaximumWidth(520)
        column = QVBoxLayout(inner)
        column.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        column.setSpacing(GAP + GAP // 2)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addWidget(self.choose, 0, Qt.AlignmentFlag.AlignLeft)
        self.examples = [button(text, functools.partial(self.suggested.emit, text)) for text in examples()]
        for example in self.examples:
            column.addWidget(example, 0, Qt.AlignmentFlag.AlignLeft)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(inner, 1000)
        row.addStretch(1)
        content = QWidget()
        outer = QVBoxLayout(content)
        outer.setContentsMargins(2 * GAP, 0, 2 * GAP, 0)
        outer.addStretch(2)
        outer.addLayout(row)
        outer.addStretch(3)
        self.setWidget(content)
        self.set_state(SessionState())

    def set_state(
        self, state: SessionState, endpoint: Endpoint | None = None, *, remote: bool = False
    ) -> None:
        """What may be asked now, and of which model or server. ``remote`` without ``endpoint``: it is gone."""
        target = state.target.name if state.target is not None else None
        name = endpoint.name if endpoint is not None else None if remote else target
        ready = endpoint is not None or state.phase != "failed"
        if endpoint is not None:
            title, text = greetings.remote_invitation(endpoint)
        elif remote:
            title, text = _("What would you like to know?"), ""
        else:
            title, text = greetings.invitation(state.phase, name)
        self.title.setText(title)
        self.text.setText(text)
        self.choose.setVisible(name is None and not remote)
        for example in self.examples:
            example.setVisible(name is not None and ready)


def examples() -> tuple[str, ...]:
    return (
        _("Explain in two sentences what quantising a model means."),
        _("Write a polite reply that moves a meeting to Friday."),
        _("Make a table of three ways to save phone battery."),
    )
