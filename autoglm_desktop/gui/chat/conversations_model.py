"""The kept conversations as Qt sees them: the list, the search, what is done with one as a whole."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from ...core.conversation import ConversationSettings
from ...core.errors import AppError
from ...store.conversation_file import Opening
from ...store.conversation_import import Imported
from ...store.conversation_search import Found
from ...store.conversation_values import Deletion
from ...store.conversations import Conversation, Conversations
from ...usecases import conversations as usecases
from ...usecases.archive import Archive
from ..bridge import Bridge, Job

log = logging.getLogger(__name__)
MARKDOWN, JSON = "markdown", "json"


class ConversationsModel(QObject):
    """Signals come after the state has changed. ``found`` None: the search goes on; ``removed`` can be undone with
    ``undo``."""

    opened = Signal(object)  # Opening
    listed = Signal()
    found = Signal(object)  # Found or None
    removed = Signal(object)  # the Conversation that was deleted
    returned = Signal(int)  # it is in the list again
    written = Signal(object, object)  # the Path, how many conversations are in it (None: one)
    imported = Signal(object)  # usecases.conversations.Imported
    failed = Signal(object)  # AppError

    def __init__(self, bridge: Bridge, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.archive = archive
        self.is_open = False
        self.all: tuple[Conversation, ...] = ()
        self._search: Job | None = None
        self._deletion: Deletion | None = None
        self._changing: dict[int, ConversationSettings] = {}

    def start(self) -> None:
        """Open the file of conversations."""
        self._bridge.submit(lambda _report: self.archive.open(), self._opened, self.failed.emit)

    async def close(self) -> None:
        """Write the settings that are not written, and close the file; on the loop, after all jobs have ended."""
        for conversation, settings in self._changing.items():
            try:
                await self.archive.run(Conversations.change_settings, conversation, settings)
            except AppError as error:
                log.warning("settings are not kept: %s", error)
        await self.archive.close()

    def get(self, conversation: int | None) -> Conversation | None:
        """One of the list."""
        return next((one for one in self.all if one.id == conversation), None)

    def call(self, on_result: Callable[[Any], None], call: Callable[..., Any], *arguments: object) -> Job:
        """Call a method of Conversations, or a function that takes them first, on their thread."""
        return self._bridge.submit(
            lambda _report: self.archive.run(call, *arguments), on_result, self.failed.emit
        )

    def read(self) -> None:
        """Read the list again; ``listed`` follows."""
        self.call(self._listed, Conversations.all)

    def rename(self, conversation: int, title: str) -> None:
        self.call(self._changed, Conversations.rename, conversation, title)

    def pin(self, conversation: int, pinned: bool) -> None:
        self.call(self._changed, Conversations.pin, conversation, pinned)

    def change_settings(self, conversation: int, settings: ConversationSettings) -> None:
        self._changing[conversation] = settings
        self.all = self._with_changes(self.all)
        done = functools.partial(self._settings_changed, conversation, settings)
        self.call(done, Conversations.change_settings, conversation, settings)

    def delete(self, conversation: int) -> None:
        """Take a conversation away; ``removed`` follows, and ``undo`` brings it back."""
        found = self.get(conversation)

        def delete(store: Conversations) -> tuple[Deletion, tuple[Conversation, ...]]:
            return store.delete(conversation), store.all()

        self.call(functools.partial(self._removed, found), delete)

    def undo(self) -> None:
        """Bring back the conversation that was deleted last."""
        deletion, self._deletion = self._deletion, None
        if deletion is not None:
            self._call_undo(deletion)

    def _call_undo(self, deletion: Deletion) -> None:
        def undo(store: Conversations) -> tuple[Conversation, ...]:
            store.undo(deletion)
            return store.all()

        def returned(conversations: tuple[Conversation, ...]) -> None:
            self._listed(conversations)
            if self.get(deletion.conversation) is not None:
                self.returned.emit(deletion.conversation)

        self.call(returned, undo)

    def search(self, text: str) -> None:
        """Search for a text; ``found`` follows, for the last one that was asked for. An empty one ends the search."""
        if self._search is not None:
            self._search.cancel()
            self._search = None
        if not text.strip():
            return
        self.found.emit(None)
        self._search = self._bridge.submit(
            lambda _report: usecases.search(self.archive, text), self._found, self.failed.emit
        )

    def export(self, conversation: int, kind: str, path: Path) -> None:
        """Write one conversation. ``kind``: MARKDOWN | JSON."""
        if kind == MARKDOWN:
            self._bridge.submit(
                lambda _report: usecases.export_markdown(self.archive, path, conversation),
                lambda _done: self.written.emit(path, None),
                self.failed.emit,
            )
        else:
            self._export_json(path, (conversation,), lambda _count: self.written.emit(path, None))

    def export_all(self, path: Path) -> None:
        """Write all conversations, with their pictures, into one JSON file."""
        self._export_json(path, None, lambda count: self.written.emit(path, count))

    def import_file(self, path: Path) -> None:
        """Add the conversations of a file; ``imported`` follows."""
        self._bridge.submit(
            lambda _report: usecases.import_json(self.archive, path), self._imported, self.failed.emit
        )

    def _export_json(
        self, path: Path, conversations: tuple[int, ...] | None, on_result: Callable[[int], None]
    ) -> None:
        self._bridge.submit(
            lambda _report: usecases.export_json(self.archive, path, conversations),
            on_result,
            self.failed.emit,
        )

    def _found(self, found: Found) -> None:
        self._search = None
        self.found.emit(found)

    def _opened(self, opening: Opening) -> None:
        self.is_open = True
        self.opened.emit(opening)
        self.read()

    def _with_changes(self, conversations: tuple[Conversation, ...]) -> tuple[Conversation, ...]:
        """With the settings that are not written yet: a list that was read before must not bring the old ones back."""
        changing = self._changing
        return tuple(
            dataclasses.replace(one, settings=changing.get(one.id, one.settings)) for one in conversations
        )

    def _settings_changed(self, conversation: int, settings: ConversationSettings, _done: object) -> None:
        if self._changing.get(conversation) is settings:
            del self._changing[conversation]
        self.read()

    def _listed(self, conversations: tuple[Conversation, ...]) -> None:
        self.all = self._with_changes(conversations) if self._changing else conversations
        self.listed.emit()

    def _changed(self, _done: object) -> None:
        self.read()

    def _removed(
        self, conversation: Conversation | None, done: tuple[Deletion, tuple[Conversation, ...]]
    ) -> None:
        """The list comes first: who reads that a conversation is deleted doesn't see it there any more."""
        self._deletion, left = done
        self._listed(left)
        if conversation is not None:
            self.removed.emit(conversation)

    def _imported(self, imported: Imported) -> None:
        self.read()
        self.imported.emit(imported)
