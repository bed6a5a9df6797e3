"""Over a conversation: its title, who answers it, how full the context is, its settings."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from ...core.context_use import ContextUse
from ...core.conversation import ConversationSettings
from ...core.remote import Endpoint
from ...i18n import _
from ...store.conversations import Conversation
from ..conversations.conversation_menu import fill_steps, menu_button
from ..conversations.conversation_rows import title_of
from ..icons import icon
from ..theme import GAP
from ..transcript.column import centred
from ..widgets.buttons import button
from ..widgets.labels import ElidedLabel
from .meter import ContextMeter
from .who import Who

ICON_WIDTH = 40
"""Of a button without words."""
TITLE = 220
"""Pixels that a title has at least before the buttons give up their words."""
NARROW = "QPushButton { padding: 6px 9px; } QPushButton:focus { padding: 5px 8px; }"
SETTINGS_KEYS = "Ctrl+,"
ACTS = ("rename", "pin", "export_markdown", "export_json", "delete")


class ChatHeader(QFrame):
    """``settings_wanted``, ``phone_wanted``; ``act(name)`` of the menu: rename | pin | export_markdown | export_json |
    delete | shortcuts. Shown for a conversation that is not begun yet, too."""

    settings_wanted = Signal()
    phone_wanted = Signal()
    act = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chatHeader")
        self._conversation: Conversation | None = None
        self.title = ElidedLabel("", "subtitle", Qt.TextElideMode.ElideRight)
        self.who = Who()
        self.meter = ContextMeter()
        self.settings = button(_("Settings"), self.settings_wanted.emit)
        self.phone = button(_("Phone step…"), self.phone_wanted.emit)
        self._words = {self.settings: _("Settings"), self.phone: _("Phone step…")}
        self._pictures = {self.settings: "sliders", self.phone: "phone"}
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.more = menu_button(self.menu, _("More about this conversation"))
        self._name_buttons()
        self._lay_out()
        self._paint_icons()
        self.show_chat(None, ConversationSettings(), None, None)

    def show_chat(
        self,
        conversation: Conversation | None,
        settings: ConversationSettings,
        endpoint: Endpoint | None,
        model: str | None,
        *,
        demo: bool = False,
    ) -> None:
        """``conversation`` None: a new one. ``endpoint``: the one that ``settings`` name, None where it is gone;
        ``model``: what answers there or here; ``demo``: it is the demo."""
        self._conversation = conversation
        self.title.set_text(title_of(conversation) if conversation is not None else _("New conversation"))
        self.who.show_answerer(settings, endpoint, model, demo=demo)

    def set_meter(self, use: ContextUse | None) -> None:
        self.meter.show_use(use)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._paint_icons()

    def minimumSizeHint(self) -> QSize:
        """Without the words of the buttons, which give way."""
        found = super().minimumSizeHint()
        words = sum(_width(one, one.text()) - ICON_WIDTH for one in self._words if one.text())
        return QSize(found.width() - words, found.height())

    def _fit(self) -> None:
        """The buttons lose their words before the title has too little room."""
        if not hasattr(self, "_inner"):
            return
        room = self._inner.width() - self.more.sizeHint().width() - TITLE - 4 * GAP
        room -= self.meter.sizeHint().width() if not self.meter.isHidden() else 0
        wide = sum(_width(one, text) for one, text in self._words.items()) <= room
        for one, text in self._words.items():
            shown = f" {text}" if wide else ""
            if shown != one.text():
                one.setText(shown)
                one.setStyleSheet("" if wide else NARROW)

    def _name_buttons(self) -> None:
        self.settings.setAccessibleName(_("Settings of this conversation"))
        self.settings.setToolTip(_("System prompt, sampling, who answers") + f" ({native(SETTINGS_KEYS)})")
        self.phone.setAccessibleName(_("Phone step…"))
        self.phone.setToolTip(_("What would the model do with a screenshot of a phone?"))
        keys = QShortcut(QKeySequence(SETTINGS_KEYS), self)
        keys.activated.connect(self.settings_wanted)

    def _paint_icons(self) -> None:
        for one, name in getattr(self, "_pictures", {}).items():
            one.setIcon(icon(name))
            one.setIconSize(QSize(16, 16))

    def _fill_menu(self) -> None:
        self.menu.clear()
        acts: dict[str, Callable[[], object]] = {name: self._acting(name) for name in ACTS}
        fill_steps(self.menu, self._conversation, acts, keys=False)
        self.menu.addSeparator()
        self.menu.addAction(_("Keyboard shortcuts")).triggered.connect(self._acting("shortcuts"))

    def _acting(self, name: str) -> Callable[[], None]:
        return lambda: self.act.emit(name)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(0)
        left.addWidget(self.title)
        left.addWidget(self.who)
        self._inner = QWidget()
        row = QHBoxLayout(self._inner)
        row.setContentsMargins(0, GAP, 0, GAP)
        row.setSpacing(GAP)
        row.addLayout(left, 1)
        for part in (self.meter, self.settings, self.phone, self.more):
            row.addWidget(part, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setLayout(centred(self._inner))


def native(keys: str) -> str:
    """Keys as this system writes them."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def _width(one: QPushButton, text: str) -> int:
    """Of a button with its words."""
    metrics = one.fontMetrics()
    spaced = text if text.startswith(" ") else f" {text}"
    return metrics.horizontalAdvance(spaced) + 16 + 4 + 2 * 15  # the icon, its distance, padding and frame
