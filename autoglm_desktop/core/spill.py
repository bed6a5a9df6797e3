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
    """``usual``: the best tokens/s that this engine has shown; None until it is known."""

    usual: float | None = None
    _times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW_TOKENS + 1))

    def begin(self) -> None:
        """A new answer: the time until its first token is no sign."""
        self._times.clear()

    def token(self, at: float, tokens: int) -> float | None:
        """``tokens`` were generated at ``at`` (seconds). How many times slower than usual the last WINDOW_TOKENS came,
        where that is FALLEN or more."""
        self._times.append((at, tokens))
        if len(self._times) <= WINDOW_TOKENS:
            return None
        seconds, count = at - self._times[0][0], tokens - self._times[0][1]
        if seconds <= 0 or count <= 0:
            return None
        speed = count / seconds
        if self.usual is None or speed > self.usual:
            self.usual = speed
            return None
        times = self.usual / speed
        return times if times >= FALLEN else None
