"""The rows of the list of conversations: headings and conversations, as a model for a view."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from ...core.remote import Endpoint
from ...i18n import _
from ...store.conversation_values import Conversation
from ..transcript.visible import visible
from ..widgets.labels import tip
from .dates import grouped

Row: TypeAlias = "str | Conversation"
"""A heading or a conversation."""
CONVERSATION = Qt.ItemDataRole.UserRole
"""The Conversation of a row; None: a heading."""
AWAY = Qt.ItemDataRole.UserRole + 1
"""What is to be said of a conversation that leaves this machine; "": it doesn't."""
Index: TypeAlias = "QModelIndex | QPersistentModelIndex"


def rows_of(conversations: Sequence[Conversation], now: float) -> list[Row]:
    """Pinned ones under a heading of their own, then by date. ``now``: seconds since the epoch."""
    pinned = [one for one in conversations if one.pinned]
    rows: list[Row] = [_("Pinned"), *pinned] if pinned else []
    for heading, members in grouped([one for one in conversations if not one.pinned], now):
        rows += [heading, *members]
    return rows


class ConversationRows(QAbstractListModel):
    """``renamed(id, title)`` when a title was edited in place."""

    renamed = Signal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self._endpoints: dict[str, Endpoint] = {}

    def show_rows(self, rows: list[Row]) -> None:
        """Other rows; a view loses its selection."""
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def show_servers(self, endpoints: Sequence[Endpoint]) -> None:
        """The remote servers that are known: their names and where they lead."""
        self._endpoints = {one.id: one for one in endpoints}
        if self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def row_of(self, conversation: int | None) -> int:
        """-1: not there."""
        return next(
            (
                row
                for row, one in enumerate(self._rows)
                if isinstance(one, Conversation) and one.id == conversation
            ),
            -1,
        )

    def at(self, index: Index) -> Conversation | None:
        """None for a heading and for no row at all."""
        row = self._rows[index.row()] if index.isValid() else None
        return row if isinstance(row, Conversation) else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if self.at(index) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if isinstance(row, str):
            return row if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.DisplayRole:
            return title_of(row)
        if role == Qt.ItemDataRole.EditRole:
            return row.title
        if role == CONVERSATION:
            return row
        if role == AWAY:
            return self._away(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip("\n".join(filter(None, (title_of(row), self._away(row)))))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            pinned = _("pinned") if row.pinned else ""
            return ", ".join(filter(None, (title_of(row), pinned, self._away(row))))
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Another title, shown at once and reported; an empty one is refused."""
        conversation, title = self.at(index), " ".join(str(value).split())
        if conversation is None or role != Qt.ItemDataRole.EditRole or title in ("", conversation.title):
            return False
        self._rows[index.row()] = dataclasses.replace(conversation, title=title)
        self.dataChanged.emit(index, index)
        self.renamed.emit(conversation.id, title)
        return True

    def _away(self, conversation: Conversation) -> str:
        """Said until it is known that a server is on this machine."""
        endpoint = conversation.settings.endpoint
        if endpoint is None:
            return ""
        known = self._endpoints.get(endpoint)
        if known is None:
            return _("Answered by a remote server")
        return _("Leaves this machine: goes to {name}").format(name=known.name) if known.leaves else ""


def title_of(conversation: Conversation) -> str:
    """Its title as it is shown."""
    return visible(conversation.title) or _("Untitled")
