"""The ladder as a table: every way to run the model, what it takes, how fast it is, and why it is as it is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...core.rungs import ModelPlan, RungPlan
from ...i18n import N_, _, sentences
from ...texts import ladder as ladder_texts
from ...texts.values import listed, range_text
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.labels import label
from ..widgets.mark import Mark
from ..widgets.pill import Pill
from ..widgets.rule import Rule
from .plan_details import has_details
from .plan_panel import PlanPanel

STATUSES = {"fits": "ok", "too_big": "fail", "unavailable": "unknown"}
HEADS = (
    "",
    N_("Way"),
    N_("Variant"),
    N_("GPU memory"),
    N_("RAM"),
    N_("Tokens/s"),
    N_("Phone step"),
    N_("How, or why not"),
)
HARD_SPACE = "\u00a0"
NUMBERS = (3, 4, 5, 6)
"""Columns that are set flush right."""


def step_text(plan: RungPlan) -> str:
    """Seconds for one step on the phone, as a range where estimated."""
    text = range_text(plan.phone_step_s, measured=plan.basis.speed == "measured")
    return text if plan.phone_step_s is None else _("{seconds} s").format(seconds=text)


def cells(plan: RungPlan, model: ModelPlan) -> tuple[str, ...]:
    """The texts of a row after its mark."""
    fits = plan.status == "fits"
    return (
        ladder_texts.rung_name(plan),
        ladder_texts.variant_text(plan),
        ladder_texts.memory_text(plan, ram=False),
        ladder_texts.memory_text(plan, ram=True),
        ladder_texts.speed_text(plan) if fits else "",
        step_text(plan) if fits and model.wish == "phone" else "",
        how_text(plan),
    )


def how_text(plan: RungPlan) -> str:
    """How it would be laid out, with the screenshot that the step's time is for; or why not."""
    why = ladder_texts.why_text(plan)
    step = plan.phone_step
    if plan.status != "fits" or step is None or not step.image_tokens:
        return why
    picture = _("screenshot of {tokens} tokens").format(tokens=f"{step.image_tokens:,}")
    return listed([why, picture] if why else [picture])


def impossible(model: ModelPlan) -> list[tuple[str, str]]:
    """The rungs that this machine rules out, grouped by why: their names and the reason."""
    groups: dict[str, list[str]] = {}
    for plan in model.ladder:
        if plan.status == "unavailable":
            name = ladder_texts.rung_name(plan).replace(" ", HARD_SPACE)
            groups.setdefault(ladder_texts.why_text(plan), []).append(name)
    return [(f"{HARD_SPACE}· ".join(names), why) for why, names in groups.items()]


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
        said.append(_("Speeds given as a range are estimates from memory bandwidths, not measurements."))
    if any(plan.tokens_per_s is not None and plan.basis.speed == "measured" for plan in fitting):
        said.append(_("Single numbers come from measurements on this machine."))
    phone = model.wish == "phone"
    if any(plan.tokens_per_s is None or (phone and plan.phone_step_s is None) for plan in fitting):
        said.append(_("A speed or time of – has not been measured here yet."))
    return sentences(*said)


class LadderTable(QWidget):
    """One row per rung in the order in which they are tried, those that are impossible here last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP + GAP // 2)
        self._grid.setVerticalSpacing(GAP)
        self._grid.setColumnStretch(7, 1)
        self._open: set[str] = set()
        self.detail_buttons: dict[str, QPushButton] = {}
        self.panels: dict[str, PlanPanel] = {}

    def show_model(self, model: ModelPlan) -> None:
        """Show a ladder."""
        self._empty()
        phone = model.wish == "phone"
        heads = [_(head) if head else "" for head in HEADS]
        heads[6] = heads[6] if phone else ""
        if any(plan.status != "unavailable" for plan in model.ladder):
            for column, head in enumerate(heads):
                narrow = head.replace(" ", "\n") if column in NUMBERS else head
                self._place(label(narrow, "muted"), 0, column)
        row = 1
        for plan in model.ladder:
            if plan.status != "unavailable":
                self._grid.addWidget(Rule(), row, 0, 1, 8)
                self._row(row + 1, plan, model)
                self._details(row + 2, plan)
                row += 3
        for names, why in impossible(model):
            self._grid.addWidget(Rule(), row, 0, 1, 8)
            self._impossible(row + 1, names, why)
            row += 2

    def _row(self, row: int, plan: RungPlan, model: ModelPlan) -> None:
        mark = Mark(STATUSES[plan.status], name=ladder_texts.status_text(plan))
        self._grid.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
        texts = cells(plan, model)
        role = None if plan.status == "fits" else "muted"
        self._grid.addWidget(self._way(plan, label(texts[0], role)), row, 1)
        for column, text in enumerate(texts[1:-1], 2):
            self._place(label(text, role), row, column)
        why = label(texts[-1], "muted", wrap=True)
        note = note_text(plan, model)
        if not note:
            self._place(why, row, 7)
            return
        holder = QWidget()  # not a layout alone: what is in one would outlive the next check
        lines = QVBoxLayout(holder)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(GAP // 2)
        lines.addWidget(Pill(note, "accent"))
        lines.addWidget(why)
        self._grid.addWidget(holder, row, 7)

    def _way(self, plan: RungPlan, name: QLabel) -> QWidget:
        """The way's name above the button that unfolds its details."""
        holder = QWidget()
        lines = QVBoxLayout(holder)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(2)
        lines.addWidget(name)
        if has_details(plan):
            shown = button("", lambda: self._turn(plan.rung), "link")
            self.detail_buttons[plan.rung] = shown
            lines.addWidget(shown, 0, Qt.AlignmentFlag.AlignLeft)
        lines.addStretch(1)
        return holder

    def _details(self, row: int, plan: RungPlan) -> None:
        """Folded away, but where it was open before a new check."""
        if has_details(plan):
            panel = PlanPanel(plan)
            self.panels[plan.rung] = panel
            self._grid.addWidget(panel, row, 1, 1, 7)
            self._show_panel(plan.rung)

    def _turn(self, rung: str) -> None:
        self._open ^= {rung}
        self._show_panel(rung)

    def _show_panel(self, rung: str) -> None:
        is_open = rung in self._open
        self.panels[rung].setVisible(is_open)
        self.detail_buttons[rung].setText(_("Hide details") if is_open else _("Details"))

    def _empty(self) -> None:
        clear(self._grid)
        self.detail_buttons.clear()
        self.panels.clear()

    def _impossible(self, row: int, names: str, why: str) -> None:
        self._grid.addWidget(Mark("unknown"), row, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(label(names, "muted", wrap=True), row, 1, 1, 6)
        self._place(label(why, "muted", wrap=True), row, 7)

    def _place(self, cell: QLabel, row: int, column: int) -> None:
        if column in NUMBERS:
            cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        else:
            cell.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(cell, row, column)
