"""The ladder as a table: every way to run the model, what it takes, how fast it is, and why it is as it is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from ...core.rungs import ModelPlan, RungPlan
from ...i18n import N_, _
from ...texts import ladder as ladder_texts
from ...texts.values import range_text
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.labels import label
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from ..widgets.rule import Rule

STATUSES = {"fits": "ok", "too_big": "fail", "unavailable": "unknown"}
HEADS = ("", N_("Way"), N_("Variant"), N_("GPU memory"), N_("RAM"), N_("Tokens/s"), "")
NUMBERS = (3, 4, 5, 6)
"""Columns that are set flush right."""


def step_text(plan: RungPlan) -> str:
    """Seconds for one step on the phone, as a range where estimated."""
    text = range_text(plan.phone_step_s, measured=plan.basis.speed == "measured")
    return text if plan.phone_step_s is None else _("{seconds} s").format(seconds=text)


def cells(plan: RungPlan, model: ModelPlan) -> tuple[str, ...]:
    """The texts of a row after its mark; a rung that cannot be used says only why."""
    name, why = ladder_texts.rung_name(plan), ladder_texts.why_text(plan)
    if plan.status == "unavailable":
        return (name, "", "", "", "", "", why)
    fits = plan.status == "fits"
    return (
        name,
        ladder_texts.variant_text(plan),
        ladder_texts.memory_text(plan, ram=False),
        ladder_texts.memory_text(plan, ram=True),
        ladder_texts.speed_text(plan) if fits else "",
        step_text(plan) if fits and model.wish == "phone" else "",
        why,
    )


def note_text(plan: RungPlan, model: ModelPlan) -> str:
    if plan.rung == model.chosen:
        return _("Starts now")
    if model.recommended is not None and plan.rung == model.recommended.rung:
        return _("Recommended")
    return ""


def legend_text(model: ModelPlan) -> str:
    """What the numbers are."""
    fitting = [plan for plan in model.ladder if plan.status == "fits"]
    said = []
    if any(plan.tokens_per_s is not None and plan.basis.speed == "estimated" for plan in fitting):
        said.append(_("Speeds are estimates from memory bandwidths, not measurements."))
    if any(plan.tokens_per_s is None for plan in fitting):
        said.append(_("– means: not measured here yet."))
    return " ".join(said)


class LadderTable(QWidget):
    """One row per rung, in the order in which they are tried."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP)
        self._grid.setColumnStretch(7, 1)

    def show_model(self, model: ModelPlan) -> None:
        """Show a ladder."""
        clear(self._grid)
        phone = model.wish == "phone"
        for column, head in enumerate((*HEADS[:6], _("Phone step") if phone else "", _("How, or why not"))):
            cell = label(_(head) if head and column < 6 else head, "muted")
            self._place(cell, 0, column)
        row = 1
        for plan in model.ladder:
            self._grid.addWidget(Rule(), row, 0, 1, 8)
            self._row(row + 1, plan, model)
            row += 2

    def _row(self, row: int, plan: RungPlan, model: ModelPlan) -> None:
        mark = Mark(STATUSES[plan.status])
        mark.setToolTip(ladder_texts.status_text(plan))
        mark.setAccessibleName(ladder_texts.status_text(plan))
        self._grid.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
        texts = cells(plan, model)
        role = None if plan.status == "fits" else "muted"
        for column, text in enumerate(texts[:-1], 1):
            self._place(label(text, role), row, column)
        why = label(texts[-1], "muted", wrap=True)
        if plan.status == "unavailable":
            self._grid.addWidget(why, row, 2, 1, 6)
            return
        note = note_text(plan, model)
        if not note:
            self._place(why, row, 7)
            return
        column = QVBoxLayout()
        column.setSpacing(GAP // 2)
        column.addWidget(Pill(note, "accent"))
        column.addWidget(why)
        self._grid.addLayout(column, row, 7)

    def _place(self, cell: QLabel, row: int, column: int) -> None:
        if column in NUMBERS:
            cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        else:
            cell.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(cell, row, column)
