"""The conversations at the left: new, choose, rename in place, delete after asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QMenu,
    QMessageBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from ...i18n import _
from ...store.conversations import Conversation
from .. import theme
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, tip
from .dates import grouped

ID = Qt.ItemDataRole.UserRole
TITLE = Qt.ItemDataRole.UserRole + 1
Confirm = Callable[[QWidget, str], bool]


def confirm_delete(parent: QWidget, title: str) -> bool:
    """Ask whether a conversation may be deleted."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle(_("Delete conversation"))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(_("Delete “{title}”?").format(title=title))
    box.setInformativeText(_("Its messages are deleted for good."))
    delete = box.addButton(_("Delete"), QMessageBox.ButtonRole.DestructiveRole)
    delete.setProperty("kind", "danger")
    delete.style().polish(delete)
    keep = box.addButton(_("Keep"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.exec()
    return box.clickedButton() is delete


class TitleDelegate(QStyledItemDelegate):
    """Edits a title in the whole of its row."""

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        editor.setGeometry(option.rect)


class ConversationList(QWidget):
    """``chosen(id)``, ``new_wanted``, ``renamed(id, title)``, ``delete_wanted(id)`` (confirmed already)."""

    chosen = Signal(int)
    new_wanted = Signal()
    renamed = Signal(int, str)
    delete_wanted = Signal(int)

    def __init__(
        self,
        confirm: Confirm = confirm_delete,
        clock: Callable[[], float] = time.time,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._confirm = confirm
        self._clock = clock
        self._filling = False
        self.new = button(_("New conversation"), self.new_wanted.emit, "primary")
        self.new.setToolTip("Ctrl+N")
        self.empty = label(_("Conversations are kept here, on this machine only."), "muted", wrap=True)
        self.list = QListWidget()
        self.list.setProperty("flat", True)
        self.list.setItemDelegate(TitleDelegate(self.list))
        self.list.setAccessibleName(_("Conversations"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setEditTriggers(
            QListWidget.EditTrigger.EditKeyPressed | QListWidget.EditTrigger.DoubleClicked
        )
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.currentItemChanged.connect(self._current_changed)
        self.list.itemChanged.connect(self._edited)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.list)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(lambda: self._ask_delete(self.list.currentItem()))
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + GAP // 2, 2 * GAP, GAP + GAP // 2, GAP + GAP // 2)
        column.setSpacing(GAP + GAP // 2)
        column.addWidget(self.new)
        column.addWidget(self.empty)
        column.addWidget(self.list, 1)
        column.addStretch(0)
        self.show_conversations((), None)

    def show_conversations(self, conversations: Sequence[Conversation], current: int | None) -> None:
        """Fill the list; ``current`` is the id of the one that is open."""
        self._filling = True
        place = self.list.verticalScrollBar().value()
        self.list.clear()
        for heading, members in grouped(conversations, self._clock()):
            self._add_heading(heading)
            for conversation in members:
                self._add(conversation, current=conversation.id == current)
        self.list.verticalScrollBar().setValue(place)
        self.empty.setVisible(not conversations)
        self.list.setVisible(bool(conversations))
        self._filling = False

    def rename(self, conversation: int) -> None:
        """Let the user edit a title in place."""
        item = self._item(conversation)
        if item is not None:
            self.list.setCurrentItem(item)
            self.list.editItem(item)

    def delete(self, conversation: int) -> None:
        """Ask, then report ``delete_wanted``."""
        self._ask_delete(self._item(conversation))

    def _add_heading(self, text: str) -> None:
        item = QListWidgetItem(text)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        font = QFont(self.list.font())
        font.setPointSizeF(font.pointSizeF() * 0.86)
        font.setBold(True)
        item.setFont(font)
        item.setForeground(theme.colour("muted"))
        self.list.addItem(item)

    def _add(self, conversation: Conversation, *, current: bool) -> None:
        title = conversation.title or _("Untitled")
        item = QListWidgetItem(title)
        item.setData(ID, conversation.id)
        item.setData(TITLE, title)
        item.setToolTip(tip(title))
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
        item.setFlags(flags)
        self.list.addItem(item)
        if current:
            self.list.setCurrentItem(item)

    def _item(self, conversation: int) -> QListWidgetItem | None:
        items = (self.list.item(row) for row in range(self.list.count()))
        return next((item for item in items if item.data(ID) == conversation), None)

    def _current_changed(self, item: QListWidgetItem | None) -> None:
        if not self._filling and item is not None and item.data(ID) is not None:
            self.chosen.emit(item.data(ID))

    def _edited(self, item: QListWidgetItem) -> None:
        if self._filling or item.data(ID) is None or item.text() == item.data(TITLE):
            return
        title = " ".join(item.text().split())
        self._filling = True
        item.setText(title or item.data(TITLE))
        item.setData(TITLE, item.text())
        self._filling = False
        if title:
            self.renamed.emit(item.data(ID), title)

    def _menu(self, place: QPoint) -> None:
        item = self.list.itemAt(place)
        if item is None or item.data(ID) is None:
            return
        menu = QMenu(self)
        menu.addAction(_("Rename"), lambda: self.list.editItem(item))
        menu.addAction(_("Delete"), lambda: self._ask_delete(item))
        menu.popup(self.list.viewport().mapToGlobal(place))

    def _ask_delete(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(ID) is not None and self._confirm(self, item.data(TITLE)):
            self.delete_wanted.emit(item.data(ID))
