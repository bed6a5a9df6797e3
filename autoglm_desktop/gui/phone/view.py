"""The view of a phone step: a screenshot and a task become an action, drawn where it would be done."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QWidget

from ...i18n import _, language
from ...texts import pictures as picture_texts
from ...usecases import phone_step, prompts
from ...usecases.phone_step import Preview
from ..bridge import Bridge
from ..session_model import SessionModel
from ..widgets.buttons import button
from ..widgets.labels import set_role
from . import sources, words
from .controller import PhoneController
from .parts import build


class PhoneView(QWidget):
    """``models_wanted`` where a model has to be chosen first. What it needs of a session comes through the
    controller."""

    models_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        controller: PhoneController,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._session, self.controller = bridge, session, controller
        self._shown: Preview | None = None
        self._offered: tuple[words.Offer, ...] = ()
        self.parts = parts = build(self)
        parts.language.set_value(prompts.language_of(language()))
        parts.language.picked.connect(self._show_prompt)
        parts.copy.clicked.connect(self._copy)
        parts.choose.clicked.connect(self.pick)
        parts.other.clicked.connect(self.pick)
        parts.paste.clicked.connect(self.paste)
        parts.frame.dropped.connect(controller.choose)
        parts.task.pasted.connect(controller.choose)
        parts.task.textChanged.connect(self._show)
        parts.run.clicked.connect(self.run)
        parts.stop.clicked.connect(controller.stop)
        for keys, act in (
            (QKeySequence("Ctrl+Return"), self.run),
            (QKeySequence("Ctrl+Shift+V"), self.paste),
        ):
            shortcut = QShortcut(keys, self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)
        parts.run.setToolTip(_("Ctrl+Enter"))
        parts.paste.setToolTip(_("Ctrl+Shift+V"))
        session.changed.connect(self._show)
        controller.changed.connect(self._show)
        controller.ticked.connect(self._show_progress)
        self._show_prompt()
        self._show()

    def pick(self) -> None:
        """Ask for a file."""
        dialog = QFileDialog(self, _("Choose a screenshot"), "", _("Pictures") + f" ({sources.PATTERN})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self.controller.choose(Path(name)))
        dialog.open()

    def paste(self) -> None:
        """Take the picture in the clipboard, where there is one."""
        found = sources.of_mime(QGuiApplication.clipboard().mimeData())
        if found is not None:
            self.controller.choose(found)

    def run(self) -> None:
        """Ask for the next step."""
        if self.parts.run.isEnabled() and not self.controller.running:
            self.controller.run(self.parts.task.toPlainText().strip(), self.parts.language.value() or "en")

    def _show(self, _state: object = None) -> None:
        controller, parts, state = self.controller, self.parts, self._session.state
        self._show_picture(controller.preview)
        remote = controller.remote
        self._show_remark(words.remark(state, controller.error, remote))
        ready = controller.preview is not None and words.can_run(state, remote)
        parts.invitation.setText(words.invitation(remote))
        parts.who.setText(words.who_text(state, remote))
        parts.who.setVisible(bool(parts.who.text()))
        set_role(parts.who, "warn" if remote is not None and remote.leaves else "muted")
        parts.run.setEnabled(ready and bool(parts.task.toPlainText().strip()))
        parts.run.setVisible(not controller.running)
        parts.stop.setVisible(controller.running)
        parts.other.setEnabled(not controller.running)
        parts.task.setReadOnly(controller.running)
        parts.language.setEnabled(not controller.running)
        parts.expected.setText(words.expected_text(state) if remote is None else "")
        self._show_progress()
        self._show_result()

    def _show_picture(self, preview: Preview | None) -> None:
        parts = self.parts
        parts.stack.setCurrentIndex(0 if preview is None else 1)
        parts.other.setVisible(preview is not None)
        parts.choose.setEnabled(not self.controller.reading)
        reading = _("Reading the picture") if self.controller.reading else ""
        shown = self.controller.shown or (preview.prepared if preview is not None else None)
        parts.size.setText(picture_texts.shown_text(shown) if shown is not None else reading)
        parts.size.setVisible(bool(parts.size.text()))
        if preview is not self._shown:
            self._shown = preview
            parts.picture.show_picture(as_image(preview) if preview is not None else None)
            if preview is not None:
                parts.task.setFocus()

    def _show_progress(self) -> None:
        controller, parts = self.controller, self.parts
        for widget in (parts.bar, parts.progress):
            widget.setVisible(controller.running)
        if controller.running:
            state = self._session.state
            parts.progress.set_text(
                words.progress_text(
                    state, controller.shown, controller.written, controller.elapsed, controller.remote
                )
            )

    def _show_result(self) -> None:
        controller, card = self.controller, self.parts.result
        action = controller.result.step.action if controller.result is not None else None
        if action != self.parts.picture.action:
            self.parts.picture.show_action(action)
        if controller.result is not None:
            card.show_result(controller.result)
        elif controller.stopped:
            card.show_stopped(controller.written.text if controller.written is not None else "")
        else:
            card.hide()

    def _show_remark(self, remark: words.Remark | None) -> None:
        parts = self.parts
        parts.remark.setVisible(remark is not None)
        if remark is None:
            return
        parts.remark_text.setText(remark.text)
        set_role(parts.remark_text, remark.tone)
        if remark.offers == self._offered:
            return
        self._offered = remark.offers
        while (item := parts.offers.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for offer in remark.offers:
            parts.offers.addWidget(button(offer.text, functools.partial(self._act, offer.name)))
        parts.offers.addStretch(1)

    def _act(self, name: str) -> None:
        if name == "models":
            self.models_wanted.emit()
        elif name == "close":
            self.controller.dismiss()
        elif name == "load":
            self.controller.load_seeing()

    def _show_prompt(self, _language: str = "") -> None:
        self.parts.copy.setText(_("Copy the prompt"))
        chosen = self.parts.language.value() or "en"
        self._bridge.submit(
            lambda _report: phone_step.prompt(chosen, datetime.date.today()),
            lambda text: self.parts.prompt.show_text(text, opened=self.parts.prompt.opener.opened),
        )

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.parts.prompt.text.text())
        self.parts.copy.setText(_("Copied"))


def as_image(preview: Preview) -> QImage:
    """The picture for Qt."""
    size = preview.prepared.size
    data = QImage(preview.pixels, size.width, size.height, 3 * size.width, QImage.Format.Format_RGB888)
    return data.copy()  # its own bytes, as Qt keeps none of Python's
