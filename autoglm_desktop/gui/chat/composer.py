"""Where messages are written: Enter sends, Shift+Enter makes a new line, the field grows with its text."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QInputMethodEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label

MAX_LINES = 8


class PromptEdit(QPlainTextEdit):
    """``submitted`` on Enter; never while an input method is composing."""

    submitted = Signal()
    focused = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._composing = False
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("flat", True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(2)
        self.textChanged.connect(self._fit)
        self._fit()

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        self._composing = bool(event.preeditString())
        super().inputMethodEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._composing = False
        super().focusOutEvent(event)
        self.focused.emit(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not self._composing and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            if not event.isAutoRepeat():
                self.submitted.emit()
            return
        super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Text only: files that are dropped are for the window."""
        return source.hasText() and not source.hasUrls()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:
        return QSize(200, self._height(1))

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self._height(1))

    def _fit(self) -> None:
        lines = int(self.document().documentLayout().documentSize().height())
        self.setFixedHeight(self._height(min(max(lines, 1), MAX_LINES)))
        if lines <= MAX_LINES:
            self.verticalScrollBar().setValue(0)
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if lines > MAX_LINES else policy.ScrollBarAlwaysOff
        )

    def _height(self, lines: int) -> int:
        return lines * self.fontMetrics().lineSpacing() + 2 * int(self.document().documentMargin()) + 2


class Composer(QFrame):
    """``sent(text)``, ``stopped``. What it offers is set by ``set_state``."""

    sent = Signal(str)
    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composer")
        self.setProperty("card", True)
        self.edit = PromptEdit()
        self.edit.setAccessibleName(_("Message"))
        self.hint = label("", "muted")
        self.send = button(_("Send"), self._send, "primary")
        self.stop = button(_("Stop"), self.stopped.emit, "danger")
        self._ready = False
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.hint, 1)
        row.addWidget(self.stop)
        row.addWidget(self.send)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + GAP // 2, GAP + GAP // 2, GAP + GAP // 2, GAP)
        column.setSpacing(GAP)
        column.addWidget(self.edit)
        column.addLayout(row)
        self.edit.submitted.connect(self._send)
        self.edit.textChanged.connect(self._update)
        self.edit.focused.connect(self._show_focus)
        self.set_state(ready=False, busy=False, stopping=False, hint="", placeholder="")

    def set_state(self, *, ready: bool, busy: bool, stopping: bool, hint: str, placeholder: str) -> None:
        """``ready``: a message may be sent; ``busy``: an answer is being written."""
        self._ready = ready
        self.stop.setVisible(busy)
        self.send.setVisible(not busy)
        self.stop.setEnabled(not stopping)
        self.stop.setText(_("Stopping") if stopping else _("Stop"))
        self.hint.setText(hint)
        self.edit.setPlaceholderText(placeholder)
        self._update()

    def text(self) -> str:
        return self.edit.toPlainText()

    def set_text(self, text: str) -> None:
        self.edit.setPlainText(text)
        cursor = self.edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.edit.setTextCursor(cursor)

    def _show_focus(self, focused: bool) -> None:
        """The frame around the field shows that it has the keyboard."""
        self.setProperty("active", focused)
        self.style().unpolish(self)
        self.style().polish(self)

    def _update(self) -> None:
        self.send.setEnabled(self._ready and bool(self.text().strip()))

    def _send(self) -> None:
        text = self.text().strip()
        if self._ready and text:
            self.sent.emit(text)
