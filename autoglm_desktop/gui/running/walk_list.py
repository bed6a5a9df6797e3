"""The walk down a ladder: a row for each try. Rows stay while what they say changes."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from ...i18n import N_, _
from ...texts.walk import AHEAD, FAILED, TRYING, WORKS, Line
from ..theme import GAP
from ..widgets.labels import label, set_role
from ..widgets.mark import Mark

MARKS = {WORKS: "ok", FAILED: "fail", TRYING: "busy", AHEAD: "unknown"}
NAMES = {
    WORKS: N_("works"),
    FAILED: N_("did not work"),
    TRYING: N_("is being tried"),
    AHEAD: N_("would be tried next"),
}
ROLES = {FAILED: "error", WORKS: "good"}


class WalkList(QWidget):
    """Shows lines of ``texts.walk``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[WalkRow] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GAP)

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        """Show these; rows that are there are filled anew."""
        while len(self.rows) > len(lines):
            row = self.rows.pop()
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        while len(self.rows) < len(lines):
            row = WalkRow()
            self.rows.append(row)
            self._column.addWidget(row)
        for row, line in zip(self.rows, lines, strict=True):
            row.show_line(line)
        self.setVisible(bool(lines))


class WalkArea(QScrollArea):
    """A WalkList that is as high as its rows, up to a limit; then it scrolls, and shows the newest."""

    def __init__(self, most: int = 216, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._most = most
        self.list = WalkList()
        self.setWidget(self.list)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.verticalScrollBar().rangeChanged.connect(
            lambda _low, high: self.verticalScrollBar().setValue(high)
        )
        self.hide()

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        self.list.show_lines(lines)
        self.setVisible(bool(lines))
        self._fit()

    def sizeHint(self) -> QSize:
        return QSize(320, self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(160, min(self._height(), self._most // 2))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _height(self) -> int:
        layout = self.list.layout()
        if layout is None or not self.list.rows:
            return 0
        width = max(self.viewport().width(), 160)
        wraps = layout.hasHeightForWidth()
        return min(
            layout.totalHeightForWidth(width) if wraps else layout.totalSizeHint().height(), self._most
        )

    def _fit(self) -> None:
        self.setFixedHeight(self._height())


class WalkRow(QWidget):
    """One try: its mark, its rung, its numbers and how it went."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line: Line | None = None
        self.mark = Mark("busy", 18)
        self.title = label("", wrap=True, selectable=True)
        self.numbers = label("", "muted", wrap=True, selectable=True)
        self.said = label("", "muted", wrap=True, selectable=True)
        column = QVBoxLayout()
        column.setSpacing(1)
        for part in (self.title, self.numbers, self.said):
            column.addWidget(part)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(column, 1)

    def show_line(self, line: Line) -> None:
        if line == self.line:
            return
        self.line = line
        self.mark.show_status(MARKS[line.state], _(NAMES[line.state]))
        set_role(self.title, "muted" if line.state == AHEAD else "")
        set_role(self.said, ROLES.get(line.state, "muted"))
        for part, text in ((self.title, line.title), (self.numbers, line.numbers), (self.said, line.said)):
            part.setText(text)
            part.setVisible(bool(text))
