"""One set-up at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RETRY_SECONDS = 0.2


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the lock file ``path``; ``on_wait`` is called once if another process holds it.

    Yields the file's descriptor: a child that inherits it keeps the lock (POSIX), so that a set-up whose
    launcher was killed is still waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        waited = False
        while not _try_lock(file.fileno()):
            if not waited:
                on_wait()
                waited = True
            time.sleep(_RETRY_SECONDS)
        yield file.fileno()


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
