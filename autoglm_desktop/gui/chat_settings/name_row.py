"""A field for a name, in the place where it is needed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from ...i18n import _
from ...store.own_prompts import LONGEST_NAME
from ..theme import GAP
from ..widgets.buttons import button


class NameField(QLineEdit):
    """``entered``: Enter; ``left``: Escape, which closes no window here."""

    entered = Signal()
    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            return True
        return super().event(event)


class NameRow(QWidget):
    """Hidden until ``ask``; ``left`` when it is hidden again, with or without a name."""

    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._then: Callable[[str], None] | None = None
        self.field = NameField()
        self.field.setMaxLength(LONGEST_NAME)
        self.field.setAccessibleName(_("Name of the prompt"))
        self.field.setPlaceholderText(_("A name for it"))
        self.keep = button(_("Keep"), self._take)
        self.cancel = button(_("Cancel"), self._leave)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.field, 1)
        row.addWidget(self.keep)
        row.addWidget(self.cancel)
        self.field.entered.connect(self._take)
        self.field.left.connect(self._leave)
        self.field.textChanged.connect(lambda text: self.keep.setEnabled(bool(text.strip())))
        self.hide()

    def ask(self, name: str, then: Callable[[str], None]) -> None:
        """Show it with a name to begin with; ``then(name)`` once it is entered."""
        self._then = then
        self.field.setText(name)
        self.keep.setEnabled(bool(name.strip()))
        self.show()
        self.field.selectAll()
        self.field.setFocus()

    def _take(self) -> None:
        name, then = " ".join(self.field.text().split()), self._then
        if name:
            self._leave()
            if then is not None:
                then(name)

    def _leave(self) -> None:
        self._then = None
        self.hide()
        self.left.emit()
