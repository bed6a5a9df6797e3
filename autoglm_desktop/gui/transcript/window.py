"""Which messages of a conversation are in the document: those around what is read. Pure.

A block of text takes about 3 KB of memory once it is laid out, so long messages count for more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .entry import Entry

PORTION, PORTION_CHARACTERS = 40, 24_000
"""What is laid out when a conversation opens: so many messages, or fewer with so many characters."""

STEP, STEP_CHARACTERS = 12, 8_000
"""What is added when the reader comes near an end."""

MOST, MOST_CHARACTERS = 100, 60_000
"""What is laid out at most, but for one step more."""


@dataclass(frozen=True)
class Window:
    """Messages ``first`` to ``end`` (not included) of ``count``."""

    first: int
    end: int
    count: int

    @property
    def at_end(self) -> bool:
        return self.end == self.count


Size = Callable[[int], int]
"""Characters of the message at a place."""


def size_in(entries: Sequence[Entry]) -> Size:
    return lambda place: len(entries[place].text)


def at_end(count: int, size: Size) -> Window:
    return Window(_back(count, size, PORTION, PORTION_CHARACTERS), count, count)


def around(place: int, count: int, size: Size) -> Window:
    """With the message at ``place`` and its neighbours."""
    first = _back(place, size, STEP, STEP_CHARACTERS)
    end = max(_on(first, count, size, PORTION, PORTION_CHARACTERS), place + 1)
    return Window(first, end, count)


def earlier(window: Window, size: Size, *, growing: bool) -> Window:
    """With more before, and fewer behind; ``growing``: an answer is written at the end, which has to stay."""
    first = _back(window.first, size, STEP, STEP_CHARACTERS)
    end = _on(first, window.end, size, MOST, MOST_CHARACTERS)
    return Window(first, window.end if growing else max(end, window.first + 1), window.count)


def later(window: Window, size: Size) -> Window:
    """With more behind, and fewer before."""
    end = _on(window.end, window.count, size, STEP, STEP_CHARACTERS)
    return Window(min(_trimmed(window.first, end, size), window.end - 1), end, window.count)


def followed(first: int, count: int, size: Size) -> Window:
    """To the end of what is followed there, and fewer before."""
    return Window(_trimmed(first, count, size), count, count)


def _trimmed(first: int, end: int, size: Size) -> int:
    return max(first, _back(end, size, MOST, MOST_CHARACTERS))


def _back(place: int, size: Size, most: int, characters: int) -> int:
    """The first of the messages before ``place`` that keep to both limits, or of one that does not."""
    first, total = place, 0
    while first > 0 and place - first < most:
        total += size(first - 1)
        if total > characters and first < place:
            break
        first -= 1
    return first


def _on(place: int, count: int, size: Size, most: int, characters: int) -> int:
    """The same from ``place`` on: the end of them."""
    end, total = place, 0
    while end < count and end - place < most:
        total += size(end)
        if total > characters and end > place:
            break
        end += 1
    return end
