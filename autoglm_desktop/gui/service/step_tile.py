"""One step of the test: the screen with the action drawn on it, and below what was answered."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ...texts import phone_actions as texts
from ...usecases.agent_trial import Screen, Stepped
from ..phone.picture import ActionPicture
from ..phone.result_card import Unfolding
from ..theme import GAP
from ..widgets.labels import label, set_role
from ..widgets.mark import Mark
from . import trial_words as words

PICTURE_HEIGHT = 380
OPENED_CHARS = 600
"""A longer reply would push everything else off the page."""


class StepTile(QFrame):
    """``show_asked`` while it is answered, then ``show_step``."""

    def __init__(self, number: int, screen: Screen, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("tile", True)
        self.number = number
        self._step: Stepped | None = None
        self.picture = ActionPicture(PICTURE_HEIGHT)
        self.picture.show_picture(QImage.fromData(screen.small or screen.png))
        self.mark = Mark("busy")
        self.title = label(_("Step {number}").format(number=number), "subtitle")
        self.action = label(_("is being answered …"), "muted", wrap=True, selectable=True)
        self.seconds = label("", "muted", wrap=True)
        self.reply = Unfolding(_("The reply"))
        self.seconds.hide()
        self.reply.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + 4, GAP + 4, GAP + 4, GAP + 4)
        column.setSpacing(GAP)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.mark)
        head.addWidget(self.title, 1)
        column.addLayout(head)
        column.addWidget(self.picture)
        for part in (self.action, self.seconds, self.reply):
            column.addWidget(part)
        column.addStretch(1)
        column.setAlignment(Qt.AlignmentFlag.AlignTop)

    def show_step(self, step: Stepped) -> None:
        """Once: what the reader unfolds afterwards stays so."""
        if step is self._step:
            return
        self._step = step
        readable = step.step.action is not None
        self.mark.set_status("ok" if readable else "warn")
        self.picture.show_action(step.step.action)
        set_role(self.action, "" if readable else "warn")
        self.action.setText(words.step_text(step))
        self.seconds.setText(words.step_seconds(step))
        self.seconds.show()
        self.reply.show_text(texts.prose(step.reply), opened=not readable and len(step.reply) <= OPENED_CHARS)

    def show_broken_off(self) -> None:
        """No answer will come."""
        self.mark.set_status("unknown")
        self.action.setText(_("No whole answer came."))
