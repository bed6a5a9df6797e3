"""Lock files that are waited for without blocking the loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_POLL_S = 0.3


@contextlib.asynccontextmanager
async def held(path: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock file; wait, cancellably, while another instance holds it, and call ``waiting`` meanwhile.

    Raises OSError.
    """
    lock = FileLock(str(path))
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            waiting()
            await asyncio.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()
