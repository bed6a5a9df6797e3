"""The queue of downloads as Qt sees it: a state that changes, and requests to it over the bridge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal

from ..core.downloads import (
    DONE,
    FAILED,
    PAUSED,
    QUEUED,
    RUNNING,
    WAITING,
    DownloadItem,
    DownloadsState,
    PullRequest,
)
from .bridge import Bridge, Job

UNDER_WAY = (RUNNING, WAITING, QUEUED)


class Queue(Protocol):
    """``usecases.downloads.Downloads``, as far as the window uses it. Everything runs on the bridge's loop."""

    async def add(self, request: PullRequest) -> str: ...

    async def pause(self, item_id: str) -> None: ...

    async def resume(self, item_id: str) -> None: ...

    async def cancel(self, item_id: str) -> None: ...

    async def retry(self, item_id: str) -> None: ...

    async def dismiss(self, item_id: str) -> None: ...

    async def pause_all(self) -> None: ...

    def watch(self) -> AsyncIterator[DownloadsState]: ...


class DownloadsModel(QObject):
    """``changed(DownloadsState)`` on every change, at most some times a second; ``arrived(DownloadItem)`` once
    for each that was completed while the window is there; ``failed(AppError)``: a request could not be done;
    ``deferred()``: it is done when the work on the folder is over (``resting``); ``cancelled()``: what had
    arrived of one is deleted."""

    changed = Signal(object)
    arrived = Signal(object)
    failed = Signal(object)
    deferred = Signal()
    cancelled = Signal()

    def __init__(self, bridge: Bridge, queue: Queue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._queue = bridge, queue
        self._watch: Job | None = None
        self._known = False
        self._gate, self._resting = asyncio.Lock(), False
        self.state = DownloadsState()

    def start(self) -> None:
        """Begin to listen; the first state follows."""
        if self._watch is None:
            self._watch = self._bridge.stream(self._queue.watch, self._show, on_error=self.failed.emit)

    def add(self, target: str, source: str) -> None:
        """Put ``MODEL:VARIANT`` or ``owner/repo:VARIANT`` into the queue. The same that rests with another source
        goes from the list: the new one goes on with what has arrived of it."""
        request = PullRequest(target, source)
        resting = [
            item.id
            for item in self.state.items
            if item.state in (PAUSED, WAITING, FAILED)
            and item.request.target == target
            and item.request != request
        ]

        async def work() -> None:
            await self._queue.add(request)
            for item_id in resting:
                await self._queue.dismiss(item_id)

        self._ask(work, begins=True)

    def pause(self, item_id: str) -> None:
        self._ask(lambda: self._queue.pause(item_id))

    def resume(self, item_id: str) -> None:
        self._ask(lambda: self._queue.resume(item_id), begins=True)

    def cancel(self, item_id: str) -> None:
        """Stop it and throw away what has arrived of it."""
        self._ask(lambda: self._queue.cancel(item_id)).ended.connect(self.cancelled)

    def retry(self, item_id: str) -> None:
        self._ask(lambda: self._queue.retry(item_id), begins=True)

    def dismiss(self, item_id: str) -> None:
        """Take one that is complete out of the list; its files stay."""
        self._ask(lambda: self._queue.dismiss(item_id))

    @contextlib.asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """For work on the folder that they lie in, on the loop: all are paused, and those that were under way go on
        afterwards. Nothing begins meanwhile."""
        async with self._gate:
            going = [item.id for item in self.state.items if item.state in UNDER_WAY]
            self._resting = True
            try:
                await self._queue.pause_all()
                yield
            finally:
                self._resting = False
                for item_id in going:
                    await self._queue.resume(item_id)

    def of_target(self, target: str) -> DownloadItem | None:
        """The entry for a target, whatever its case; one that is under way before one that is done."""
        wanted = target.casefold()
        found = [item for item in self.state.items if item.request.target.casefold() == wanted]
        return next((item for item in found if item.state != DONE), found[-1] if found else None)

    def _ask(self, work: Callable[[], Coroutine[Any, Any, object]], *, begins: bool = False) -> Job:
        async def run(_report: Callable[[object], None]) -> None:
            async with self._gate if begins else contextlib.nullcontext():
                await work()

        if begins and self._resting:
            self.deferred.emit()
        return self._bridge.submit(run, on_error=self.failed.emit)

    def _show(self, state: DownloadsState) -> None:
        before = {item.id: item.state for item in self.state.items}
        first, self._known = not self._known, True
        self.state = state
        self.changed.emit(state)
        for item in state.items:
            if item.state == DONE and not first and before.get(item.id) != DONE:
                self.arrived.emit(item)
