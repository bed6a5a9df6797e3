"""The window's downloads: a queue that is worked through one after another and survives the program's end.

What ran when the program ended is offered again (``interrupted``). Without a network an entry waits and goes on by
itself. Everything runs on one asyncio loop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from ..core.downloads import (
    DONE,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    WAITING,
    DownloadItem,
    DownloadsState,
    Pulled,
    PullPlan,
    PullProgress,
    PullRequest,
)
from ..core.errors import AppError
from ..store.queue import Entry, QueueFile
from .pull import Pinned, plan_pull, run_pull
from .pull_disk import discard, have
from .services import Services

log = logging.getLogger(__name__)

NETWORK = ("download_no_network", "download_unreachable", "listing_unreachable")
WAITS_S = (15.0, 30.0, 60.0)
LOOK_S = 5.0
SLEPT_S = 20.0
"""The wall clock ran this much further than the other: the machine was asleep."""
REPORT_EVERY_S = 0.2

Plan = Callable[[Services, PullRequest, "Pinned | None"], Awaitable[PullPlan]]
Run = Callable[[Services, PullPlan, Callable[[PullProgress], None]], Awaitable[Pulled]]


class Downloads:
    """``watch`` first gives the queue as it is. ``sleep`` and clocks are given by tests."""

    def __init__(
        self,
        services: Services,
        *,
        plan: Plan = plan_pull,
        run: Run = run_pull,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services, self._plan, self._run = services, plan, run
        self._sleep, self._wall, self._steady = sleep, wall, steady
        self._file = QueueFile(services.home / "state")
        self._items: dict[str, DownloadItem] = {}
        self._entries: dict[str, Entry] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiters: dict[str, asyncio.Task[None]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._work = asyncio.Event()
        self._version = 0

    @property
    def state(self) -> DownloadsState:
        return DownloadsState(tuple(self._items.values()))

    async def start(self) -> None:
        """Read the queue of the last run and begin to work. Safe to call twice."""
        if self._worker is not None:
            return
        self._worker = asyncio.create_task(self._work_through())
        for entry in await asyncio.to_thread(self._file.read):
            if entry.state == DONE or entry.id in self._items:
                continue
            done = await asyncio.to_thread(have, entry.plan_folder, entry.files)
            self._entries[entry.id] = entry
            self._items[entry.id] = _offered_again(entry, done)
        self._changed()

    async def watch(self) -> AsyncIterator[DownloadsState]:
        """The queue whenever it has changed, at most five times a second."""
        await self.start()
        seen = -1
        while True:
            if seen != self._version:
                seen = self._version
                yield self.state
                await asyncio.sleep(REPORT_EVERY_S)
                continue
            self._news.clear()
            await self._news.wait()

    async def add(self, request: PullRequest) -> str:
        """Put a download into the queue; one that is there already goes on. Raises AppError(state_unwritable)."""
        await self.start()
        same = next((i for i in self._items.values() if i.request == request and i.state != DONE), None)
        if same is not None:
            await self.resume(same.id)
            return same.id
        item = DownloadItem(secrets.token_hex(6), request, QUEUED, request.target)
        folder = str(request.folder) if request.folder is not None else None
        self._items[item.id] = item
        self._entries[item.id] = Entry(
            item.id, request.target, request.source, QUEUED, request.target, folder
        )
        await self._save()
        self._work.set()
        return item.id

    async def pause(self, item_id: str) -> None:
        """Stop it; everything that has arrived is kept."""
        if self._state_of(item_id) in (QUEUED, RUNNING, WAITING):
            await self._stop(item_id)
            await self._set(item_id, state=PAUSED)

    async def resume(self, item_id: str) -> None:
        """Go on."""
        if self._state_of(item_id) in (PAUSED, FAILED, WAITING):
            await self._stop(item_id)
            await self._set(item_id, state=QUEUED, error=None, interrupted=False)
            self._work.set()

    async def retry(self, item_id: str) -> None:
        """Try one that failed again."""
        await self.resume(item_id)

    async def cancel(self, item_id: str) -> None:
        """Stop it and throw away what is not complete; finished files stay."""
        if item_id not in self._items:
            return
        await self._stop(item_id)
        entry = self._entries[item_id]
        if entry.plan_folder is not None:
            await asyncio.to_thread(discard, Path(entry.plan_folder), entry.files)
        await self._drop(item_id)

    async def dismiss(self, item_id: str) -> None:
        """Take it out of the list; its files stay as they are."""
        if item_id in self._items:
            await self._stop(item_id)
            await self._drop(item_id)

    async def pause_all(self) -> None:
        """Before the models folder moves."""
        for item in list(self._items.values()):
            await self.pause(item.id)

    async def close(self) -> None:
        """The program ends. What ran is remembered as such and offered by the next start."""
        tasks = [*self._tasks.values(), *self._waiters.values()]
        if self._worker is not None:
            tasks.append(self._worker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The work.

    async def _work_through(self) -> None:
        while True:
            item = next((item for item in self._items.values() if item.state == QUEUED), None)
            if item is None or self._tasks:
                self._work.clear()
                await self._work.wait()
                continue
            task = asyncio.create_task(self._one(item.id))
            self._tasks[item.id] = task
            await asyncio.wait([task])
            self._tasks.pop(item.id, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                await self._unexpected(item.id, error)

    async def _unexpected(self, item_id: str, error: BaseException) -> None:
        """Not one of the failures that have a sentence: it goes to the log, and the entry says so."""
        log.error("download failed unexpectedly", exc_info=error)
        if item_id in self._items:
            told = AppError("download_unexpected", detail=str(error) or type(error).__name__)
            await self._set(item_id, state=FAILED, error=told)

    async def _one(self, item_id: str) -> None:
        lock = await asyncio.to_thread(self._file.hold, item_id)
        if lock is None:
            await self._set(item_id, state=PAUSED, error=AppError("download_other_instance"))
            return
        try:
            await self._set(item_id, state=RUNNING, error=None, interrupted=False)
            await self._fetch(item_id)
        except AppError as error:
            await self._failed(item_id, error)
        finally:
            self._file.drop(item_id, lock)

    async def _fetch(self, item_id: str) -> None:
        entry, request = self._entries[item_id], self._items[item_id].request
        pinned = None
        if entry.pinned_source and entry.pinned_repo and entry.pinned_commit:
            pinned = Pinned(entry.pinned_source, entry.pinned_repo, entry.pinned_commit)
        plan = await self._plan(self._services, request, pinned)
        await self._set(
            item_id, plan=plan, title=plan.title, variant=plan.variant, total_bytes=plan.total_bytes
        )

        def report(progress: PullProgress) -> None:
            item = self._items.get(item_id)
            if item is not None:
                waits = 0 if progress.rate else item.waits
                self._items[item_id] = replace(
                    item, progress=progress, done_bytes=progress.done_bytes, waits=waits
                )
                self._changed()

        pulled = await self._run(self._services, plan, report)
        total = sum(file.size for file in pulled.files) or plan.total_bytes
        await self._set(item_id, state=DONE, plan=pulled.plan, done_bytes=total or 0, total_bytes=total)

    async def _failed(self, item_id: str, error: AppError) -> None:
        log.warning("download of %s: %s", self._items[item_id].request.target, error)
        if error.code in NETWORK:
            await self._set(item_id, state=WAITING, error=error)
            self._waiters[item_id] = asyncio.create_task(self._wait(item_id))
        elif error.code == "disk_full":
            await self._set(item_id, state=PAUSED, error=error)
        else:
            await self._set(item_id, state=FAILED, error=error)

    async def _wait(self, item_id: str) -> None:
        """Until it is worth another try: longer each time, at once when the machine wakes up."""
        item = self._items[item_id]
        count = item.waits
        self._items[item_id] = replace(item, waits=count + 1)
        rest = WAITS_S[min(count, len(WAITS_S) - 1)]
        while rest > 0:
            wall, steady = self._wall(), self._steady()
            await self._sleep(min(LOOK_S, rest))
            rest -= LOOK_S
            if (self._wall() - wall) - (self._steady() - steady) > SLEPT_S:
                break
        self._waiters.pop(item_id, None)
        if self._state_of(item_id) == WAITING:
            await self._set(item_id, state=QUEUED)
            self._work.set()

    async def _stop(self, item_id: str) -> None:
        """End what works on it, or waits for it."""
        tasks = [t for t in (self._tasks.get(item_id), self._waiters.pop(item_id, None)) if t is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # What is remembered.

    def _state_of(self, item_id: str) -> str | None:
        item = self._items.get(item_id)
        return item.state if item is not None else None

    async def _set(self, item_id: str, **values: object) -> None:
        item = replace(self._items[item_id], **values)  # type: ignore[arg-type]
        if item.state != RUNNING and item.progress is not None:
            item = replace(item, progress=replace(item.progress, rate=None, time_left_s=None, notice=None))
        self._items[item_id] = item
        self._entries[item_id] = _remembered(self._entries[item_id], item)
        self._changed()
        await self._save()

    async def _drop(self, item_id: str) -> None:
        self._items.pop(item_id, None)
        self._entries.pop(item_id, None)
        self._changed()
        await self._save()

    async def _save(self) -> None:
        mine = tuple(self._entries.values())
        try:
            await asyncio.to_thread(self._file.change, lambda _before: mine)
        except AppError as error:
            log.warning("the queue could not be saved: %s", error)
        self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._news.set()


def _offered_again(entry: Entry, done: int) -> DownloadItem:
    """An entry of the last run: what ran or was about to is interrupted."""
    folder = Path(entry.folder) if entry.folder is not None else None
    return DownloadItem(
        id=entry.id,
        request=PullRequest(entry.target, entry.source, folder),
        state=PAUSED,
        title=entry.title,
        variant=entry.variant,
        done_bytes=done,
        total_bytes=entry.total_bytes,
        interrupted=entry.state in (QUEUED, RUNNING, WAITING),
    )


def _remembered(entry: Entry, item: DownloadItem) -> Entry:
    entry = replace(
        entry,
        state=item.state,
        title=item.title,
        variant=item.variant,
        done_bytes=item.done_bytes,
        total_bytes=item.total_bytes,
    )
    plan = item.plan
    if plan is None or not plan.copies:
        return entry
    first = plan.copies[0]
    return replace(
        entry,
        pinned_source=first.source,
        pinned_repo=first.repo,
        pinned_commit=first.commit,
        plan_folder=str(plan.folder),
        files=tuple(file.path for file in plan.files),
    )
