"""What a step has brought: the action in words, its seconds, what was thought, the reply as it was written."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ...i18n import _
from ...texts import phone_actions as texts
from ...usecases.phone_step import Result
from ..theme import GAP
from ..widgets.card import Card
from ..widgets.labels import label, set_role
from ..widgets.opener import Opener


class Unfolding(QWidget):
    """A heading that unfolds a text; ``beside`` stands at the heading's right."""

    def __init__(self, title: str, beside: QWidget | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.opener = Opener(title)
        self.text = label("", "muted", wrap=True, selectable=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP // 2)
        head = QHBoxLayout()
        head.addWidget(self.opener)
        head.addStretch(1)
        if beside is not None:
            head.addWidget(beside)
        column.addLayout(head)
        column.addWidget(self.text)
        self.opener.clicked.connect(lambda: self.set_opened(not self.opener.opened))
        self.set_opened(False)

    def set_opened(self, opened: bool) -> None:
        self.opener.set_opened(opened)
        self.text.setVisible(opened)

    def show_text(self, text: str, *, opened: bool) -> None:
        """Hidden where there is none."""
        self.text.setText(text)
        self.setVisible(bool(text))
        self.set_opened(opened)


class ResultCard(Card):
    """Hidden until there is a result, or a step was stopped."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.action: QLabel = label("", "subtitle", wrap=True, selectable=True)
        self.seconds = label("", "muted", wrap=True, selectable=True)
        self.thinking = Unfolding(_("What it thought"))
        self.reply = Unfolding(_("The reply as it was written"))
        for widget in (self.action, self.seconds, self.thinking, self.reply):
            self.body.addWidget(widget)
        self.hide()

    def show_result(self, result: Result) -> None:
        """A reply that can't be read is shown as it is."""
        readable = result.step.action is not None
        set_role(self.action, "subtitle" if readable else "warn")
        self.action.setText(texts.result_text(result))
        self.seconds.setText(texts.seconds_text(result))
        self.seconds.show()
        self.thinking.show_text(texts.prose(result.step.thinking), opened=readable)
        self.reply.show_text(texts.prose(result.reply), opened=not readable)
        self.show()

    def show_stopped(self, reply: str) -> None:
        """The step ended before its action was there."""
        set_role(self.action, "warn")
        self.action.setText(_("Stopped before there was an action."))
        self.seconds.hide()
        self.thinking.hide()
        self.reply.show_text(texts.prose(reply), opened=True)
        self.show()
