"""A card whose content is folded away until asked for."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from ...i18n import _
from .buttons import button
from .card import Card


class FoldCard(Card):
    """``content`` stands under the heading once its button is pressed."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.title, self._content = title, content
        content.hide()
        self.toggle = button(_("Show"), self._turn)
        self.toggle.setAccessibleName(f"{title}: " + _("Show"))
        self.heading.addWidget(self.toggle)
        self.body.addWidget(content)

    def _turn(self) -> None:
        hidden = self._content.isHidden()
        self._content.setVisible(hidden)
        self.toggle.setText(_("Hide") if hidden else _("Show"))
        self.toggle.setAccessibleName(f"{self.title}: {self.toggle.text()}")
