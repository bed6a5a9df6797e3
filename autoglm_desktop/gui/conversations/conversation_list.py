"""The conversations at the left: new, search, choose, rename in place, pin, export, delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QModelIndex, QPoint, QTimer, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from ...core.remote import Endpoint
from ...i18n import _
from ...store.conversation_search import Found
from ...store.conversations import Conversation
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label
from . import found_rows
from .conversation_menu import conversation_menu, more_button
from .conversation_rows import ConversationRows, Index, rows_of
from .conversation_view import ConversationView
from .found_list import FoundView
from .search_field import SearchField

WAIT_MS = 150
"""After the last letter a search begins."""
EVERYTHING, FOUND = range(2)


class ConversationList(QWidget):
    """``chosen(id)``, ``new_wanted``, ``renamed(id, title)``, ``pinned(id, whether)``, ``delete_wanted(id)`` (it can be
    undone, so nothing is asked), ``export_wanted(id, "markdown" | "json")``, ``export_all_wanted``, ``import_wanted``.

    ``searched(text)`` asks for ``show_found``; "" when the search is over. ``hit_chosen(id, message or -1)``.
    ``left``: the search was left by Escape.
    """

    chosen = Signal(int)
    new_wanted = Signal()
    renamed = Signal(int, str)
    pinned = Signal(int, bool)
    delete_wanted = Signal(int)
    export_wanted = Signal(int, str)
    export_all_wanted = Signal()
    import_wanted = Signal()
    searched = Signal(str)
    hit_chosen = Signal(int, int)
    left = Signal()

    def __init__(self, clock: Callable[[], float] = time.time, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._filling = False
        self._waiting: tuple[Sequence[Conversation], int | None] | None = None
        self._current: int | None = None
        self._asked = ""
        self._enter_waits = False
        self.new = button(_("New conversation"), self.new_wanted.emit, "primary")
        self.new.setToolTip(QKeySequence(QKeySequence.StandardKey.New).toString(_NATIVE))
        self.more = more_button(self.export_all_wanted.emit, self.import_wanted.emit)
        self.field = SearchField()
        self.status = label("", "muted", wrap=True)
        self.empty = label(_("Conversations are kept here, on this machine only."), "muted", wrap=True)
        self.rows = ConversationRows(self)
        self.list = ConversationView(self.rows)
        self.list.setAccessibleName(_("Conversations"))
        self.found = FoundView(clock)
        self.stack = QStackedWidget()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._connect()
        self._lay_out()
        self.show_conversations((), None)

    def show_conversations(self, conversations: Sequence[Conversation], current: int | None) -> None:
        """Fill the list; ``current`` is the id of the one that is open. Waits while a title is being edited."""
        if self.list.editing:
            self._waiting = (conversations, current)
            return
        self._waiting = None
        place, before = self.list.verticalScrollBar().value(), self._current
        self.rows.show_rows(rows_of(conversations, self._clock()))
        self.set_current(current)
        if current in (None, before):
            self.list.verticalScrollBar().setValue(place)
        self.empty.setVisible(not conversations)
        self.field.setEnabled(bool(conversations))
        self.stack.setVisible(bool(conversations))

    def set_current(self, conversation: int | None) -> None:
        """Mark the one that is open; None: a new one. Says nothing."""
        self._filling = True
        self.list.setCurrentIndex(self.rows.index(self.rows.row_of(conversation)))
        self._filling = False
        self._current = conversation

    def show_servers(self, endpoints: Sequence[Endpoint]) -> None:
        """The remote servers that are kept: conversations with one of them that leaves this machine are marked."""
        self.rows.show_servers(endpoints)

    def show_found(self, found: Found | None, query: str | None = None) -> None:
        """What was found for ``query`` (None: for what was searched last). None: the search goes on. What no longer
        stands in the field is not shown."""
        if not self.field.words() or (query is not None and query.strip() != self.field.words()):
            return
        text = found_rows.summary(found)
        self.status.setText(text)
        self.status.setVisible(bool(text))
        if found is None:
            return
        self.found.show_found(found, self.field.words())
        self.stack.setCurrentIndex(FOUND)
        if self._enter_waits and self._asked == self.field.words():
            self._enter_waits = False
            self.found.choose_first()

    def search(self) -> None:
        """Go to the field, its text selected."""
        self.field.setFocus()
        self.field.selectAll()

    def leave_search(self) -> None:
        """Show all conversations again."""
        self.field.clear()

    def rename(self, conversation: int) -> None:
        """Let the user edit a title in place."""
        self.leave_search()
        index = self.rows.index(self.rows.row_of(conversation))
        if index.isValid():
            self.list.setFocus()
            self.list.scrollTo(index)
            self.list.edit(index)

    def delete(self, conversation: int) -> None:
        """As by the menu."""
        self.delete_wanted.emit(conversation)

    def menu_of(self, conversation: Conversation) -> QMenu:
        """What can be done with a conversation."""
        number = conversation.id
        return conversation_menu(
            self,
            conversation,
            {
                "rename": lambda: self.rename(number),
                "pin": lambda: self.pinned.emit(number, not conversation.pinned),
                "export_markdown": lambda: self.export_wanted.emit(number, "markdown"),
                "export_json": lambda: self.export_wanted.emit(number, "json"),
                "delete": lambda: self.delete_wanted.emit(number),
            },
        )

    def _connect(self) -> None:
        self.list.selectionModel().currentChanged.connect(self._current_changed)
        self.list.menu_wanted.connect(self._menu)
        self.list.delete_wanted.connect(self._delete_current)
        self.list.edit_ended.connect(self._edited)
        self.rows.renamed.connect(self.renamed)
        self.field.textChanged.connect(self._typed)
        self.field.entered.connect(self._enter)
        self.field.down.connect(self._go_down)
        self.field.left.connect(self._leave)
        self.found.left.connect(self._leave)
        self.found.up.connect(self.search)
        self.found.typed.connect(self._type_on)
        self.found.chosen.connect(self.hit_chosen)
        self._timer.timeout.connect(self._ask)

    def _lay_out(self) -> None:
        self.stack.addWidget(self.list)
        self.stack.addWidget(self.found)
        self.status.hide()
        top = QHBoxLayout()
        top.setSpacing(GAP // 2)
        top.addWidget(self.new, 1)
        top.addWidget(self.more)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP + GAP // 2, 2 * GAP, GAP + GAP // 2, GAP + GAP // 2)
        column.setSpacing(GAP)
        column.addLayout(top)
        column.addWidget(self.field)
        column.addWidget(self.empty)
        column.addWidget(self.status)
        column.addWidget(self.stack, 1)
        column.addStretch(0)

    def _current_changed(self, index: Index) -> None:
        conversation = self.rows.at(index)
        if not self._filling and conversation is not None:
            self._current = conversation.id
            self.chosen.emit(conversation.id)

    def _edited(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            QTimer.singleShot(
                0, self, lambda: self.show_conversations(*waiting)
            )  # after the view's own end of it

    def _delete_current(self) -> None:
        conversation = self.rows.at(self.list.currentIndex())
        if conversation is not None:
            self.delete_wanted.emit(conversation.id)

    def _menu(self, index: QModelIndex, place: QPoint) -> None:
        conversation = self.rows.at(index)
        if conversation is not None:
            self.menu_of(conversation).popup(place)

    def _typed(self) -> None:
        self._enter_waits = False
        if self.field.words():
            self._timer.start()
            return
        self._timer.stop()
        self.stack.setCurrentIndex(EVERYTHING)
        self.status.hide()
        if self._asked:
            self._asked = ""
            self.searched.emit("")

    def _ask(self) -> None:
        self._timer.stop()
        self._asked = self.field.words()
        self.searched.emit(self._asked)

    def _enter(self) -> None:
        """Open the first hit, of what stands in the field now."""
        if not self.field.words():
            return
        if self._timer.isActive() or self.stack.currentIndex() != FOUND:
            self._enter_waits = True
            self._ask()
        else:
            self.found.choose_first()

    def _go_down(self) -> None:
        if self.stack.currentIndex() == FOUND:
            self.found.go_to_first()
        else:
            self.list.setFocus()

    def _type_on(self, text: str) -> None:
        self.field.setFocus()
        self.field.end(False)
        self.field.insert(text)

    def _leave(self) -> None:
        self.leave_search()
        self.left.emit()


_NATIVE = QKeySequence.SequenceFormat.NativeText
