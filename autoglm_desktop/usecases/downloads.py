"""The window's downloads: a queue that is worked through one after another and survives the program's end.

What was under way when the program ended is offered again (``interrupted``). Without a network an entry waits and goes
on by itself. The file is the truth (``store.queue``); several instances may change it, one works through it.
Everything runs on one asyncio loop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from ..core.addresses import has_secret, public
from ..core.downloads import (
    DONE,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    WAITING,
    DownloadsState,
    Pulled,
    PullPlan,
    PullProgress,
    PullRequest,
)
from ..core.errors import AppError, TransferError
from ..store.queue import Entry
from .downloads_items import UNDER_WAY, error_json, pinned_of, planned, request_of
from .downloads_queue import Queue
from .pull import Pinned, run_pull
from .pull_disk import discard, folder_of
from .pull_outlook import plan_with_outlook
from .services import Services

log = logging.getLogger(__name__)

WAITS_S = (15.0, 30.0, 60.0)
LOOK_S = 2.0
SAVE_S = 10.0
SLEPT_S = 20.0
"""The wall clock ran this much further than it should: the machine was asleep."""
REPORT_EVERY_S = 0.2
ROOM = ("disk_full", "disk_full_transfer")

Plan = Callable[[Services, PullRequest, "Pinned | None"], Awaitable[PullPlan]]
Run = Callable[[Services, PullPlan, Callable[[PullProgress], None]], Awaitable[Pulled]]


class Downloads:
    """``watch`` first gives the queue as it is. ``sleep`` and clocks (wall, and one that never goes back) are given by
    tests."""

    def __init__(
        self,
        services: Services,
        *,
        plan: Plan = plan_with_outlook,
        run: Run = run_pull,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services, self._plan, self._run = services, plan, run
        self._sleep, self._wall, self._steady = sleep, wall, steady
        self._queue = Queue(services.home / "state", self._changed)
        self._beat: asyncio.Task[None] | None = None
        self._current: tuple[str, asyncio.Task[None]] | None = None
        self._ready, self._news, self._wake = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._version = 0
        self._clocks = (wall(), steady())
        self._saved = 0.0

    @property
    def state(self) -> DownloadsState:
        """The queue as it is known now."""
        return self._queue.state

    async def start(self) -> None:
        """Read the queue of the last run and begin to work. Safe to call twice."""
        if self._beat is None:
            self._beat = asyncio.create_task(self._work())
        await self._ready.wait()

    async def watch(self) -> AsyncIterator[DownloadsState]:
        """The queue whenever it has changed, at most five times a second."""
        await self.start()
        seen = -1
        while True:
            if seen == self._version:
                self._news.clear()
                await self._news.wait()
            seen = self._version
            yield self.state
            await asyncio.sleep(REPORT_EVERY_S)

    async def add(self, request: PullRequest) -> str:
        """Put a download into the queue; one that is there already goes on. Raises TransferError
        (source_address_password, source_address_wrong): the queue is a file, and gets no password."""
        if has_secret(request.source):
            code = "source_address_password" if "@" in request.source else "source_address_wrong"
            raise TransferError(code, address=public(request.source))
        await self.start()
        same = next((one for one in self._queue.entries if request_of(one) == request), None)
        if same is not None and same.state != DONE:
            await self.resume(same.id)
            return same.id
        folder = str(request.folder) if request.folder is not None else None
        entry = Entry(secrets.token_hex(6), request.target, request.source, QUEUED, request.target, folder)
        self._queue.own.add(entry.id)
        done = same.id if same is not None else ""
        await self._queue.change(lambda known: (*(one for one in known if one.id != done), entry))
        self._wake.set()
        return entry.id

    async def pause(self, item_id: str) -> None:
        """Stop it; everything that has arrived is kept."""
        if self._queue.state_of(item_id) not in UNDER_WAY:
            return
        await self._stop(item_id)
        if self._queue.state_of(item_id) in UNDER_WAY:  # it may have become complete
            done = self._queue.done_bytes(item_id)
            await self._queue.edit(item_id, state=PAUSED, done_bytes=done, error=None)

    async def resume(self, item_id: str) -> None:
        """Go on."""
        if self._queue.state_of(item_id) in (PAUSED, FAILED, WAITING):
            self._queue.own.add(item_id)
            self._queue.live(item_id).due = None
            await self._queue.edit(item_id, state=QUEUED, error=None, interrupted=False)
            self._wake.set()

    async def retry(self, item_id: str) -> None:
        """Try one that failed again."""
        await self.resume(item_id)

    async def move_up(self, item_id: str) -> None:
        """Let it come before the one that stands before it now."""

        def swapped(known: tuple[Entry, ...]) -> tuple[Entry, ...]:
            place = next((index for index, one in enumerate(known) if one.id == item_id), 0)
            if place == 0:
                return known
            return (*known[: place - 1], known[place], known[place - 1], *known[place + 1 :])

        await self._queue.change(swapped)

    async def cancel(self, item_id: str) -> None:
        """Stop it and throw away what is not complete; finished files stay. Raises AppError(file_unwritable)."""
        await self._stop(item_id)
        entry = self._queue.entry(item_id)
        if entry is None:
            return
        await self._queue.remove(item_id)
        if self._queue.working or entry.state != RUNNING:  # else the instance that runs it does
            await self._discard(entry)

    async def dismiss(self, item_id: str) -> None:
        """Take it out of the list; its files stay as they are."""
        await self._stop(item_id)
        await self._queue.remove(item_id)

    async def pause_all(self) -> None:
        """Before the models folder moves."""
        await self.start()
        rest = tuple(one.id for one in self._queue.entries if one.state in (QUEUED, WAITING))
        await self._queue.change(
            lambda known: tuple(
                replace(one, state=PAUSED, error=None) if one.id in rest else one for one in known
            )
        )
        for entry in self._queue.entries:
            await self.pause(entry.id)

    async def close(self) -> None:
        """The program ends. What is under way is remembered as such, and offered by the next start."""
        if self._beat is None:
            return
        self._beat.cancel()
        await asyncio.gather(self._beat, return_exceptions=True)
        if self._current is not None:
            item_id, task = self._current
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self._queue.state_of(item_id) == RUNNING:
                done = self._queue.done_bytes(item_id)
                await self._queue.edit(item_id, state=PAUSED, interrupted=True, done_bytes=done)
        self._queue.release()

    # The work.

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
                self._begin_next()
            except Exception:  # a mistake of this program; the queue goes on
                log.exception("the queue stumbled")
            self._ready.set()
            resting = [asyncio.ensure_future(self._sleep(LOOK_S)), asyncio.ensure_future(self._wake.wait())]
            try:
                await asyncio.wait(resting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in resting:
                    task.cancel()
                await asyncio.gather(*resting, return_exceptions=True)

    async def _look(self) -> None:
        """What other instances have changed; whether this one may work; who has waited long enough."""
        await self._queue.look()
        await self._obey()
        now, woken = self._steady(), self._woken()
        for entry in self._queue.entries:
            live = self._queue.live(entry.id)
            due = woken or live.due is None or now >= live.due
            if self._queue.working and entry.state == WAITING and due:
                await self._queue.edit(entry.id, state=QUEUED)
        if self._current is not None and now - self._saved >= SAVE_S:
            self._saved = now
            await self._queue.edit(self._current[0], done_bytes=self._queue.done_bytes(self._current[0]))

    async def _obey(self) -> None:
        """Another instance has paused, or cancelled, what runs here."""
        if self._current is None:
            return
        item_id = self._current[0]
        gone, plan = self._queue.entry(item_id) is None, self._queue.live(item_id).plan
        if gone or self._queue.state_of(item_id) == PAUSED:
            await self._stop(item_id)
        if gone and plan is not None:
            await asyncio.to_thread(
                discard, plan.folder, tuple(file.path for file in plan.files), self._services.models
            )

    def _woken(self) -> bool:
        """Whether the machine has slept since the last look; whether the steady clock counts that differs by system."""
        wall, steady = self._wall(), self._steady()
        passed, counted = wall - self._clocks[0], steady - self._clocks[1]
        self._clocks = (wall, steady)
        return passed - counted > SLEPT_S or counted > LOOK_S + SLEPT_S

    def _begin_next(self) -> None:
        if not self._queue.working or self._current is not None:
            return
        entry = next((one for one in self._queue.entries if one.state == QUEUED), None)
        if entry is None:
            return
        task = asyncio.create_task(self._one(entry))
        self._current = (entry.id, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._current is not None and self._current[1] is task:
            self._current = None
        self._wake.set()

    async def _one(self, entry: Entry) -> None:
        try:
            await self._fetch(entry)
        except AppError as error:
            await self._failed(entry.id, error)
        except Exception as error:  # a mistake of this program; the others go on
            log.exception("download failed unexpectedly")
            told = AppError("download_unexpected", detail=type(error).__name__)
            await self._failed(entry.id, told)

    async def _fetch(self, entry: Entry) -> None:
        live = self._queue.live(entry.id)
        live.progress = None
        await self._queue.change(
            lambda known: tuple(_begun(one) if one.id == entry.id else one for one in known)
        )
        if self._queue.state_of(entry.id) != RUNNING:  # paused, or gone, in the same moment
            return
        plan = live.plan = await self._plan(self._services, request_of(entry), pinned_of(entry))
        await self._queue.change(
            lambda known: tuple(planned(one, plan) if one.id == entry.id else one for one in known)
        )

        def report(progress: PullProgress) -> None:
            live.progress = progress
            if progress.rate:
                live.waits = 0
            self._changed()

        pulled = await self._run(self._services, plan, report)
        live.plan = pulled.plan
        total = sum(file.size for file in pulled.files) or plan.total_bytes
        await self._queue.edit(entry.id, state=DONE, done_bytes=total or 0, total_bytes=total)

    async def _failed(self, item_id: str, error: AppError) -> None:
        live, done = self._queue.live(item_id), self._queue.done_bytes(item_id)
        log.warning("download %s: %s", item_id, error)
        if _offline(error):
            live.due = self._steady() + WAITS_S[min(live.waits, len(WAITS_S) - 1)]
            live.waits += 1
            await self._queue.edit(item_id, state=WAITING, error=error_json(error), done_bytes=done)
        else:
            state = PAUSED if error.code in ROOM else FAILED
            await self._queue.edit(item_id, state=state, error=error_json(error), done_bytes=done)

    async def _stop(self, item_id: str) -> None:
        """End what works on it here."""
        if self._current is not None and self._current[0] == item_id:
            task = self._current[1]
            task.cancel()
            await asyncio.wait([task])

    async def _discard(self, entry: Entry) -> None:
        """Delete what is unfinished, also where the models folder has moved to meanwhile."""
        folders = [Path(entry.plan_folder)] if entry.plan_folder is not None else []
        if entry.folder is None and entry.pinned_repo is not None:
            folders.append(folder_of(self._services.models, entry.pinned_repo))
        for folder in dict.fromkeys(folders):
            await asyncio.to_thread(discard, folder, entry.files, self._services.models)

    def _changed(self) -> None:
        self._version += 1
        self._news.set()


def _begun(entry: Entry) -> Entry:
    """An entry whose turn has come."""
    if entry.state != QUEUED:
        return entry
    return replace(entry, state=RUNNING, error=None, interrupted=False)


def _offline(error: AppError) -> bool:
    """Whether it goes on by itself: there is no network, or a source that has trouble."""
    return error.code in ("download_no_network", "download_unreachable", "listing_unreachable")
