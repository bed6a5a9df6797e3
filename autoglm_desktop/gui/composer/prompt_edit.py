"""The field in which a message is written: Enter sends, Shift+Enter makes a new line, it grows with its text."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from ..widgets import picture_sources

MAX_LINES = 8
SMALL = 2_000
"""Characters. A text that is pasted and longer is for the composer: it may be too much for the model."""
_LINE_KEYS = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier


class PromptEdit(QPlainTextEdit):
    """``submitted`` on Enter, never while an input method is composing. ``given(sources)``: pictures that were pasted
    or dropped here; ``long_pasted(text)``: a text that is not short."""

    submitted = Signal()
    focused = Signal(bool)
    given = Signal(object)
    dragged_over = Signal(bool)
    long_pasted = Signal(object)  # a str, not copied for Qt

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("flat", True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(2)
        self.textChanged.connect(self._fit)
        self._fit()

    @property
    def composing(self) -> bool:
        """Whether an input method shows something here that is not text yet."""
        return bool(self.textCursor().block().layout().preeditAreaText())

    def end_composing(self) -> bool:
        """Ask the input method for what it composes; whether nothing is composed any more."""
        if self.composing:
            QGuiApplication.inputMethod().commit()
        return not self.composing

    def insert(self, text: str) -> None:
        """Put a text where the cursor is, as one step of undo."""
        self.textCursor().insertText(text)
        self.ensureCursorVisible()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focused.emit(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
        elif self.composing:
            event.accept()  # for the input method; neither a message nor a line
        elif event.modifiers() & _LINE_KEYS:
            self.insert("\n")
        elif not event.isAutoRepeat():
            self.submitted.emit()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Text and pictures; what is dropped of other files is not for this field."""
        return picture_sources.is_for_chat(source) or (source.hasText() and not source.hasUrls())

    def insertFromMimeData(self, source: QMimeData) -> None:
        if picture_sources.is_for_chat(source) or picture_sources.files_of(source):
            self.given.emit(
                picture_sources.sources_of(source)
            )  # a file that is no picture is refused by its name
        elif len(source.text()) > SMALL:
            self.long_pasted.emit(source.text())
        else:
            super().insertFromMimeData(source)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        super().dragEnterEvent(event)
        if picture_sources.is_for_chat(event.mimeData()):
            self.dragged_over.emit(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(event)
        self.dragged_over.emit(False)

    def dropEvent(self, event: QDropEvent) -> None:
        if picture_sources.is_for_chat(event.mimeData()):
            super().dragLeaveEvent(QDragLeaveEvent())  # the mark where a text would go
            self.given.emit(picture_sources.sources_of(event.mimeData()))
            picture_sources.accept(event)
        else:
            super().dropEvent(event)
        self.dragged_over.emit(False)

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
