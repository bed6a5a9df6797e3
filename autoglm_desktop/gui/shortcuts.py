"""All keys of the window, by place: one table, and the dialog that shows it (F1).

The tests compare the table with the shortcuts that the widgets have.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..i18n import N_, _
from .theme import GAP
from .widgets.buttons import button
from .widgets.labels import label
from .widgets.rule import Rule

SHOWN_BY = ("F1", "Ctrl+/")
SIZE = (560, 680)
KEYS_WIDTH = 190


@dataclass(frozen=True)
class Keys:
    """``keys``: any of them, in Qt's portable form; ``text``: what they do."""

    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Place:
    """Where keys work."""

    name: str
    keys: tuple[Keys, ...]


TABLE: tuple[Place, ...] = (
    Place(
        N_("Everywhere"),
        (
            Keys(("Ctrl+1",), N_("System check")),
            Keys(("Ctrl+2",), N_("Models")),
            Keys(("Ctrl+3",), N_("Chat")),
            Keys(("Ctrl+4",), N_("Service")),
            Keys(("Ctrl+I",), N_("What the model runs on, and what was tried")),
            Keys(("Ctrl+Shift+F",), N_("Free the memory: end the engine")),
            Keys(SHOWN_BY, N_("This list")),
        ),
    ),
    Place(
        N_("Chat"),
        (
            Keys(("Ctrl+N",), N_("New conversation")),
            Keys(("Ctrl+F",), N_("Search the conversations")),
            Keys(("Ctrl+,",), N_("Settings of the conversation")),
            Keys(("Esc",), N_("Stop the answer, or leave the editing of a question")),
        ),
    ),
    Place(
        N_("Where you write"),
        (
            Keys(("Return",), N_("Send")),
            Keys(("Shift+Return",), N_("New line")),
            Keys(("Ctrl+V",), N_("Paste text or a picture")),
            Keys(("Ctrl+Shift+V",), N_("Paste the picture where the clipboard holds text, too")),
            Keys(("Ctrl+O",), N_("Choose pictures")),
        ),
    ),
    Place(
        N_("A message"),
        (
            Keys(("Alt+Up", "Alt+Down"), N_("The message before, the next one")),
            Keys(("Return", "Menu"), N_("What can be done with it")),
            Keys(("Ctrl+C",), N_("Copy it, or what is selected")),
            Keys(("Ctrl+Shift+C",), N_("Copy it as Markdown")),
            Keys(("E",), N_("Edit the question")),
            Keys(("R",), N_("Answer again")),
            Keys(("C",), N_("Continue the answer")),
            Keys(("Del",), N_("Delete from here on")),
            Keys(("Alt+Left", "Alt+Right"), N_("The version before, the next one")),
            Keys(("P",), N_("Look at the picture")),
            Keys(("T",), N_("Show or hide what was thought")),
            Keys(("W",), N_("Show an action as it was written")),
            Keys(("Home", "End"), N_("The beginning and the end of the conversation")),
        ),
    ),
    Place(
        N_("A picture, shown large"),
        (
            Keys(("Space",), N_("Fit into the window, or at full size")),
            Keys(("Left", "Right"), N_("The picture before, the next one")),
            Keys(("Ctrl+C",), N_("Copy the picture")),
            Keys(("Esc",), N_("Close it")),
        ),
    ),
    Place(
        N_("List of conversations"),
        (
            Keys(("Up", "Down"), N_("Open the one above, the one below")),
            Keys(("F2",), N_("Rename")),
            Keys(("Del",), N_("Delete; it can be undone")),
            Keys(("Menu",), N_("Pin, export and more")),
        ),
    ),
    Place(
        N_("Search"),
        (
            Keys(("Return",), N_("Open what was found first, or is marked")),
            Keys(("Down", "Up"), N_("Go through what was found")),
            Keys(("Esc",), N_("Leave the search")),
        ),
    ),
    Place(
        N_("Settings of the conversation"),
        (
            Keys(("Up", "Down"), N_("Change a number by a step")),
            Keys(("PgUp", "PgDown"), N_("Change it by ten steps")),
            Keys(("Ctrl+Z",), N_("Undo in the system prompt")),
            Keys(("Esc",), N_("Close the window; everything is kept")),
        ),
    ),
    Place(
        N_("Phone step"),
        (
            Keys(("Ctrl+Return",), N_("Find the next step")),
            Keys(("Ctrl+Shift+V",), N_("Paste a screenshot")),
        ),
    ),
)


def native(keys: str) -> str:
    """Keys as this system writes them, and as keyboards have them."""
    text = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
    return text.replace("Return", _("Enter"))


class ShortcutsDialog(QDialog):
    """Non-modal: it can stay beside the window while one tries them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("Keyboard shortcuts"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        column.setSpacing(GAP)
        for place in TABLE:
            column.addWidget(label(_(place.name), "subtitle"))
            column.addLayout(_grid(place))
            column.addSpacing(GAP)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the arrow keys scroll
        self.area.setAccessibleName(_("Keyboard shortcuts"))
        self.area.setAccessibleDescription(". ".join(lines()))
        self.area.setWidget(inner)
        self.close_button = button(_("Close"), self.close)
        foot = QHBoxLayout()
        foot.setContentsMargins(3 * GAP, GAP + GAP // 2, 3 * GAP, GAP + GAP // 2)
        foot.addStretch(1)
        foot.addWidget(self.close_button)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.area, 1)
        whole.addWidget(Rule())
        whole.addLayout(foot)
        self.resize(QSize(*SIZE).boundedTo(self.screen().availableSize()))
        self.area.setFocus()


def lines() -> list[str]:
    """The whole table as text: ``Ctrl+N: New conversation``."""
    return [
        f"{', '.join(native(one) for one in keys.keys)}: {_(keys.text)}"
        for place in TABLE
        for keys in place.keys
    ]


def install(window: QWidget) -> None:
    """F1 and Ctrl+/ open the list from everywhere in a window."""
    for keys in SHOWN_BY:
        shortcut = QShortcut(QKeySequence(keys), window)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda: show(window))


def show(window: QWidget) -> ShortcutsDialog:
    """Open the list, or bring the open one forward."""
    found = window.findChild(ShortcutsDialog)
    dialog = found if found is not None else ShortcutsDialog(window)
    dialog.show()
    dialog.activateWindow()
    return dialog


def _grid(place: Place) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(GAP)
    grid.setVerticalSpacing(GAP - 2)
    grid.setColumnStretch(1, 1)
    for row, keys in enumerate(place.keys):
        caps = QHBoxLayout()
        caps.setSpacing(GAP // 2)
        for one in keys.keys:
            caps.addWidget(_cap(native(one)))
        caps.addStretch(1)
        holder = QWidget()
        holder.setFixedWidth(KEYS_WIDTH)
        caps.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(caps)
        grid.addWidget(holder, row, 0, Qt.AlignmentFlag.AlignTop)
        text = label(_(keys.text), wrap=True)
        grid.addWidget(text, row, 1)
    return grid


def _cap(text: str) -> QLabel:
    """A key, drawn as one."""
    made = label(text)
    made.setStyleSheet(CAP)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made


CAP = "QLabel { border: 1px solid palette(mid); border-bottom-width: 2px; border-radius: 4px; padding: 1px 7px; }"
