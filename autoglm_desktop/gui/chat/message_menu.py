"""What can be done with a message, as a menu: for the mouse's right button and the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from ...i18n import _
from .entry import Entry

SHORTCUTS = {
    "copy": "Ctrl+C",
    "copy_markdown": "Ctrl+Shift+C",
    "edit": "E",
    "again": "R",
    "continue": "C",
    "delete": "Del",
    "older": "Alt+Left",
    "newer": "Alt+Right",
}
"""Keys that act on the message in focus while the conversation has the keyboard."""

LONGEST_ADDRESS = 60


def build(
    parent: QWidget,
    entry: Entry | None,
    links: Sequence[tuple[str, str]],
    selection: Callable[[], None] | None,
    act: Callable[[str], object],
    follow: Callable[[str], object],
) -> QMenu:
    """``links``: (words, address) of the message; ``selection`` copies what is selected, None: nothing is."""
    menu = QMenu(parent)
    if selection is not None:
        menu.addAction(_("Copy the selection"), selection)
        menu.addSeparator()
    for name, text in offered(entry) if entry is not None else ():
        action = menu.addAction(text)
        action.triggered.connect(_doing(act, name))
        if name in SHORTCUTS and selection is None:
            action.setShortcut(QKeySequence(SHORTCUTS[name]))
            action.setShortcutVisibleInContextMenu(True)
    if links:
        menu.addSeparator()
    for words, address in links:
        menu.addAction(_label(words, address)).triggered.connect(_doing(follow, address))
    return menu


def offered(entry: Entry) -> tuple[tuple[str, str], ...]:
    """(name, text) of everything that may be done with a message now."""
    versions = []
    if entry.version > 1:
        versions.append(("older", _("The version before")))
    if entry.version < entry.versions:
        versions.append(("newer", _("The next version")))
    return (*entry.actions, *entry.more, *versions)


def _doing(call: Callable[[str], object], value: str) -> Callable[[], None]:
    def do() -> None:
        call(value)

    return do


def _label(words: str, address: str) -> str:
    shown = address if len(address) <= LONGEST_ADDRESS else address[: LONGEST_ADDRESS - 1] + "…"
    text = shown if not words or words == address else f"{words[:LONGEST_ADDRESS]}: {shown}"
    return text.replace("&", "&&")
