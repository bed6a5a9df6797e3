"""The only way between Qt and the asyncio loop that runs the use cases.

One background thread runs one loop. ``submit`` starts a coroutine there; what it returns, raises or reports arrives in
the GUI's thread as queued signals. No widget, model or connection crosses: only frozen values.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from ..core.errors import AppError

log = logging.getLogger(__name__)
T = TypeVar("T")
Report = Callable[[object], None]


class Job(QObject):
    """One piece of background work. Its signals arrive on the GUI's thread; exactly one of ``finished``, ``failed``,
    ``cancelled`` comes last. ``failed`` carries an AppError; anything else goes to ``Bridge.crashed``."""

    item = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()  # after each of the three

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self._bridge = bridge
        self.task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """Cancel the work; ``cancelled`` follows unless it was just done."""
        self._bridge.call(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Bridge(QObject):
    """Owns the loop's thread. ``close`` ends it."""

    crashed = Signal(object)  # an unexpected exception
    _deliver = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._deliver.connect(self._run_delivery, Qt.ConnectionType.QueuedConnection)
        self._loop = asyncio.new_event_loop()
        self._jobs: set[Job] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="usecases", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[Report], Coroutine[Any, Any, T]],
        on_result: Callable[[T], None] | None = None,
        on_error: Callable[[AppError], None] | None = None,
        on_item: Callable[[Any], None] | None = None,
    ) -> Job:
        """Run ``work(report)`` on the loop. ``report(value)`` may be called there; ``on_item`` gets it here."""
        job = Job(self)
        if on_result is not None:
            job.finished.connect(on_result)
        if on_error is not None:
            job.failed.connect(on_error)
        if on_item is not None:
            job.item.connect(on_item)
        self._jobs.add(job)
        self.call(lambda: self._start(job, work))
        return job

    def stream(
        self,
        work: Callable[[], AsyncIterator[Any]],
        on_item: Callable[[Any], None],
        on_end: Callable[[Any], None] | None = None,
        on_error: Callable[[AppError], None] | None = None,
    ) -> Job:
        """Run an async generator on the loop; every item arrives here. Cancelling closes the generator."""

        async def consume(report: Report) -> None:
            items = work()
            try:
                async for item in items:
                    report(item)
            finally:
                close = getattr(items, "aclose", None)
                if close is not None:
                    await close()

        return self.submit(consume, on_end, on_error, on_item)

    def call(self, function: Callable[[], object]) -> None:
        """Call a plain function on the loop's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def deliver(self, function: Callable[[], object]) -> None:
        """Call a plain function on the GUI's thread (from the loop's)."""
        if not self._closing:
            self._deliver.emit(function)

    def close(
        self, last: Callable[[], Coroutine[Any, Any, None]] | None = None, timeout: float = 10.0
    ) -> None:
        """Cancel all work, run ``last`` (ending the engine), stop the loop and join its thread."""
        if self._closing:
            return
        self._closing = True
        done = asyncio.run_coroutine_threadsafe(self._finish(last), self._loop)
        try:
            done.result(timeout)
        except concurrent.futures.TimeoutError:  # Python 3.10's own kind
            log.error("background work did not end within %.0f s", timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._loop_exception)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _finish(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        tasks = [job.task for job in self._jobs if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if last is not None:
            problem = (await asyncio.gather(last(), return_exceptions=True))[0]
            if isinstance(problem, BaseException):
                log.error("the end of background work failed", exc_info=problem)

    def _start(self, job: Job, work: Callable[[Report], Coroutine[Any, Any, Any]]) -> None:
        if self._closing:
            return
        job.task = self._loop.create_task(self._run(job, work))
        # A callback, as a task that is cancelled before its first step never runs a line of its own.
        job.task.add_done_callback(functools.partial(self._ended, job))

    async def _run(self, job: Job, work: Callable[[Report], Coroutine[Any, Any, Any]]) -> Any:
        def report(value: object) -> None:
            self.deliver(lambda: job.item.emit(value))

        return await work(report)

    def _ended(self, job: Job, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._end(job, job.cancelled.emit)
            return
        error = task.exception()
        if error is None:
            self._end(job, functools.partial(job.finished.emit, task.result()))
        elif isinstance(error, AppError):
            self._end(job, functools.partial(job.failed.emit, error))
        else:
            log.error("unexpected error in background work", exc_info=error)
            self._end(job, functools.partial(self.crashed.emit, error))

    def _end(self, job: Job, tell: Callable[[], object]) -> None:
        def finish() -> None:
            tell()
            job.ended.emit()
            job.deleteLater()

        self._jobs.discard(job)
        self.deliver(finish)

    def _run_delivery(self, function: Callable[[], object]) -> None:
        if not self._closing:
            function()

    def _loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.error("in the event loop: %s", context.get("message"), exc_info=error)
        if error is not None and not self._closing:
            self.deliver(lambda: self.crashed.emit(error))
