"""Commands to copy, for the address and the key that hold now."""

from __future__ import annotations

import os

from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from ...i18n import _, language
from ...usecases import prompts
from ..theme import GAP
from ..widgets.buttons import Choice
from ..widgets.card import Card
from ..widgets.labels import label
from ..widgets.rows import in_row
from . import snippets, words
from .copying import CopyButton
from .model import ServiceModel


def said(kind: str, windows: bool = os.name == "nt") -> str:
    """Where an example is typed."""
    if kind == snippets.PYTHON:
        return _("With the package openai (pip install openai):")
    if kind == snippets.CURL:
        return _("In the Command Prompt (cmd):") if windows else _("In a terminal:")
    if windows:
        return _(
            "In the Command Prompt (cmd), in a checkout of Open-AutoGLM, with the phone connected by adb:"
        )
    return _("In a checkout of Open-AutoGLM, with the phone connected by adb:")


class SnippetsCard(Card):
    """Its button copies with the key, also while that is hidden."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("How programs use it"), parent)
        self._url, self._key, self._shows = "", "", False
        self.kind = Choice([(kind, _(name)) for kind, name in snippets.NAMES.items()])
        self.kind.setAccessibleName(_("Program"))
        self.kind.set_value(snippets.AGENT)
        self.kind.picked.connect(lambda _kind: self._show())
        self.said = label("", "muted", wrap=True)
        self.code = label("", "mono", wrap=True, selectable=True)
        self.key_said = label(_("The key is hidden here; what you copy holds it."), "muted", wrap=True)
        self.copy = CopyButton(lambda: self.text(hidden=False), _("Copy the example"))
        self.heading.addWidget(self.kind)
        self._frame = QFrame()
        self._frame.setProperty("tile", True)
        inside = QVBoxLayout(self._frame)
        inside.setContentsMargins(2 * GAP, GAP + GAP // 2, 2 * GAP, GAP + GAP // 2)
        inside.addWidget(self.code)
        for part in (self.said, self._frame):
            self.body.addWidget(part)
        foot = in_row(self.copy)
        foot.addWidget(self.key_said, 1)
        foot.addStretch()
        self.body.addLayout(foot)

    def show_state(self, service: ServiceModel, *, shows_key: bool) -> None:
        settings = service.settings
        address = f"127.0.0.1:{service.port}"
        if settings.lan and service.addresses:
            address = f"{service.addresses[0].address}:{service.port}"
        self._url, self._key = f"http://{address}/v1", settings.needed_key or ""
        self._shows = shows_key
        self._show()

    def text(self, *, hidden: bool) -> str:
        """The example; ``hidden``: dots stand for the key."""
        key = (words.HIDDEN if hidden else self._key) if self._key else None
        return snippets.text(
            self.kind.value() or snippets.AGENT, self._url, key, prompts.language_of(language())
        )

    def _show(self) -> None:
        self.said.setText(said(self.kind.value() or snippets.AGENT))
        self.code.setText(self.text(hidden=not self._shows))
        self.key_said.setVisible(bool(self._key) and not self._shows)
