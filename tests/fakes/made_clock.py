"""made_: a clock whose every reading is a second later."""


class Clock:
    """Seconds since the epoch; ``now`` is the last reading."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1
        return self.now
