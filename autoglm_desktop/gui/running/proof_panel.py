"""The proof as a table of facts and a table of memory by device and cause, against the plan."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from ...texts import proof as texts
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.labels import label


class ProofPanel(QWidget):
    """Shows what the engine of a state reported; hidden where none runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(2 * GAP)
        self._facts.setVerticalSpacing(GAP // 2)
        self._facts.setColumnStretch(1, 1)
        self._memory = QGridLayout()
        self._memory.setHorizontalSpacing(2 * GAP)
        self._memory.setVerticalSpacing(GAP // 2)
        self._memory.setColumnStretch(1, 1)
        self._shown: object = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * GAP)
        column.addLayout(self._facts)
        column.addLayout(self._memory)

    def show_state(self, state: SessionState) -> None:
        facts = texts.facts(state)
        rows: tuple[tuple[str, str, str, str], ...] = ()
        if state.proof is not None and state.plan is not None:
            rows = tuple(texts.memory_line(row) for row in texts.memory_rows(state.proof, state.plan))
        self.setVisible(bool(facts))
        if (facts, rows) == self._shown:
            return
        self._shown = facts, rows
        clear(self._facts)
        for number, (name, value) in enumerate(facts):
            self._facts.addWidget(label(name, "muted"), number, 0, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(label(value, wrap=True, selectable=True), number, 1)
        clear(self._memory)
        if not rows:
            return
        for column, text in enumerate(texts.memory_head()):
            self._memory.addWidget(_cell(label(text, "muted"), column), 0, column)
        before = ""
        for number, row in enumerate(rows, 1):
            for column, text in enumerate(row):
                shown = "" if column == 0 and text == before else text
                self._memory.addWidget(_cell(label(shown, selectable=True), column), number, column)
            before = row[0]


def _cell(made: QLabel, column: int) -> QLabel:
    if column >= 2:
        made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return made
