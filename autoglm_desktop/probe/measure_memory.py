"""How fast RAM is read by all cores together, in bytes/s."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MIB = 1 << 20
EACH_BYTES = 128 * MIB
"""Read by one thread: beyond the cache of a core; all of them together beyond the last level's."""
LEAST_TOTAL_BYTES = 512 * MIB
PASS_S = 0.1


def read_bandwidth(
    threads: int,
    available_bytes: int | None = None,
    limit_s: float = 2.0,
    check: Callable[[], None] = lambda: None,
) -> int | None:
    """The best of several passes within ``limit_s`` seconds; None where memory is too short to tell. ``check`` is
    called in between and may raise, to end it.

    Sums integers, which numpy does in native code without holding Python's lock, so the threads read at once. Takes an
    eighth of the available RAM at most.
    """
    import numpy as np

    threads = max(1, threads)
    total = max(LEAST_TOTAL_BYTES, threads * EACH_BYTES)
    if available_bytes is not None:
        total = min(total, available_bytes // 8)
    each = total // threads // 8
    if each * 8 < MIB:
        return None
    parts = []
    try:
        for _number in range(threads):
            check()
            parts.append(np.ones(each, dtype=np.int64))
    except MemoryError:
        return None
    best = 0.0
    deadline = time.perf_counter() + limit_s
    while time.perf_counter() < deadline:
        check()
        best = max(best, _one_pass(parts))
    return int(best) or None


def _one_pass(parts: list) -> float:  # type: ignore[type-arg]
    """Bytes/s of all threads reading for about PASS_S seconds, between a common start and the last one's end."""
    gate = threading.Barrier(len(parts) + 1)
    done = [0] * len(parts)
    until = [0.0]

    def read(number: int) -> None:
        part = parts[number]
        gate.wait()
        while True:
            part.sum()
            done[number] += part.nbytes
            if time.perf_counter() >= until[0]:
                return

    workers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(len(parts))]
    for worker in workers:
        worker.start()
    begun = time.perf_counter()
    until[0] = begun + PASS_S
    gate.wait()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - begun)
