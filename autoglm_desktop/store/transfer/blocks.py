"""Which parts of a file are there, who fetches which, and what to fetch next. No I/O.

A file is cut into blocks. A lane (one connection) owns blocks while it fetches them; ``kept`` are the bytes that an
unfinished block has from its start. Blocks are handed out from the front, so that hashing in order keeps up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Blocks:
    """``size`` and ``block_bytes`` in bytes; ``done`` holds block numbers."""

    size: int
    block_bytes: int
    done: set[int] = field(default_factory=set)
    kept: dict[int, int] = field(default_factory=dict)
    owner: dict[int, object] = field(default_factory=dict)
    _front: int = 0

    @property
    def count(self) -> int:
        return -(-self.size // self.block_bytes)

    def start(self, index: int) -> int:
        return index * self.block_bytes

    def length(self, index: int) -> int:
        return min(self.block_bytes, self.size - index * self.block_bytes)

    @property
    def complete(self) -> bool:
        return len(self.done) == self.count

    @property
    def done_bytes(self) -> int:
        """Bytes on disk, those of unfinished blocks included."""
        whole = len(self.done) * self.block_bytes
        if self.count - 1 in self.done:
            whole -= self.block_bytes - self.length(self.count - 1)
        return whole + sum(self.kept.values())

    @property
    def front_bytes(self) -> int:
        """Bytes from the file's start that are there without a gap."""
        while self._front in self.done:
            self._front += 1
        return min(self._front * self.block_bytes, self.size)

    def keep(self, index: int, count: int) -> None:
        """An unfinished block has ``count`` bytes now."""
        if index not in self.done:
            self.kept[index] = count

    def finish(self, index: int) -> None:
        self.kept.pop(index, None)
        self.owner.pop(index, None)
        self.done.add(index)

    def claim(self, lane: object, most: int) -> list[int]:
        """The first free run of blocks, at most ``most``, now owned by ``lane``; else the later half of what another
        lane has not begun; empty where there is nothing left to take."""
        run: list[int] = []
        self.front_bytes  # noqa: B018 - moves the front on
        for index in range(self._front, self.count):
            free = index not in self.done and index not in self.owner
            if run and (not free or len(run) == most):
                break
            if free:
                run.append(index)
        run = run or self._stolen(most)
        for place, index in enumerate(run):
            if place and index in self.kept:  # a request starts behind what is kept: it can only come first
                run = run[:place]
                break
        for index in run:
            self.owner[index] = lane
        return run

    def _stolen(self, most: int) -> list[int]:
        """Blocks that their owner has not begun, from the longest run of one owner."""
        waiting: dict[int, list[int]] = {}
        for index in sorted(self.owner):
            waiting.setdefault(id(self.owner[index]), []).append(index)
        longest = max(waiting.values(), key=len, default=[])
        return longest[(len(longest) + 1) // 2 :][:most] if len(longest) > 1 else []

    def release(self, lane: object) -> None:
        """Give back what ``lane`` owns and did not finish."""
        for index in [index for index, owner in self.owner.items() if owner is lane]:
            del self.owner[index]

    def ranges(self) -> list[list[int]]:
        """``done`` as pairs [first, after the last], for the journal."""
        pairs: list[list[int]] = []
        for index in sorted(self.done):
            if pairs and pairs[-1][1] == index:
                pairs[-1][1] = index + 1
            else:
                pairs.append([index, index + 1])
        return pairs


def from_ranges(pairs: Iterable[Iterable[int]], count: int) -> set[int]:
    """``done`` of ``count`` blocks from the journal's pairs. Raises ValueError, TypeError where they are none."""
    found: set[int] = set()
    for first, after in pairs:
        found.update(range(max(0, first), min(after, count)))
    return found
