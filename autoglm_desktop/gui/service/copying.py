"""A button that copies a text and says so for a moment."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QWidget

from ...i18n import _

SAID_MS = 2000


class CopyButton(QPushButton):
    """``text`` is asked for when it is pressed; ``name``: what is copied, for those who hear it."""

    def __init__(self, text: Callable[[], str], name: str, parent: QWidget | None = None) -> None:
        super().__init__(_("Copy"), parent)
        self._text = text
        self.setProperty("kind", "plain")
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.clicked.connect(self.copy)

    def copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text())
        self.setText(_("Copied"))
        QTimer.singleShot(SAID_MS, self, lambda: self.setText(_("Copy")))
