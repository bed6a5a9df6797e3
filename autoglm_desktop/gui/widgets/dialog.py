"""A question with a sentence or two, a room for more, and at most two answers. Nothing waits for it: it signals."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ..theme import GAP
from .buttons import button
from .labels import label

WIDTH = 500


class Ask(QDialog):
    """``accepted`` by the button with what is to be done, ``rejected`` by Cancel and Escape.

    ``kind`` of the doing button: primary or danger (then Cancel has the focus). ``body`` takes more content.
    """

    def __init__(
        self, title: str, text: str, do: str, kind: str = "primary", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = label(text, wrap=True)
        self.do_button = button(do, self.accept, kind)
        self.cancel_button = button(_("Cancel"), self.reject)
        self.body = QVBoxLayout()
        self.body.setSpacing(GAP)
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addStretch(1)
        foot.addWidget(self.cancel_button)
        foot.addWidget(self.do_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        column.setSpacing(2 * GAP)
        column.addWidget(label(title, "subtitle", wrap=True))
        column.addWidget(self.text)
        column.addLayout(self.body)
        column.addLayout(foot)
        self.setMinimumWidth(WIDTH)
        first = self.cancel_button if kind == "danger" else self.do_button
        first.setDefault(True)
        first.setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        layout = self.layout()
        if layout is not None:
            self.resize(WIDTH, layout.totalHeightForWidth(WIDTH))
