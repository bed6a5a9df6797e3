"""Labels: plain text only (file and model names come from outside), by role, wrapping or shortened."""

from __future__ import annotations

import html

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QWidget


def label(text: str = "", role: str | None = None, *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """A label. ``role``: title, subtitle, muted, error, good, warn or mono, as the style sheet knows them."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role is not None:
        made.setProperty("role", role)
    if wrap:
        made.setWordWrap(True)
        made.setMinimumWidth(1)
    if selectable:
        made.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        made.setCursor(Qt.CursorShape.IBeamCursor)
    return made


def set_role(widget: QWidget, role: str) -> None:
    """Change the role of a label that is shown."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def tip(text: str) -> str:
    """A tool tip with these very words, wrapped: Qt would take what looks like HTML for HTML."""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>" if text else ""


class ElidedLabel(QFrame):
    """One line that is shortened in the middle where it does not fit; the whole of it is the tool tip."""

    def __init__(
        self,
        text: str = "",
        role: str | None = None,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._mode = mode
        self._label = QLabel(self)  # carries the style sheet's role; painted by this frame
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        if role is not None:
            self._label.setProperty("role", role)
        self._text = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_text(text)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def set_text(self, text: str) -> None:
        text = " ".join(text.split())
        if text == self._text:
            return
        self._text = text
        self.setAccessibleName(self._text)
        self._fit()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        self._label.ensurePolished()
        metrics = self._label.fontMetrics()
        return QSize(metrics.horizontalAdvance(self._text) + 2, metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        hint = self.sizeHint()
        return QSize(min(self._label.fontMetrics().averageCharWidth() * 8, hint.width()), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._label.ensurePolished()
        shown = self._label.fontMetrics().elidedText(self._text, self._mode, self.width())
        self._label.setText(shown)
        self._label.setGeometry(self.rect())
        self.setToolTip(tip(self._text) if shown != self._text else "")
