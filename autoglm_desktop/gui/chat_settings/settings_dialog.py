"""What is set for one conversation, in a window beside the chat. Everything holds at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from ...core.conversation import ConversationSettings
from ...core.protocol import Sampling
from ...core.remote import Endpoint
from ...i18n import _
from ...store.own_prompts import Prompt
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import ElidedLabel, label
from ..widgets.rule import Rule
from .answerer_choice import AnswererChoice
from .prompt_library import PromptLibrary
from .prompt_shelf import PromptShelf
from .sampling_form import SamplingForm

SIZE = (600, 720)
WAIT_MS = 300
"""After the last letter that was typed a change is passed on."""


class SettingsDialog(QDialog):
    """``changed(ConversationSettings)``: at once, or when a pause is made while typing.

    ``defaults``: the model's own numbers, ``source``: the sentence that says where they come from, ``model``: what this
    machine answers with. ``prompts``: the library; ``own``: the prompts that the user keeps (None: none can be kept);
    ``remote_button`` stands beside the choice of who answers.
    """

    changed = Signal(object)

    def __init__(
        self,
        settings: ConversationSettings,
        defaults: Sampling,
        endpoints: Sequence[Endpoint],
        prompts: Sequence[Prompt],
        parent: QWidget | None = None,
        *,
        source: str = "",
        model: str | None = None,
        own: PromptShelf | None = None,
        remote_button: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._known = settings
        self._defaults = defaults
        self._before: ConversationSettings | None = None
        self._placed = False
        self.setWindowTitle(_("Settings of this conversation"))
        self.subject = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.answerer = AnswererChoice()
        self._servers = remote_button
        self.prompt = PromptLibrary(prompts, own)
        self.sampling = SamplingForm()
        self.source = label("", "muted", wrap=True)
        self.said = label("", "muted")
        self.undo = button(_("Undo"), self._undo_reset, "link")
        self.reset = button(_("Reset to the model's defaults"), self._reset)
        self.close_button = button(_("Close"), self.close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.flush)
        if own is not None:
            own.setParent(self)
        self._lay_out()
        self.answerer.edited.connect(self._wait)
        self.answerer.combo.activated.connect(self.flush)
        self.prompt.edited.connect(self._wait)
        self.sampling.edited.connect(self._wait)
        self.set_title("")
        self.set_endpoints(endpoints)
        self._show(settings)
        self.set_defaults(defaults, source, model)

    def settings(self) -> ConversationSettings:
        """What is set now, the last letter included."""
        found = self.answerer.apply_to(self.sampling.apply_to(self._known))
        return dataclasses.replace(found, system=self.prompt.words())

    def set_settings(self, settings: ConversationSettings) -> None:
        """Those of another conversation, or changed elsewhere; what is being typed stays if they are the same."""
        if settings != self._known:
            self._timer.stop()
            self._known = settings
            self._forget_reset()
            self._show(settings)

    def set_defaults(self, defaults: Sampling, source: str = "", model: str | None = None) -> None:
        """Those of the model that answers now."""
        self._defaults = defaults
        self._model = model
        self.source.setText(source)
        self.source.setVisible(bool(source))
        self.answerer.show_endpoints(self._endpoints, model)
        self.sampling.show_settings(self.settings(), defaults)
        self._show_reset()

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """The remote servers that can be chosen."""
        self._endpoints = tuple(endpoints)
        self.answerer.show_endpoints(self._endpoints, getattr(self, "_model", None))

    def set_prompts(self, prompts: Sequence[Prompt]) -> None:
        """The library anew, with the date of today."""
        self.prompt.show_prompts(prompts)

    def set_title(self, title: str) -> None:
        """Of the conversation; "": a new one."""
        self.subject.set_text(title or _("New conversation"))

    def flush(self) -> None:
        """Pass on what was typed just now."""
        self._timer.stop()
        settings = self.settings()
        if settings != self._known:
            self._known = settings
            self.changed.emit(settings)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.WindowDeactivate:
            self.flush()
        return super().event(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.flush()
        super().closeEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        self.flush()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self._stand_beside()

    def _show(self, settings: ConversationSettings) -> None:
        self.answerer.show_settings(settings)
        self.prompt.show_text(settings.system)
        self.sampling.show_settings(settings, self._defaults)
        self._show_reset()

    def _wait(self) -> None:
        self._forget_reset()
        self._show_reset()
        self._timer.start()

    def _reset(self) -> None:
        """All numbers as the model has them; the system prompt and who answers stay."""
        before = self.settings()
        self.sampling.show_settings(before.reset(), self._defaults)
        self.flush()
        self._before = before
        self.said.setText(_("All numbers are the model's own."))
        self.undo.setVisible(before != self._known)
        self._show_reset()
        self.undo.setFocus()

    def _undo_reset(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self.sampling.show_settings(before, self._defaults)
            self.flush()
        self._forget_reset()
        self._show_reset()

    def _forget_reset(self) -> None:
        self._before = None
        self.said.setText("")
        self.undo.hide()

    def _show_reset(self) -> None:
        self.reset.setEnabled(self.sampling.changed)

    def _stand_beside(self) -> None:
        """At the window's right, as far as the screen goes."""
        parent = self.parentWidget()
        if parent is None:
            return
        room, beside = self.screen().availableGeometry(), parent.window().frameGeometry()
        x = min(beside.right() + GAP, room.right() - self.width())
        self.move(max(x, room.left()), max(beside.top(), room.top()))

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        column.setSpacing(GAP)
        for title, part in (
            (_("Who answers"), self.answerer),
            (_("System prompt"), self.prompt),
            (_("How words are chosen"), self.sampling),
        ):
            row = QHBoxLayout()
            row.addWidget(label(title, "subtitle"), 1)
            if part is self.answerer and self._servers is not None:
                row.addWidget(self._servers)
            column.addLayout(row)
            if part is self.sampling:
                column.addWidget(self.source)
            column.addWidget(part)
            column.addSpacing(GAP)
        column.addStretch(1)
        area = QScrollArea()
        area.setAccessibleName(self.windowTitle())
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        head = QHBoxLayout()
        head.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, GAP)
        head.addWidget(self.subject)
        foot = QHBoxLayout()
        foot.setContentsMargins(3 * GAP, GAP + GAP // 2, 3 * GAP, GAP + GAP // 2)
        foot.setSpacing(GAP)
        foot.addWidget(self.reset)
        foot.addWidget(self.said)
        foot.addWidget(self.undo)
        foot.addStretch(1)
        foot.addWidget(self.close_button)
        self.undo.hide()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(head)
        whole.addWidget(Rule())
        whole.addWidget(area, 1)
        whole.addWidget(Rule())
        whole.addLayout(foot)
        for one in self.findChildren(QPushButton):
            one.setAutoDefault(False)  # Enter in a field presses none of them
        self.setMinimumSize(460, 360)
        self.resize(QSize(*SIZE).boundedTo(self.screen().availableSize()))
