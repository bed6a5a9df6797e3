"""A variant in a table: its name, which unfolds it, and below it how it would run here and what that is based on."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...i18n import _, sentences
from ...texts import errors
from ...texts import outlook as outlook_texts
from ...usecases.model_list import VariantEntry
from ..theme import GAP
from ..widgets.labels import label, set_role
from ..widgets.opener import PLACE, Opener
from ..widgets.pill import Pill


class VariantName(QWidget):
    """``opener`` is the name; below it a pill where the variant is recommended here."""

    def __init__(self, name: str, recommended: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.opener = Opener(name)
        self.pill = Pill(_("Recommended"), "accent")
        below = QHBoxLayout()
        below.setContentsMargins(int(2 * PLACE), 0, 0, 0)
        below.addWidget(self.pill)
        below.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.opener)
        column.addLayout(below)
        self.pill.setVisible(recommended)


class VariantDetail(QWidget):
    """``turned(opened)`` when its name was clicked. Hidden until then."""

    turned = Signal(bool)

    def __init__(self, entry: VariantEntry, name: VariantName, more: str = "") -> None:
        super().__init__()
        self.entry, self._name = entry, name
        self.headline = label(wrap=True, selectable=True)
        self.takes = label(role="muted", wrap=True)
        self.more = label(more, role="muted", wrap=True)
        self.note = label(role="muted", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GAP, 0, 0, GAP)
        column.setSpacing(2)
        for widget in (self.headline, self.takes, self.more, self.note):
            column.addWidget(widget)
        self.more.setVisible(bool(more))
        name.opener.clicked.connect(lambda: self.turned.emit(not name.opener.opened))
        self.show_entry(entry)
        self.show_opened(False)

    def show_entry(self, entry: VariantEntry) -> None:
        """Another plan of the same variant."""
        self.entry = entry
        self.headline.setText(_headline(entry))
        takes = outlook_texts.takes(entry.plan)
        self.takes.setText(takes)
        self.takes.setVisible(bool(takes))

    def show_opened(self, opened: bool, *, reading: bool = False, problem: AppError | None = None) -> None:
        """``reading``: its header is on its way; ``problem``: why that could not be had."""
        self._name.opener.set_opened(opened)
        self.setVisible(opened)
        if problem is not None:
            text, role = sentences(errors.text(problem), outlook_texts.based_on(self.entry.plan)), "warn"
        elif reading:
            text, role = _("Reading the file's header …"), "muted"
        else:
            text, role = outlook_texts.based_on(self.entry.plan), "muted"
        self.note.setText(text)
        self.note.setVisible(bool(text))
        set_role(self.note, role)


def _headline(entry: VariantEntry) -> str:
    if not entry.judged:
        return _("How it would run here is known when the system check is done.")
    return outlook_texts.headline(entry.headline)
