"""Rates over the last seconds. Bytes, bytes/s, seconds of a clock that never goes back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 10.0
SETTLED_S = 1.0
"""Before that a rate says nothing."""


@dataclass
class Rate:
    """Bytes/s over the last WINDOW_S of a count that only grows."""

    _points: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, count: int) -> None:
        """``count``: all bytes so far."""
        self._points.append((now, count))
        while len(self._points) > 2 and self._points[1][0] <= now - WINDOW_S:
            self._points.popleft()

    def per_second(self) -> float | None:
        """None while it is too early to say."""
        if len(self._points) < 2:
            return None
        (first, before), (last, after) = self._points[0], self._points[-1]
        return (after - before) / (last - first) if last - first >= SETTLED_S else None


def time_left(remaining: int | None, rate: float | None) -> float | None:
    """Seconds; None while unknown, also when nothing comes."""
    if remaining is None or not rate:
        return None
    return remaining / rate
