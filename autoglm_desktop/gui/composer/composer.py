"""Where messages are written: a field for the text, above it pictures and folded texts, below it what can be done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from ...core.context_use import text_tokens
from ...i18n import _
from ...store.conversation_values import Picture
from ..theme import GAP
from ..widgets import picture_sources
from ..widgets.buttons import button
from ..widgets.glyph import GlyphButton
from ..widgets.labels import label
from . import big_paste
from .attachment_strip import AttachmentStrip
from .attachments import Attachments
from .big_paste import BigPasteCard, Folded, Question
from .prompt_edit import PromptEdit

PICK = QKeySequence("Ctrl+O")
PASTE_PICTURE = QKeySequence("Ctrl+Shift+V")


class Composer(QFrame):
    """``sent(text)``, "" where pictures are sent alone; ``stopped``. What it offers is set by ``set_state``.

    ``given(sources)``: pictures that were pasted, dropped or picked; ``text_changed``: what is written is another
    text. It is emptied by ``clear``, not by sending.
    """

    sent = Signal(str)
    stopped = Signal()
    given = Signal(object)
    text_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composer")
        self.setProperty("card", True)
        self.setAcceptDrops(True)
        self._attachments: Attachments | None = None
        self._folded: tuple[Folded, ...] = ()
        self._context: int | None = None
        self._left: int | None = None
        self._ready = self._waiting = self._loading = False
        self.strip = AttachmentStrip()
        self.question = BigPasteCard()
        self.edit = PromptEdit()
        self.edit.setAccessibleName(_("Message"))
        self.hint = label("", "muted")
        self.add = GlyphButton("picture", _("Add pictures"))
        keys = PICK.toString(QKeySequence.SequenceFormat.NativeText)
        self.add.setToolTip(_("Add pictures") + f" ({keys})")
        self.send = button(_("Send"), self._send, "primary")
        self.stop = button(_("Stop"), self.stopped.emit, "danger")
        self._place()
        self._connect()
        self.set_state(ready=False, busy=False, stopping=False, hint="", placeholder="")

    def set_state(self, *, ready: bool, busy: bool, stopping: bool, hint: str, placeholder: str) -> None:
        """``ready``: a message may be sent; ``busy``: an answer is being written."""
        self._ready = ready
        if (self.stop.hasFocus() and (stopping or not busy)) or (self.send.hasFocus() and busy):
            self.edit.setFocus()  # the button goes, the keyboard belongs to the text
        self.stop.setVisible(busy)
        self.send.setVisible(not busy)
        self.stop.setEnabled(not stopping)
        self.stop.setText(_("Stopping") if stopping else _("Stop"))
        self.hint.setText(hint)
        self.edit.setPlaceholderText(placeholder)
        self.edit.viewport().update()  # Qt draws it anew only where it appears or goes
        self._update()

    def set_attachments(self, attachments: Attachments) -> None:
        """Take pictures from now on."""
        self._attachments = attachments
        self.given.connect(attachments.give)
        attachments.changed.connect(self._pictures_changed)
        self.strip.set_attachments(attachments)
        self.add.show()

    def set_room(self, context: int | None, left: int | None) -> None:
        """How much the model can read: tokens of its context, and those that the text of this question may have
        (``big_paste.room_for_text``). A text that is pasted and does not fit is asked about. None: not known."""
        self._context, self._left = context, left

    def text(self) -> str:
        """What is written, and behind it the texts that are folded."""
        return "\n\n".join(filter(None, (self.edit.toPlainText(), *(folded.text for folded in self._folded))))

    def tokens(self) -> int:
        """About how many tokens the text has; folded texts are counted only once."""
        return text_tokens(self.edit.toPlainText()) + sum(folded.tokens for folded in self._folded)

    def set_text(self, text: str) -> None:
        """Another text; a long one is folded."""
        self.question.forget()
        long = len(text) > big_paste.FOLD
        self._fold((big_paste.fold(text),) if long else ())
        self.edit.setPlainText("" if long else text)
        cursor = self.edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.edit.setTextCursor(cursor)

    def load(self, text: str, pictures: Sequence[Picture]) -> None:
        """Another text and other pictures: those of a draft, or of a question that is edited."""
        self._loading = True  # nobody sees the text of one question with the pictures of another
        self.set_text(text)
        self._loading = False
        if self._attachments is not None:
            self._attachments.set_pictures(pictures)
        self._text_changed()

    def suggest(self, text: str) -> None:
        """Put a text behind what is written."""
        cursor = self.edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        cursor.insertText(f"\n{text}" if self.edit.toPlainText().strip() else text)
        self.edit.setTextCursor(cursor)
        self.edit.setFocus()

    def send_now(self) -> None:
        """As by the button: nothing where nothing can be sent."""
        self._send()

    def clear(self) -> None:
        """Nothing is written any more."""
        self.load("", ())

    def is_empty(self) -> bool:
        """Whether there is nothing to send: spaces are nothing."""
        pictures = self._attachments is not None and bool(self._attachments.items)
        return not (pictures or self._folded or self.edit.toPlainText().strip())

    def take(self, data: QMimeData) -> bool:
        """Take the pictures in what was dropped or pasted anywhere on the page; whether there were any."""
        if self._attachments is None or not picture_sources.is_for_chat(data):
            return False
        self._give(picture_sources.sources_of(data))
        return True

    def pick(self) -> None:
        """Ask for picture files."""
        if self._attachments is None:
            return
        dialog = QFileDialog(self, _("Choose pictures"), "", _("Pictures") + f" ({picture_sources.PATTERN})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: self._give([Path(name) for name in names]))
        dialog.open()

    def paste_picture(self) -> None:
        """Take the picture in the clipboard, also where there is a text beside it."""
        data = QGuiApplication.clipboard().mimeData()
        if data is not None and picture_sources.has_picture(data):
            self._give(picture_sources.sources_of(data))
        elif data is not None and data.hasText():
            self.edit.insertFromMimeData(data)

    def _place(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.add)
        row.addWidget(self.hint, 1)
        row.addWidget(self.stop)
        row.addWidget(self.send)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + GAP // 2, GAP + GAP // 2, GAP + GAP // 2, GAP)
        column.setSpacing(GAP)
        for part in (self.strip, self.question, self.edit):
            column.addWidget(part)
        column.addLayout(row)
        self.add.hide()
        order = (self.strip, self.question, self.edit, self.add, self.stop, self.send)
        for before, after in itertools.pairwise(order):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        self.edit.submitted.connect(self._send)
        self.edit.textChanged.connect(self._text_changed)
        self.edit.focused.connect(self._show_focus)
        self.edit.given.connect(self._give)
        self.edit.dragged_over.connect(lambda over: self._show_drag(over=over))
        self.edit.long_pasted.connect(self._paste)
        self.add.clicked.connect(self.pick)
        self.question.answered.connect(self._answered)
        self.strip.text_removed.connect(self._remove_folded)
        self.strip.text_opened.connect(self._unfold)
        self.strip.left.connect(self.edit.setFocus)
        for keys, act in ((PICK, self.pick), (PASTE_PICTURE, self.paste_picture)):
            shortcut = QShortcut(keys, self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self._attachments is not None and picture_sources.is_for_chat(event.mimeData()):
            picture_sources.accept(event)
            self._show_drag(over=True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_drag(over=False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_drag(over=False)
        if self.take(event.mimeData()):
            picture_sources.accept(event)

    def _show_drag(self, *, over: bool) -> None:
        self._show_focus(over or self.edit.hasFocus())

    def _give(self, sources: Sequence[picture_sources.Source]) -> None:
        self._waiting = False
        if self._attachments is not None and sources:
            self.given.emit(list(sources))
            self.edit.setFocus()

    def _paste(self, text: str) -> None:
        """A text that is not short: asked about where it doesn't fit, folded where the field is too small for it."""
        question = big_paste.ask(text, self._context, self._left, self.tokens())
        if question is not None:
            self.question.show_question(question)
            self._update()
        else:
            self._insert(text)

    def _answered(self, question: Question, text: str) -> None:
        if text:
            self._insert(text, question.tokens if text is question.text else None)
        self.edit.setFocus()
        self._update()

    def _insert(self, text: str, tokens: int | None = None) -> None:
        if len(text) + self.edit.document().characterCount() > big_paste.FOLD:
            self._fold((*self._folded, big_paste.fold(text, tokens)))
            self._text_changed()
        else:
            self.edit.insert(text)

    def _unfold(self, index: int) -> None:
        text = self._folded[index].text
        self._fold((*self._folded[:index], *self._folded[index + 1 :]))
        self.edit.insert(text)
        self.edit.setFocus()

    def _remove_folded(self, index: int) -> None:
        self._fold((*self._folded[:index], *self._folded[index + 1 :]))
        self._text_changed()

    def _fold(self, folded: tuple[Folded, ...]) -> None:
        if folded != self._folded:
            self._folded = folded
            self.strip.show_folded(folded)

    def _show_focus(self, focused: bool) -> None:
        """The frame around the field shows that it has the keyboard, or would take what is dragged over it."""
        self.setProperty("active", focused)
        self.style().unpolish(self)
        self.style().polish(self)

    def _text_changed(self) -> None:
        self._waiting = False
        self._update()
        if not self._loading:
            self.text_changed.emit()

    def _pictures_changed(self) -> None:
        attachments = self._attachments
        if self._waiting and attachments is not None and attachments.ready:
            self._waiting = False
            if not attachments.refused:
                self._send()
        self._update()

    def _update(self) -> None:
        can = self._can_send()
        if self.send.hasFocus() and not can:
            self.edit.setFocus()
        self.send.setEnabled(can)

    def _can_send(self) -> bool:
        return self._ready and self.question.question is None and not self.is_empty()

    def _send(self) -> None:
        """Never half of what an input method composes, and never without the pictures that are still being read."""
        if not self.edit.end_composing():
            self.edit.setFocus()
        elif self._can_send():
            if self._attachments is None or self._attachments.ready:
                self.sent.emit(self.text().strip())
            else:
                self._waiting = True
