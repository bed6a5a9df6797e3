"""When tokens come so much slower than before that the card's memory must have spilled. Pure.

Where a driver lets programs take more memory than a card has (Windows), what lies too much goes to the system's RAM
without a word, and everything becomes about ten times slower (docs/numbers.md, section 5; ollama #8723).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

FALLEN = 4.0
"""Times slower than before. A full context costs less than twice; a spill about ten times."""
WINDOW_TOKENS = 8


def taken(before: int | None, now: int | None, margin: int) -> int | None:
    """Bytes of a card that others have taken since the model was loaded, where they leave less than half of the plan's
    margin; None where they do not, or where nobody knows. ``before``: free right after loading."""
    if before is None or now is None or now * 2 >= margin or (before - now) * 2 < margin:
        return None
    return before - now


@dataclass
class SpeedWatch:
    """``usual``: the best tokens/s that this engine has shown; None until it is known.

    Where nobody could listen for a while (a terminal that was stopped, a busy machine), tokens come late and then all
    at once: neither is a sign of anything.
    """

    usual: float | None = None
    _times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW_TOKENS + 1))
    _late: float = 0.0  # seconds by which tokens came late, and have not come the sooner since

    def begin(self) -> None:
        """A new answer: the time until its first token is no sign."""
        self._times.clear()
        self._late = 0.0

    def token(self, at: float, tokens: int) -> float | None:
        """``tokens`` were generated at ``at`` (seconds). How many times slower than usual the last WINDOW_TOKENS came,
        the longest wait left out, where that is FALLEN or more."""
        self._times.append((at, tokens))
        gaps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self._times, list(self._times)[1:], strict=False)]
        if gaps and self.usual is not None:
            gap, expected = gaps[-1][0], gaps[-1][1] / self.usual
            if gap < expected or gap >= FALLEN * expected:
                self._late = max(0.0, self._late + gap - expected)
        if len(gaps) < WINDOW_TOKENS:
            return None
        gaps.remove(max(gaps))
        seconds, count = sum(gap for gap, _ in gaps), sum(more for _, more in gaps)
        if seconds <= 0 or count <= 0:
            return None
        speed = count / seconds
        if self.usual is None or speed > self.usual:
            if self._late <= 0:
                self.usual = speed
            return None
        times = self.usual / speed
        return times if times >= FALLEN else None
