"""Long work on files in a thread: it reports at most five times a second and stops soon after being cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..store.file_work import Stopped

T = TypeVar("T")
REPORT_EVERY_S = 0.2
STOP_WAIT_S = 0.25
"""How long a cancelled task waits for its thread; a disk that hangs may hold it for longer."""


@dataclass(frozen=True)
class DiskProgress:
    """Bytes done of all, and the file that is worked on."""

    done_bytes: int
    total_bytes: int
    path: Path | None = None


Report = Callable[[DiskProgress], None]


def no_report(_progress: DiskProgress) -> None:
    """For callers that show nothing."""


@dataclass
class Work:
    """What the thread gets: ``stop``, and ``told`` for the bytes of a piece of ``path``."""

    tell: Report
    total: int = 0
    path: Path | None = None
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _last: float = 0.0

    def told(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self._last >= REPORT_EVERY_S or self.done >= self.total:
            self._last = now
            self.tell(DiskProgress(min(self.done, self.total), self.total, self.path))

    def check(self) -> None:
        """Raises Stopped when it is to stop."""
        if self.stop.is_set():
            raise Stopped


async def in_thread(function: Callable[[Work], T], report: Report) -> T:
    """Run ``function`` in a thread; ``report`` is called on the loop. Cancelling stops it between two pieces."""
    loop = asyncio.get_running_loop()

    def tell(progress: DiskProgress) -> None:
        loop.call_soon_threadsafe(report, progress)

    work = Work(tell)
    running = loop.run_in_executor(None, function, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        work.stop.set()
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({running}, timeout=STOP_WAIT_S)
        raise
