"""What stands in the place of an empty conversation."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...i18n import _
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label


class EmptyState(QWidget):
    """``models_wanted``; ``suggested(text)`` when an example is clicked."""

    models_wanted = Signal()
    suggested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = label("", "title", wrap=True)
        self.text = label("", "muted", wrap=True)
        self.choose = button(_("Choose a model"), self.models_wanted.emit, "primary")
        inner = QWidget()
        inner.setMaximumWidth(520)
        column = QVBoxLayout(inner)
        column.setContentsMargins(2 * GAP, 2 * GAP, 2 * GAP, 2 * GAP)
        column.setSpacing(GAP + GAP // 2)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addWidget(self.choose, 0, Qt.AlignmentFlag.AlignLeft)
        self.examples = [button(text, functools.partial(self.suggested.emit, text)) for text in examples()]
        for example in self.examples:
            column.addWidget(example, 0, Qt.AlignmentFlag.AlignLeft)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(inner, 1000)
        row.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GAP, 0, 2 * GAP, 0)
        outer.addStretch(2)
        outer.addLayout(row)
        outer.addStretch(3)
        self.set_model(None)

    def set_model(self, name: str | None) -> None:
        """The model that would answer."""
        if name is None:
            self.title.setText(_("No model is loaded"))
            self.text.setText(
                _("Choose one on the Models tab: a model of the catalogue, or a GGUF file of your own.")
            )
        else:
            self.title.setText(_("What would you like to know?"))
            self.text.setText(
                _("{model} answers on this machine. Nothing that you write leaves it.").format(model=name)
            )
        self.choose.setVisible(name is None)
        for example in self.examples:
            example.setVisible(name is not None)


def examples() -> tuple[str, ...]:
    return (
        _("Explain in two sentences what quantising a model means."),
        _("Write a polite reply that moves a meeting to Friday."),
        _("Make a table of three ways to save phone battery."),
    )
