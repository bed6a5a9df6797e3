"""The conclusion, in large: which model, whether it runs, as what, and what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...core.rungs import ModelPlan
from ...core.units import format_bytes
from ...i18n import _
from ...texts import errors, reasons
from ...texts import ladder as ladder_texts
from ...usecases.check import CheckResult, Planned
from ..theme import GAP
from ..widgets.buttons import Choice, button
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.mark import Mark

STATUSES = {"runs_well": "ok", "runs": "ok", "slow": "warn", "cannot": "fail"}


def title_text(model: ModelPlan, subject: Planned) -> str:
    """``AutoGLM-Phone-9B: runs well``"""
    return _("{model}: {verdict}").format(model=subject.title, verdict=ladder_texts.verdict_text(model))


def others_text(result: CheckResult) -> str:
    """The models after the first, in a line each."""
    first, lines = result.models[0], []
    for model, subject in list(zip(result.models, result.subjects, strict=True))[1:]:
        same = (model.wish, model.verdict, model.headline) == (first.wish, first.verdict, first.headline)
        if same:
            lines.append(_("The same holds for {model}.").format(model=subject.title))
        else:
            lines.append(
                _("{model}: {reason}").format(model=subject.title, reason=reasons.text(model.headline))
            )
    return "\n".join(lines)


def next_text(model: ModelPlan) -> str:
    """What to do now."""
    if model.recommended is None:
        if model.wish == "phone":
            return _("Below is what stands in the way. Chatting in text needs less than driving a phone.")
        return _("Below is what stands in the way. A smaller GGUF model may still run here.")
    if model.chosen is not None:
        return _("It is on this machine and ready to be loaded.")
    if model.recommended.download_bytes:
        return _("To get: {variant}, {size}. The Models page tells where.").format(
            variant=model.recommended.variant, size=format_bytes(model.recommended.download_bytes)
        )
    return _("The file is on this machine; the engine is still missing.")


class VerdictCard(Card):
    """``wish_picked(wish)`` when the user wants to know it for the other use; ``models_wanted`` by its button."""

    wish_picked = Signal(str)
    models_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, padding=2 * GAP + GAP // 2)
        self._mark = Mark(size=5 * GAP)
        self.title = label(role="title", wrap=True)
        self.headline = label(wrap=True, selectable=True)
        self.others = label(role="muted", wrap=True)
        self.next = label(wrap=True)
        self.models_button = button(_("Go to Models"), self.models_wanted.emit, "primary")
        self.wish = Choice([("phone", _("To drive a phone")), ("text", _("To chat in text"))])
        self.wish.picked.connect(self.wish_picked)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        for widget in (self.title, self.headline, self.others, self.next):
            lines.addWidget(widget)
        top = QHBoxLayout()
        top.setSpacing(2 * GAP)
        top.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(lines, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addWidget(self.wish)
        foot.addStretch(1)
        foot.addWidget(self.models_button)
        self.body.addLayout(top)
        self.body.addSpacing(GAP // 2)
        self.body.addLayout(foot)
        self.show_checking()

    def show_checking(self) -> None:
        """Nothing is known yet."""
        self._show(
            "busy", _("Looking at this machine …"), _("In a moment it is clear what runs here, and how fast.")
        )

    def show_error(self, error: AppError) -> None:
        """The check could not be done."""
        self._show("fail", _("The check could not be done"), errors.text(error))

    def show_result(self, result: CheckResult) -> None:
        """The conclusion on the first model, and what holds for the others."""
        if not result.models:
            self._show("unknown", _("There is no model to judge"), _("The catalogue of models is empty."))
            return
        model = result.models[0]
        self._show(
            STATUSES[model.verdict], title_text(model, result.subjects[0]), reasons.text(model.headline)
        )
        self._say(others_text(result), next_text(model), buttons=True)
        self.wish.set_value(model.wish)

    def _show(self, status: str, title: str, text: str) -> None:
        self._mark.set_status(status)
        self.title.setText(title)
        self.headline.setText(text)
        self._say("", "", buttons=False)

    def _say(self, others: str, following: str, *, buttons: bool) -> None:
        self.others.setText(others)
        self.others.setVisible(bool(others))
        self.next.setText(following)
        self.next.setVisible(bool(following))
        for widget in (self.wish, self.models_button):
            widget.setVisible(buttons)
