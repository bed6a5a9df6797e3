"""One download: what, how far, how fast, from where, what is in the way, and what can be done about it."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from ...core.downloads import AUTO, DONE, FAILED, PAUSED, QUEUED, RUNNING, SOURCES, WAITING, DownloadItem
from ...i18n import _
from ...texts.downloads import source_name
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label, set_role
from ..widgets.live import LiveBar, LiveText
from ..widgets.pill import Pill
from . import download_texts as texts
from .file_list import FileList

BAR_COLOURS = {FAILED: "bad", DONE: "good", WAITING: "warn", PAUSED: "muted", QUEUED: "muted"}
TOP = ("cancel", "dismiss", "pause", "resume", "chat")
REMEDIES = ("source", "retry", "token", "room")
"""Buttons as they stand: in the first line, and below an error."""
FOCUS = ("resume", "pause", "chat", "token", "room", "retry", "dismiss")
"""What takes the focus of a button that goes."""
BUTTONS = {
    QUEUED: ("pause", "cancel"),
    RUNNING: ("pause", "cancel"),
    WAITING: ("pause", "cancel"),
    PAUSED: ("resume", "cancel"),
    FAILED: ("cancel", "retry"),
    DONE: ("folder", "dismiss"),
}


class DownloadCard(Card):
    """``wanted(name)``: pause, resume, cancel, retry, dismiss, token, room, folder, chat or licence;
    ``source_wanted(source)``: the same from another one."""

    wanted = Signal(str)
    source_wanted = Signal(str)

    def __init__(self, item: DownloadItem, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.item = item
        self.can_chat = False
        self._looks: tuple[object, ...] = ()
        self.title = ElidedLabel(item.title, "subtitle", Qt.TextElideMode.ElideMiddle)
        self.variant, self.pill = Pill(), Pill()
        self.bar, self.facts = LiveBar(), LiveText()
        self.outlook = label(role="muted", wrap=True)
        self.notice = label(role="warn", wrap=True)
        self.error = label(role="error", wrap=True, selectable=True)
        self.remedies = QWidget()
        self.files = FileList()
        self.files.hide()
        self.fold_button = button(_("Show files"), self._fold, "link")
        self.buttons = {name: self._button(name, *look) for name, look in self._looks_of_buttons().items()}
        self.source_link = button(_("Another source"), kind="link")
        for made in (self.buttons["source"], self.source_link):
            made.setMenu(self._sources())
        self.source_link.setProperty("menu", True)
        self.source_link.setAccessibleName(self.buttons["source"].accessibleName())
        self.licence_button = button("", lambda: self.wanted.emit("licence"), "link")
        self._arrange()
        self.show_item(item)

    def show_item(self, item: DownloadItem, can_chat: bool | None = None) -> None:
        """Show where it is now. Only what changed is touched: this comes five times a second."""
        self.item = item
        self.can_chat = self.can_chat if can_chat is None else can_chat
        self.bar.set_fraction(texts.fraction(item), BAR_COLOURS.get(item.state, "accent"))
        self.facts.set_text(texts.facts(item))
        files = item.progress.files if item.progress is not None else ()
        if not self.files.isHidden():
            self.files.show_files(files)
        word, tone = texts.state_word(item)
        looks = (
            word, tone, texts.notice(item), texts.error(item), texts.remedy(item), item.title, item.variant,
            bool(files), self.can_chat, texts.outlook(item),
        )  # fmt: skip
        if looks != self._looks:
            self._looks = looks
            self._show_state(word, tone, bool(files))

    def _show_state(self, word: str, tone: str, has_files: bool) -> None:
        item = self.item
        self.setAccessibleName(f"{texts.full_name(item)}: {word}")
        self.bar.setToolTip(texts.full_name(item))
        self.title.set_text(item.title)
        self.variant.setText(item.variant or "")
        self.variant.setVisible(bool(item.variant))
        self.pill.show_text(word, tone)
        for text, said in ((self.notice, texts.notice(item)), (self.error, texts.error(item))):
            text.setText(said)
            text.setVisible(bool(said))
        said, role = texts.outlook(item)
        self.outlook.setText(said)
        self.outlook.setVisible(bool(said))
        set_role(self.outlook, role)
        shown = list(BUTTONS[item.state])
        shown.append(texts.remedy(item))
        if item.state == DONE and self.can_chat:
            shown.append("chat")
        self._show_buttons(shown)
        self.remedies.setVisible(any(name in shown for name in REMEDIES))
        self.source_link.setVisible(item.state in (WAITING, PAUSED, FAILED) and "source" not in shown)
        self.buttons["cancel"].setText(_("Remove") if item.state == FAILED else _("Cancel"))
        address = texts.licence_address(item)
        self.licence_button.setText(texts.open_text(address))
        self.licence_button.setVisible(bool(address))
        self.fold_button.setVisible(has_files)
        if not has_files:
            self.files.hide()

    def _show_buttons(self, shown: list[str]) -> None:
        """Where the one with the focus goes, the next takes it: the keyboard does not lose its place."""
        focused = self.window().focusWidget()
        had = any(made is focused and name not in shown for name, made in self.buttons.items())
        for name in shown:
            if name:
                self.buttons[name].setVisible(True)
        if had:
            first = next((name for name in FOCUS if name in shown), shown[0])
            self.buttons[first].setFocus()
        for name, made in self.buttons.items():
            if name not in shown:
                made.setVisible(False)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through, as it stands."""
        below = [self.licence_button, *(self.buttons[name] for name in REMEDIES)]
        line = [self.source_link, self.buttons["folder"], self.fold_button]
        return [*(self.buttons[name] for name in TOP), *line, *below]

    def _fold(self) -> None:
        opened = self.files.isHidden()
        if opened and self.item.progress is not None:
            self.files.show_files(self.item.progress.files)
        self.files.setVisible(opened)
        self.fold_button.setText(_("Hide files") if opened else _("Show files"))

    @staticmethod
    def _looks_of_buttons() -> dict[str, tuple[str, str]]:
        """Text and kind, in the order in which they stand."""
        return {
            "cancel": (_("Cancel"), "plain"),
            "dismiss": (_("Dismiss"), "plain"),
            "folder": (_("Show folder"), "link"),
            "retry": (_("Try again"), "plain"),
            "pause": (_("Pause"), "plain"),
            "resume": (_("Continue"), "primary"),
            "source": (_("Another source"), "plain"),
            "token": (_("Access token …"), "primary"),
            "room": (_("Move models folder …"), "primary"),
            "chat": (_("Load and chat"), "primary"),
        }

    def _button(self, name: str, text: str, kind: str) -> QPushButton:
        made = button(text, functools.partial(self.wanted.emit, name), kind)
        made.setAccessibleName(f"{text}: {texts.full_name(self.item)}")
        return made

    def _sources(self) -> QMenu:
        menu = QMenu(self)
        for source in SOURCES:
            text = _("Automatic") if source == AUTO else source_name(source)
            action = menu.addAction(text, functools.partial(self.source_wanted.emit, source))
            action.setEnabled(source != self.item.request.source)
        return menu

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GAP)
        top.addWidget(self.title)
        top.addWidget(self.variant)
        top.addWidget(self.pill)
        top.addStretch(1)
        for name in TOP:
            top.addWidget(self.buttons[name])
        line = QHBoxLayout()
        line.setSpacing(2 * GAP)
        line.addWidget(self.facts, 1)
        line.addWidget(self.source_link)
        line.addWidget(self.buttons["folder"])
        line.addWidget(self.fold_button)
        remedies = QHBoxLayout(self.remedies)
        remedies.setContentsMargins(0, 0, 0, 0)
        remedies.setSpacing(GAP)
        remedies.addWidget(self.licence_button)
        remedies.addStretch(1)
        for name in REMEDIES:
            remedies.addWidget(self.buttons[name])
        column = QVBoxLayout()
        column.setSpacing(GAP)
        column.addLayout(top)
        column.addWidget(self.bar)
        column.addLayout(line)
        for widget in (self.outlook, self.notice, self.error, self.remedies, self.files):
            column.addWidget(widget)
        self.body.addLayout(column)
