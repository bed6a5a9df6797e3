"""The menus of conversations: of one, and of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from ...i18n import _
from ...store.conversations import Conversation

KEYS = {"rename": "F2", "delete": "Del"}
"""What the list does by itself; a menu only says it."""
NO_ARROW = "QToolButton { padding: 6px 10px; } QToolButton:focus { padding: 5px 9px; }"
NO_ARROW += " QToolButton::menu-indicator { image: none; width: 0; }"


def steps(conversation: Conversation | None) -> tuple[tuple[str, str] | None, ...]:
    """(name, text) of what can be done with a conversation; None: a line between."""
    pinned = conversation is not None and conversation.pinned
    return (
        ("rename", _("Rename")),
        ("pin", _("Unpin") if pinned else _("Pin")),
        None,
        ("export_markdown", _("Export as Markdown…")),
        ("export_json", _("Export as JSON…")),
        None,
        ("delete", _("Delete")),
    )


def conversation_menu(
    parent: QWidget, conversation: Conversation, act: Mapping[str, Callable[[], object]]
) -> QMenu:
    """A menu that goes when it is closed."""
    menu = QMenu(parent)
    fill_steps(menu, conversation, act)
    menu.aboutToHide.connect(menu.deleteLater)
    return menu


def fill_steps(
    menu: QMenu,
    conversation: Conversation | None,
    act: Mapping[str, Callable[[], object]],
    *,
    keys: bool = True,
) -> None:
    """Add the steps. Everything is disabled for None: a conversation that is not begun yet. ``keys``: say those of the
    list, where it has the keyboard."""
    for step in steps(conversation):
        if step is None:
            menu.addSeparator()
            continue
        name, text = step
        action = menu.addAction(text)
        action.triggered.connect(_calling(act[name]))
        action.setEnabled(conversation is not None)
        if keys and name in KEYS:
            action.setShortcut(QKeySequence(KEYS[name]))
            action.setShortcutVisibleInContextMenu(True)


def more_button(export_all: Callable[[], object], bring_in: Callable[[], object]) -> QToolButton:
    """``⋯`` with what concerns all conversations."""
    menu = QMenu()
    made = menu_button(menu, _("Export or import conversations"))
    menu.setParent(made, menu.windowFlags())
    menu.addAction(_("Export all…")).triggered.connect(_calling(export_all))
    menu.addAction(_("Import…")).triggered.connect(_calling(bring_in))
    return made


def menu_button(menu: QMenu, name: str) -> QToolButton:
    """``⋯`` that opens a menu; ``name`` says of what."""
    made = QToolButton()
    made.setText("⋯")
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    made.setStyleSheet(NO_ARROW)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.setMenu(menu)
    return made


def _calling(call: Callable[[], object]) -> Callable[[], None]:
    def do() -> None:
        call()

    return do
