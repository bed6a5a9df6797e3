"""Stop strings in a stream: text that may be the start of one is held back until it is clear."""

from __future__ import annotations


class StopFilter:
    """Feed pieces of text; what comes out never contains a stop string or its beginning at the end."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """(text that may be shown now, whether a stop string was met)"""
        if not self._stops:
            return text, False
        self._held += text
        found = [
            (position + len(stop), position)
            for stop in self._stops
            if (position := self._held.find(stop)) >= 0
        ]
        if found:  # the one that is whole first, wherever the pieces were cut
            shown, self._held = self._held[: min(found)[1]], ""
            return shown, True
        keep = max(self._overlap(stop) for stop in self._stops)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown, False

    def rest(self) -> str:
        """What was held back when the stream ends without a stop."""
        shown, self._held = self._held, ""
        return shown

    def _overlap(self, stop: str) -> int:
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return length
        return 0
