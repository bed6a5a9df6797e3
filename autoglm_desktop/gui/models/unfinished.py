"""Downloads that lie in the models folder, are not complete, and that no entry of the queue is about: begun in a
terminal, or taken from the list."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...core.downloads import DONE, DownloadItem
from ...core.gguf_names import parse
from ...i18n import _
from ...store.transfer.journal import Unfinished
from ...texts.downloads import amount
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from ..widgets.mark import Mark


@dataclass(frozen=True)
class Begun:
    """``target``: ``owner/repo:VARIANT``, as ``pull`` takes it. Bytes of all its files that have begun."""

    target: str
    done_bytes: int
    size: int


def begun(found: Iterable[Unfinished], models: Path, items: Sequence[DownloadItem]) -> tuple[Begun, ...]:
    """What no entry of the queue is about. A vision part counts with the model it came with."""
    open_items = [item for item in items if item.state != DONE]
    taken = {item.folder / name for item in open_items if item.folder is not None for name in item.files}
    targets = {item.request.target.casefold() for item in open_items}
    sums: dict[str, list[int]] = {}
    for one in sorted(found, key=lambda one: parse(one.target.name).projector):
        target = _target(one.target, models, sums)
        if target is None or one.target in taken or target.casefold() in targets:
            continue
        total = sums.setdefault(target, [0, 0])
        total[0] += one.done_bytes
        total[1] += one.size
    return tuple(Begun(target, *total) for target, total in sorted(sums.items()))


def _target(path: Path, models: Path, known: Iterable[str]) -> str | None:
    """None where it is not in a repository's folder."""
    parts = path.relative_to(models).parts if path.is_relative_to(models) else ()
    if len(parts) < 3:
        return None
    repo, name = "/".join(parts[:2]), parse("/".join(parts[2:]))
    if name.projector:
        return next((target for target in known if target.startswith(f"{repo}:")), repo)
    if path.suffix.lower() != ".gguf":
        return f"{repo}:safetensors"
    return f"{repo}:{name.type}" if name.type is not None else repo


class UnfinishedList(QWidget):
    """``go_on_wanted(target)`` and ``delete_wanted(target)``; hidden while empty."""

    go_on_wanted = Signal(str)
    delete_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shown: tuple[Begun, ...] = ()
        self.buttons: list[QPushButton] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GAP + GAP // 2)
        self.hide()

    def show_begun(self, found: tuple[Begun, ...]) -> bool:
        """Whether anything had to be shown anew."""
        if found == self.shown:
            return False
        self.shown, self.buttons = found, []
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for one in found:
            self._column.addWidget(self._row(one))
        self.setVisible(bool(found))
        return True

    def _row(self, one: Begun) -> QWidget:
        card = Card()
        delete = button(_("Delete …"), functools.partial(self.delete_wanted.emit, one.target))
        go_on = button(_("Continue"), functools.partial(self.go_on_wanted.emit, one.target))
        for made in (delete, go_on):
            made.setAccessibleName(f"{made.text()}: {one.target}")
        self.buttons += [delete, go_on]
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addWidget(ElidedLabel(one.target, "subtitle"))
        text = _("The download is not complete: {amount}.").format(amount=amount(one.done_bytes, one.size))
        lines.addWidget(label(text, "muted", wrap=True))
        row = QHBoxLayout()
        row.setSpacing(GAP + GAP // 2)
        row.addWidget(Mark("warn", 3 * GAP), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(lines, 1)
        for made in (delete, go_on):
            row.addWidget(made, 0, Qt.AlignmentFlag.AlignTop)
        card.body.addLayout(row)
        return card
