"""The fields for how tokens are chosen: each with the model's default and whether it is changed."""

from __future__ import annotations

import dataclasses
import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from ...core.conversation import RANGES, ConversationSettings
from ...core.protocol import Sampling
from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, set_role, tip
from . import sampling_values as values
from .sampling_values import Number, WrongNumber

FIELD = 132


class NumberField(QLineEdit):
    """``stepped(by)``: the arrow keys."""

    stepped = Signal(int)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1, Qt.Key.Key_PageUp: 10, Qt.Key.Key_PageDown: -10}
        by = steps.get(Qt.Key(event.key()))
        if by is not None and event.modifiers() in (_NONE, Qt.KeyboardModifier.KeypadModifier):
            self.stepped.emit(by)
        else:
            super().keyPressEvent(event)


_NONE = Qt.KeyboardModifier.NoModifier


class Row:
    """One number: name, field, what the model has, a sentence about what is wrong."""

    def __init__(self, name: str) -> None:
        said, why = _(values.NAMES[name]), _(values.EXPLAINED[name])
        self.name = name
        self.value: Number | None = None
        self.default: Number | None = None
        self.label = label(said)
        self.field = NumberField()
        self.field.setFixedWidth(FIELD)
        self.field.setAccessibleName(said)
        self.state = label("", "muted")
        self.reset = button(_("Reset"), kind="link")
        self.reset.setAccessibleName(_("Reset: {name}").format(name=said))
        self.wrong = label("", "error", wrap=True)
        self.wrong.hide()
        self.label.setBuddy(self.field)
        for part in (self.label, self.field):
            part.setToolTip(tip(why))
        self.explained = why

    def show_value(self, value: Number | None, defaults: Sampling) -> None:
        """Another value from outside; the text stays where it says the same, as it may be half typed."""
        if value != self.value or self.wrong.isVisibleTo(self.wrong.parentWidget() or self.wrong):
            self.value = value
            self.field.setText("" if value is None else values.number_text(value))
        self.show_default(defaults)

    def show_default(self, defaults: Sampling) -> None:
        self.default = getattr(defaults, self.name)
        self.field.setPlaceholderText(values.default_text(self.name, defaults))
        changed = self.value is not None
        text = _("changed; default: {value}") if changed else _("default: {value}")
        said = text.format(value=values.default_text(self.name, defaults))
        self.state.setText(said)
        set_role(self.state, "plain" if changed else "muted")
        self.reset.setVisible(changed or bool(self.field.text().strip()))
        problem = self.wrong.text()
        self.field.setAccessibleDescription(". ".join(filter(None, (problem, said, self.explained))))

    def read(self) -> None:
        """Take what is typed, or say why it can't be used."""
        try:
            self.value = values.parse(self.name, self.field.text())
        except WrongNumber:
            self.wrong.setText(
                values.wrong_text(self.name, self.default if self.value is None else self.value)
            )
            self.wrong.show()
        else:
            self.wrong.setText("")
            self.wrong.hide()


class SamplingForm(QWidget):
    """``edited`` with every change of a field, whether it can be used or not."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._defaults = Sampling()
        self.rows = {name: Row(name) for name in values.NAMES}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GAP + GAP // 2)
        grid.setVerticalSpacing(GAP // 2)
        grid.setColumnStretch(2, 1)
        for place, row in enumerate(self.rows.values()):
            grid.addWidget(row.label, 2 * place, 0)
            grid.addWidget(row.field, 2 * place, 1)
            end = QHBoxLayout()
            end.setSpacing(GAP)
            end.addWidget(row.state)
            end.addWidget(row.reset)
            end.addStretch(1)
            grid.addLayout(end, 2 * place, 2)
            grid.addWidget(row.wrong, 2 * place + 1, 0, 1, 3)
            row.field.textEdited.connect(functools.partial(self._typed, row))
            row.field.stepped.connect(functools.partial(self._step, row))
            row.reset.clicked.connect(functools.partial(self._reset, row))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(grid)

    def show_settings(self, settings: ConversationSettings, defaults: Sampling) -> None:
        """Other values from outside."""
        self._defaults = defaults
        for name, row in self.rows.items():
            row.show_value(getattr(settings, name), defaults)
            row.read()

    def apply_to(self, settings: ConversationSettings) -> ConversationSettings:
        """The settings with the numbers of this form; a wrong one counts as what it was."""
        return dataclasses.replace(settings, **{name: self.rows[name].value for name in RANGES})  # type: ignore[arg-type]

    @property
    def changed(self) -> bool:
        """Whether anything is not as the model has it."""
        return any(row.value is not None or row.field.text() for row in self.rows.values())

    def _typed(self, row: Row, _text: str = "") -> None:
        row.read()
        row.show_default(self._defaults)
        self.edited.emit()

    def _step(self, row: Row, by: int) -> None:
        start = row.value if row.value is not None else row.default
        row.field.setText(values.number_text(values.stepped(row.name, start, by)))
        self._typed(row)

    def _reset(self, row: Row, _checked: bool = False) -> None:
        row.field.clear()
        row.field.setFocus()
        self._typed(row)
