"""What can be done with a message, as a menu: for the mouse's right button and the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from ...i18n import _, ngettext
from .entry import Entry
from .live import FOLD
from .picture_lines import SHOW
from .step_picture import WRITTEN

SHORTCUTS = {
    "copy": "Ctrl+C",
    "copy_markdown": "Ctrl+Shift+C",
    "edit": "E",
    "again": "R",
    "continue": "C",
    "delete": "Del",
    "older": "Alt+Left",
    "newer": "Alt+Right",
    "picture": "P",
    "think": "T",
    "written": "W",
}
"""Keys that act on the message in focus while the conversation has the keyboard."""

LONGEST_ADDRESS = 60
MOST_CODES = 12
_T = TypeVar("_T")


def build(
    parent: QWidget,
    entry: Entry | None,
    links: Sequence[tuple[str, str]],
    selection: Callable[[], None] | None,
    act: Callable[[str], object],
    follow: Callable[[str], object],
    codes: Sequence[tuple[int, str]] = (),
    copy_code: Callable[[int], object] | None = None,
) -> QMenu:
    """``links``: (words, address) of the message; ``selection`` copies what is selected, None: nothing is; ``codes``:
    (number, language) of its code blocks, which ``copy_code`` copies."""
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
    if copy_code is not None:
        _add_codes(menu, codes, copy_code)
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
    return (*entry.actions, *entry.more, *versions, *_views(entry))


def _views(entry: Entry) -> tuple[tuple[str, str], ...]:
    """What may be opened: its pictures, what was thought, an action as it was written."""
    found = []
    if entry.drawn:
        found.append((SHOW, ngettext("Show the picture", "Show the pictures", len(entry.drawn))))
    if entry.thought:
        found.append((FOLD, _("Show or hide what it thought")))
    if entry.step is not None:
        found.append((WRITTEN, _("Show or hide the action as it was written")))
    return tuple(found)


def _add_codes(menu: QMenu, codes: Sequence[tuple[int, str]], copy: Callable[[int], object]) -> None:
    for number, (group, language) in enumerate(codes[:MOST_CODES], 1):
        text = _("Copy the code")
        if len(codes) > 1:
            text = _("Copy code block {number}").format(number=number)
        text = f"{text} ({language})" if language else text
        menu.addAction(text.replace("&", "&&")).triggered.connect(_doing(copy, group))


def _doing(call: Callable[[_T], object], value: _T) -> Callable[[], None]:
    def do() -> None:
        call(value)

    return do


def _label(words: str, address: str) -> str:
    shown = address if len(address) <= LONGEST_ADDRESS else address[: LONGEST_ADDRESS - 1] + "…"
    text = shown if not words or words == address else f"{words[:LONGEST_ADDRESS]}: {shown}"
    return text.replace("&", "&&")
