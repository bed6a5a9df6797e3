"""The queue as this instance knows it: read from the file, changed in the file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ..core.downloads import DONE, DownloadsState
from ..core.errors import AppError
from ..store.queue import Change, Entry, QueueFile
from .downloads_items import Live, interrupted, item_of
from .pull_disk import have

log = logging.getLogger(__name__)


class Queue:
    """``entries`` as they were read last; ``own``: those that were added or resumed in this run; ``live``: what is
    known in this run only. ``changed`` is called after every change."""

    def __init__(self, state: Path, changed: Callable[[], None]) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.own: set[str] = set()
        self._file = QueueFile(state)
        self._told = changed
        self._live: dict[str, Live] = {}
        self._stamp: tuple[int, int] | None = None
        self._right: FileLock | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def state(self) -> DownloadsState:
        """As it is shown."""
        elsewhere = not self.working
        return DownloadsState(
            tuple(item_of(entry, self.live(entry.id), elsewhere=elsewhere) for entry in self.entries)
        )

    @property
    def working(self) -> bool:
        """Whether this instance is the one that works through it."""
        return self._right is not None

    def live(self, item_id: str) -> Live:
        return self._live.setdefault(item_id, Live())

    def entry(self, item_id: str) -> Entry | None:
        return next((one for one in self.entries if one.id == item_id), None)

    def state_of(self, item_id: str) -> str | None:
        entry = self.entry(item_id)
        return entry.state if entry is not None else None

    def done_bytes(self, item_id: str) -> int:
        entry, progress = self.entry(item_id), self.live(item_id).progress
        if progress is not None:
            return progress.done_bytes
        return entry.done_bytes if entry is not None else 0

    async def look(self) -> None:
        """Take over what other instances have changed, and the work where nobody does it."""
        if self._right is None:
            self._right = await asyncio.to_thread(self._file.hold)
            if self._right is not None:
                await self.change(self._left_behind)
        if self._file.stamp() != self._stamp:
            await self.change(lambda known: known)

    def release(self) -> None:
        """Another instance may work now."""
        if self._right is not None:
            self._right.release()
            self._right = None

    def _left_behind(self, known: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """What the instance before this one left: it is offered, and not begun without a question."""
        kept = (one for one in known if one.state != DONE or one.id in self.own)
        return tuple(one if one.id in self.own else interrupted(_counted(one)) for one in kept)

    async def edit(self, item_id: str, **values: object) -> None:
        """Change one entry, if it is still there."""

        def edited(one: Entry) -> Entry:
            return replace(one, **values) if one.id == item_id else one  # type: ignore[arg-type]

        await self.change(lambda known: tuple(map(edited, known)))

    async def remove(self, item_id: str) -> None:
        await self.change(lambda known: tuple(one for one in known if one.id != item_id))
        self._live.pop(item_id, None)

    async def change(self, change: Change) -> None:
        """Change the file and take over what is in it then. Where it can't be written (logged), the change holds for
        this run. A cancelled caller waits for the file."""
        async with self._one_at_a_time:
            work = asyncio.ensure_future(asyncio.to_thread(self._file.change, change))
            try:
                await asyncio.shield(asyncio.wait([work]))
            except asyncio.CancelledError:
                await asyncio.wait([work])
                raise
            finally:
                self._take(work, change)
        self._told()

    def _take(self, work: asyncio.Future[tuple[Entry, ...]], change: Change) -> None:
        if not work.done() or work.cancelled():
            return
        error = work.exception()
        if error is None:
            self.entries, self._stamp = work.result(), self._file.stamp()
        elif isinstance(error, AppError):
            log.warning("the queue could not be saved: %s", error)
            self.entries = change(self.entries)
        else:
            raise error


def _counted(entry: Entry) -> Entry:
    """With the bytes that are on disk: the program may have ended before it could note them."""
    if entry.plan_folder is None:
        return entry
    return replace(entry, done_bytes=have(entry.plan_folder, entry.files))
