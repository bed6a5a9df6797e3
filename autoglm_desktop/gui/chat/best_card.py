"""Under the demo's first line: the best real model for this machine, and the way to it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...core.units import format_bytes
from ...i18n import N_, _
from ...usecases.demo import BestHere, Look
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label, set_role
from ..widgets.rows import row_of

VERDICTS = {
    "runs_well": N_("runs well"),
    "runs": N_("runs"),
    "slow": N_("fits, but runs slowly"),
    None: N_("fits, speed not known yet"),
}


def best_text(best: BestHere) -> str:
    """``AutoGLM-Phone-9B · Q4_K_M · 5.7 GiB · runs well``; the words of a part stay on one line."""
    size = format_bytes(best.download_bytes) if best.download_bytes else ""
    parts = (best.title, best.variant, size, _(VERDICTS[best.verdict]))
    return " · ".join(part.replace(" ", "\u00a0") for part in parts if part)


class BestCard(Card):
    """``model_wanted(id)`` of the catalogue, ``models_wanted`` (any), ``remote_wanted``, ``check_wanted`` by its
    buttons."""

    model_wanted = Signal(str)
    models_wanted = Signal()
    remote_wanted = Signal()
    check_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, padding=GAP + GAP // 2)
        self._model = ""
        self.head = label("", "muted", wrap=True)
        self.text = label("", "subtitle", wrap=True)
        self.show_button = button(_("Show it"), lambda: self.model_wanted.emit(self._model))
        self.choose = button(_("Choose a model"), self.models_wanted.emit, "primary")
        self.remote = button(_("Use a remote server"), self.remote_wanted.emit)
        self.check = button(_("See the check"), self.check_wanted.emit)
        lines = QVBoxLayout()
        lines.setSpacing(GAP // 2)
        lines.addWidget(self.head)
        lines.addWidget(self.text)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addLayout(lines, 1)
        for made in (self.show_button, self.choose):
            row.addWidget(made, 0, Qt.AlignmentFlag.AlignVCenter)
        self.body.addLayout(row)
        self._instead = row_of(self.remote, self.check, None)
        self.body.addWidget(self._instead)
        self.show_best(None, checked=False, look=None)

    @property
    def reached(self) -> list[QWidget]:
        """What Tab goes through."""
        return [self.show_button, self.choose, self.remote, self.check]

    def show_best(self, best: BestHere | None, *, checked: bool, look: Look | None) -> None:
        """``checked``: the system check is done; without ``best`` nothing fits then. ``look``: whether models are
        installed."""
        installed = look is not None and not look.alone
        self._model = best.model if best is not None else ""
        if installed:
            self._say("", _("A model is installed on this PC. It can answer instead of the demo."))
        elif best is not None:
            head = _("On this PC already") if best.installed else _("The best real model for this PC")
            self._say(head, best_text(best))
        elif checked:
            self._say(
                "",
                _(
                    "No model of the catalogue is known to fit this PC. A server on another machine can answer instead."
                ),
            )
        else:
            self._say("", _("Which real model is best for this PC is known when the system check is done."))
        self.choose.setVisible(installed)
        self.show_button.setVisible(best is not None and not installed)
        self._instead.setVisible(checked and best is None and not installed)

    def _say(self, head: str, text: str) -> None:
        self.head.setText(head)
        self.head.setVisible(bool(head))
        self.text.setText(text)
        set_role(self.text, "subtitle" if head else "muted")
