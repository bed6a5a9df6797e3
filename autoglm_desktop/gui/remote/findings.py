"""What a test of a server has found: a verdict, and a row for each question."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...core.remote_check import FINE, QUESTIONS, TROUBLE, Finding, kind_of, verdict
from ...i18n import _
from ...texts import errors
from ...texts.remote import finding_text, question_text, verdict_text
from ..theme import GAP
from ..widgets.labels import label, set_role
from ..widgets.mark import Mark

MARK, NAMES = 18, 96


class Findings(QWidget):
    """Rows are hidden until a test begins. ``state``: empty, testing, or a verdict of ``core.remote_check``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = "empty"
        self.found: list[Finding] = []
        self.head = label(wrap=True)
        self._rows = QWidget()
        self.marks = {question: Mark(size=MARK) for question in QUESTIONS}
        self.texts = {question: label(wrap=True, selectable=True) for question in QUESTIONS}
        grid = QGridLayout(self._rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(GAP - 2)
        grid.setColumnStretch(2, 1)
        for row, question in enumerate(QUESTIONS):
            name = label(question_text(question), "muted", wrap=True)
            name.setFixedWidth(NAMES)
            top = Qt.AlignmentFlag.AlignTop
            grid.addWidget(self.marks[question], row, 0, top)
            grid.addWidget(name, row, 1, top)
            grid.addWidget(self.texts[question], row, 2, top)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.head)
        column.addWidget(self._rows)
        self.clear()

    def clear(self) -> None:
        """Nothing was tried."""
        self._show(
            "empty",
            _("A test asks the model two short questions. Where answers cost money, these do too."),
            "muted",
        )
        self._rows.hide()

    def begin(self) -> None:
        self.found = []
        self._show("testing", _("Testing…"), "muted")
        for question in QUESTIONS:
            self.marks[question].set_status("busy")
            self.texts[question].setText("…")
            set_role(self.texts[question], "muted")
        self._rows.show()

    def add(self, finding: Finding) -> None:
        self.found.append(finding)
        self.marks[finding.question].set_status(finding.status)
        text = self.texts[finding.question]
        text.setText(finding_text(finding))
        set_role(text, "muted" if finding.status == "unknown" else "")

    def end(self) -> None:
        """All that could be found is there."""
        found = verdict(tuple(self.found))
        missing = found == FINE and any(one.code == "model_not_chosen" for one in self.found)
        if missing:
            self._show(TROUBLE, _("The server answers. Choose one of its models, then test again."), "warn")
        else:
            self._show(found, verdict_text(found), "good" if found == FINE else "error")

    def refuse(self, error: AppError) -> None:
        """What was entered can't be tried at all."""
        self._rows.hide()
        self._show(kind_of(error), errors.text(error), "error")

    def _show(self, state: str, text: str, role: str) -> None:
        self.state = state
        self.head.setText(text)
        set_role(self.head, role)
