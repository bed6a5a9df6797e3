"""What stands in the place of an empty conversation."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from ...core.remote import Endpoint
from ...i18n import _
from ...texts import demo as demo_texts
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, tip
from ..widgets.rows import row_of
from . import greetings
from .best_card import BestCard
from .demo import DemoStart


class EmptyState(QScrollArea):
    """``suggested(text)`` when an example is clicked; ``models_wanted``, ``model_wanted(id)`` of the catalogue,
    ``demo_wanted``, ``remote_wanted``, ``check_wanted`` by buttons. Scrolls where there is little room."""

    models_wanted = Signal()
    model_wanted = Signal(str)
    suggested = Signal(str)
    demo_wanted = Signal()
    remote_wanted = Signal()
    check_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab scrolls to its buttons
        self.title = label("", "title", wrap=True)
        self.text = label("", "muted", wrap=True)
        self.choose = button(_("Choose a model"), self.models_wanted.emit, "primary")
        self.try_demo = button(_("Try the demo"), self.demo_wanted.emit)
        self.try_demo.setToolTip(tip(demo_texts.told()))
        self._first = row_of(self.choose, self.try_demo, None)
        self.examples = [self._example(text) for text in examples()]
        self.best = BestCard()
        self.best.models_wanted.connect(self.models_wanted)
        self.best.model_wanted.connect(self.model_wanted)
        self.best.remote_wanted.connect(self.remote_wanted)
        self.best.check_wanted.connect(self.check_wanted)
        self._arrange()
        self.set_state(SessionState())

    def set_state(
        self,
        state: SessionState,
        endpoint: Endpoint | None = None,
        *,
        remote: bool = False,
        demo: DemoStart | None = None,
    ) -> None:
        """What may be asked now, and of which model or server. ``remote`` without ``endpoint``: it is gone; ``demo``:
        whether it comes, or can be had."""
        target = state.target.name if state.target is not None else None
        name = endpoint.name if endpoint is not None else None if remote else target
        is_demo = not remote and state.target is not None and state.target.is_demo
        coming = demo.coming if demo is not None and not remote else ""
        if endpoint is not None:
            title, text = greetings.remote_invitation(endpoint)
        elif remote:
            title, text = _("What would you like to know?"), ""
        elif coming:
            title, text = greetings.demo_comes(coming)
        elif is_demo:
            title, text = greetings.demo_invitation(state.phase)
        else:
            title, text = greetings.invitation(state.phase, name)
        self.title.setText(title)
        self.text.setText(text)
        nobody = name is None and not remote and not coming
        there = demo is not None and demo.look is not None and demo.look.there
        self._first.setVisible(nobody)
        self.try_demo.setVisible(there)
        self.best.setVisible(is_demo)
        if demo is not None:
            self.best.show_best(demo.best, checked=demo.is_checked, look=demo.look)
        ready = endpoint is not None or state.phase != "failed"
        for example, said in zip(
            self.examples, demo_texts.questions() if is_demo else examples(), strict=True
        ):
            example.setText(said)
            example.setVisible(name is not None and ready)

    def _example(self, text: str) -> QPushButton:
        made = button(text, lambda: self.suggested.emit(made.text()))
        return made

    def _arrange(self) -> None:
        inner = QWidget()
        inner.setMaximumWidth(560)
        column = QVBoxLayout(inner)
        column.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        column.setSpacing(GAP + GAP // 2)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addWidget(self._first)
        for example in self.examples:
            column.addWidget(example, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.best)
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


def examples() -> tuple[str, ...]:
    return (
        _("Explain in two sentences what quantising a model means."),
        _("Write a polite reply that moves a meeting to Friday."),
        _("Make a table of three ways to save phone battery."),
    )
