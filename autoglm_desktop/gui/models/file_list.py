"""The files of a download, a line each: name, how much of it is there, in words."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QGridLayout, QWidget

from ...core.downloads import FileProgress
from ...i18n import ngettext
from ..theme import GAP
from ..widgets.labels import ElidedLabel, label
from ..widgets.live import LiveBar, LiveText
from . import download_texts as texts

MOST = 40
"""Rows; a repository may hold thousands of small files."""
STATE_WIDTH = 17 * GAP


class FileList(QWidget):
    """``show_files`` updates in place where the files are the same."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self.rows: list[tuple[LiveBar, LiveText]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, GAP // 2, 0, 0)
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 2)

    def show_files(self, files: Sequence[FileProgress]) -> None:
        shown = files[:MOST]
        names = [file.path for file in shown]
        if names != self._names:
            self._build(names, len(files) - len(shown))
        for file, (bar, text) in zip(shown, self.rows, strict=True):
            bar.set_fraction(_fraction(file), "good" if file.phase == "done" else "accent")
            text.set_text(texts.file_state(file))

    def _build(self, names: list[str], more: int) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._names, self.rows = names, []
        for row, name in enumerate(names):
            bar, text = LiveBar(GAP - 2), LiveText(right=True, least=STATE_WIDTH)
            bar.setToolTip(name)
            self._grid.addWidget(ElidedLabel(name), row, 0)
            self._grid.addWidget(bar, row, 1)
            self._grid.addWidget(text, row, 2)
            self.rows.append((bar, text))
        if more > 0:
            rest = ngettext("and {count} more file", "and {count} more files", more).format(count=f"{more:,}")
            self._grid.addWidget(label(rest, "muted"), len(names), 0, 1, 3)


def _fraction(file: FileProgress) -> float | None:
    if file.phase == "done":
        return 1.0
    return file.done_bytes / file.size if file.size and file.done_bytes else None
