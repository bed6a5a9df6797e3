"""Questions that are not sent yet, kept in the file of conversations while they are written."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.errors import AppError
from ...store.conversation_values import Draft, Picture
from ...store.conversations import Conversations
from ...usecases.archive import Archive
from ..bridge import Bridge

log = logging.getLogger(__name__)

EVERY_MS = 1_000
LONG = 200_000
"""Characters of a draft that is written less often: each write is the whole of it."""
LONG_EVERY_MS = 10_000


class Drafts(QObject):
    """``failed(AppError)`` when one cannot be kept; once until one can again. Nothing here waits for the disk."""

    failed = Signal(object)

    def __init__(self, bridge: Bridge, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._archive = bridge, archive
        self._unwritten: dict[int | None, Draft] = {}
        self._on_result: Callable[[Draft], None] | None = None
        self._failing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)

    def keep(self, conversation: int | None, text: str, pictures: Sequence[Picture] = ()) -> None:
        """Keep what is written in a conversation; None: in one that is not begun. It is written within a second, a
        very long text within ten."""
        self._unwritten[conversation] = Draft(text, tuple(pictures))
        wait = LONG_EVERY_MS if len(text) > LONG else EVERY_MS
        if not self._timer.isActive() or self._timer.remainingTime() > wait:
            self._timer.start(wait)

    def flush(self) -> None:
        """Write at once."""
        self._timer.stop()
        for conversation, draft in self._unwritten.items():
            self._bridge.submit(
                functools.partial(self._write, conversation, draft),
                functools.partial(self._written, conversation, draft),
                self._not_written,
            )

    def newest(self, conversation: int | None, stored: Draft) -> Draft:
        """What is kept of a conversation, of which ``stored`` was read from the file a while ago."""
        return self._unwritten.get(conversation, stored)

    def read(self, conversation: int | None, on_result: Callable[[Draft], None]) -> None:
        """Tell what is kept of a conversation, soon; only what was asked for last is told. Writes the others."""
        self.flush()
        self._on_result = on_result

        def tell(draft: Draft) -> None:
            if self._on_result is on_result:
                self._on_result = None
                on_result(draft)

        known = self._unwritten.get(conversation)
        if known is not None:  # the newest there is, also where the disk is full
            self._bridge.deliver(functools.partial(tell, known))
        else:
            self._bridge.submit(
                lambda _report: self._archive.run(Conversations.draft, conversation),
                tell,
                lambda error: self._not_read(error, tell),
            )

    async def finish(self) -> None:
        """Write what is not written; on the loop, after all jobs have ended and before the archive is closed."""
        for conversation, draft in list(self._unwritten.items()):
            try:
                await self._archive.run(_keep, conversation, draft)
            except AppError as error:
                log.warning("a draft is not kept: %s", error)

    async def put_before(self, conversation: int | None, text: str, pictures: tuple[Picture, ...]) -> None:
        """Put something before what is kept; on the loop, as ``finish``."""
        try:
            kept = await self._archive.run(Conversations.draft, conversation)
            if Draft(text, pictures) in (Draft(), kept):
                return
            joined = "\n".join(filter(None, (text, kept.text)))
            await self._archive.run(_keep, conversation, Draft(joined, (*pictures, *kept.pictures)))
        except AppError as error:
            log.warning("a draft is not kept: %s", error)

    async def _write(self, conversation: int | None, draft: Draft, _report: object) -> None:
        await self._archive.run(_keep, conversation, draft)

    def _written(self, conversation: int | None, draft: Draft, _done: None) -> None:
        self._failing = False
        if self._unwritten.get(conversation) is draft:  # nothing newer came meanwhile
            del self._unwritten[conversation]

    def _not_written(self, error: AppError) -> None:
        """It stays in memory, and is tried again with the next one."""
        log.warning("a draft is not kept: %s", error)
        if not self._failing:
            self._failing = True
            self.failed.emit(error)

    def _not_read(self, error: AppError, tell: Callable[[Draft], None]) -> None:
        log.warning("a draft cannot be read: %s", error)
        tell(Draft())


def _keep(store: Conversations, conversation: int | None, draft: Draft) -> None:
    """Nothing where the conversation is gone for good: its number may be another one's later."""
    if conversation is None or store.rows("SELECT 1 FROM conversations WHERE id = ?", (conversation,)):
        store.keep_draft(conversation, draft)
