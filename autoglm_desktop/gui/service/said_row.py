"""A sentence with its mark and, where there is one, a button for what can be done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, set_role
from ..widgets.mark import Mark
from .words import Said

ROLES = {"fail": "error", "warn": "warn"}


class SaidRow(QWidget):
    """``wanted(act)`` by its button. Hidden where there is nothing to say."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._said: Said | None = None
        self.mark = Mark()
        self.text = label(wrap=True, selectable=True)
        self.button = button("", self._press)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        self.hide()

    def show_said(self, said: Said | None) -> None:
        self.setVisible(said is not None)
        if said is None or said == self._said:
            return
        self._said = said
        self.mark.set_status(said.status)
        self.text.setText(said.text)
        set_role(self.text, ROLES.get(said.status, ""))
        self.button.setVisible(bool(said.act))
        self.button.setText(said.act_text)

    def _press(self) -> None:
        if self._said is not None and self._said.act:
            self.wanted.emit(self._said.act)
