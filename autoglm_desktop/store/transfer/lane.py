"""One connection to one place: takes blocks, reads them, tries again, gives up."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from ...core.errors import Reason
from .place import Place, Reply, TransferError, TryAgain

if TYPE_CHECKING:
    from .crew import Crew

log = logging.getLogger(__name__)

WRITE_BYTES = 1024 * 1024
WINDOW_S = 5.0
ENOUGH_BYTES = 256 * 1024
DISK_S = 0.05
LITTLE_BYTES = 16 * 1024
"""Less than this from a request that failed is no progress: at a byte for each request nothing ever ends."""


class Surplus(Exception):
    """A lane is not needed: its place sends whole files only, and another lane reads it already."""


class Lane:
    """Runs until nothing is left to fetch, or its place has failed too often. ``error`` says why it ended early."""

    def __init__(self, crew: Crew, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self.crew = crew
        self.place = place
        self.error: TransferError | TryAgain | None = None
        self.waiting: TryAgain | None = None
        self.busy_since: float | None = None
        self._clock = clock
        self._request: asyncio.Task[None] | None = None
        self._replaced = False
        self._arrivals: deque[tuple[float, int]] = deque()
        self._received = 0
        self._in_request = 0
        self._seen_block = False
        self._at_disk = False
        self.speed: float | None = None
        """Bytes/s of the last request that brought a block."""

    @property
    def fresh(self) -> bool:
        """Whether bytes came within the last seconds."""
        return bool(self._arrivals) and self._arrivals[-1][0] > self._clock() - 2

    @property
    def active(self) -> bool:
        """Whether bytes come, or may come, right now."""
        return self._request is not None

    def rate(self) -> float | None:
        """Bytes/s over the last seconds of the current request; None where it waits for the disk or is too young."""
        now = self._clock()
        if self._at_disk:
            return None
        while self._arrivals and self._arrivals[0][0] < now - WINDOW_S:
            self._arrivals.popleft()
        if self.busy_since is None or now - self.busy_since < self.crew.limits.slow_after_s:
            return None
        return sum(count for _, count in self._arrivals) / min(WINDOW_S, now - self.busy_since)

    def replace(self) -> None:
        """End the current request; its blocks are free again."""
        if self._request is not None:
            self._replaced = True
            self._request.cancel()

    async def run(self) -> None:
        failures = 0
        limits = self.crew.limits
        while True:
            run = await self.crew.take(self, limits.span_blocks if self._seen_block else 1)
            if not run:
                return
            before = self._received
            try:
                await self._fetch(run)
                failures = 0
            except Surplus:
                return
            except TransferError as error:
                self.error = error
                return
            except TryAgain as error:
                failures = 1 if self._received - before >= LITTLE_BYTES else failures + 1
                log.info("%s: %s (%d)", self.place.name, error.reason, failures)
                if failures >= limits.tries:
                    self.error = error
                    return
                await self._wait(error, failures)
            finally:
                self.crew.give_back(self)

    async def _wait(self, error: TryAgain, failures: int) -> None:
        """Not where a good piece came: a line that breaks often is asked again at once. A slow one leaves its block
        to its siblings."""
        limits = self.crew.limits
        if error.after is None and self._in_request >= ENOUGH_BYTES and not self._replaced:
            return
        grown = min(limits.max_backoff_s, limits.backoff_s * 2 ** (failures - 1))
        pause = grown * random.uniform(0.7, 1.3)
        if error.after is not None:
            pause = min(limits.max_retry_after_s, error.after)
        self.waiting = error
        self.crew.give_back(self)
        try:
            await asyncio.sleep(pause)
        finally:
            self.waiting = None

    async def _fetch(self, run: list[int]) -> None:
        """Ask for a run of blocks in a task of its own, so that ``replace`` can end it."""
        self._replaced = False
        self._arrivals.clear()
        self._in_request = 0
        self.busy_since = self._clock()
        self._request = asyncio.create_task(self._read(run))
        try:
            await self._request
        except asyncio.CancelledError:
            if not self._replaced or self.crew.ending:
                raise
            raise TryAgain(Reason.of("connection_slow")) from None
        finally:
            if not self._request.done():
                self._request.cancel()
            self._request, self.busy_since = None, None

    async def _read(self, run: list[int]) -> None:
        blocks = self.crew.blocks
        start = blocks.start(run[0]) + blocks.kept.get(run[0], 0)
        end = blocks.start(run[-1]) + blocks.length(run[-1])
        async with self.place.open(start, end) as reply:
            self.crew.answered(self, reply, start)
            if reply.whole:
                await self._whole(reply)
            else:
                await self._blocks(reply.chunks, run)

    async def _blocks(self, chunks: AsyncIterator[bytes], run: list[int]) -> None:
        """The blocks one after the other, as long as they are still ours."""
        blocks = self.crew.blocks
        rest = b""
        stream = chunks.__aiter__()
        for index in run:
            if blocks.owner.get(index) is not self:
                return  # another lane had nothing left to do and took it
            rest = await self._block(stream, index, rest)
            self._seen_block = True
            if self.busy_since is not None and self._clock() > self.busy_since:
                self.speed = self._in_request / (self._clock() - self.busy_since)

    async def _block(self, stream: AsyncIterator[bytes], index: int, rest: bytes) -> bytes:
        """Fill one block; returns what came beyond its end."""
        blocks, part = self.crew.blocks, self.crew.part
        at = blocks.kept.get(index, 0)
        length = blocks.length(index)
        chunks, held = ([rest], len(rest)) if rest else ([], 0)
        try:
            while at + held < length:
                chunk = await anext(stream, None)
                if chunk is None:
                    raise self.crew.cut_short()
                self._arrived(len(chunk))
                chunks.append(chunk)
                held += len(chunk)
                if held >= WRITE_BYTES and at + held < length:
                    data, chunks, size, held = chunks, [], held, 0
                    await self._disk(part.write(blocks.start(index) + at, data))
                    at += size
                    blocks.keep(index, at)
                    self.crew.wrote(size)
        except BaseException:
            self._save_held(index, at, chunks)
            raise
        last = b"".join(chunks)
        await self._disk(part.write(blocks.start(index) + at, [last[: length - at]]))
        await self._disk(self.crew.finished(index))
        return last[length - at :]

    async def _disk(self, work: Awaitable[None]) -> None:
        """Wait for the disk; a slow one does not make a connection slow."""
        begun, self._at_disk = self._clock(), True
        try:
            await work
        finally:
            self._at_disk = False
            waited = self._clock() - begun
            if waited > DISK_S and self.busy_since is not None:
                self.busy_since += waited
                self._arrivals = deque((at + waited, count) for at, count in self._arrivals)

    def _save_held(self, index: int, at: int, chunks: list[bytes]) -> None:
        """What has arrived is not thrown away, whatever happened."""
        data = b"".join(chunks)
        if data:
            self.crew.part.write_now(self.crew.blocks.start(index) + at, data)
            self.crew.blocks.keep(index, at + len(data))

    async def _whole(self, reply: Reply) -> None:
        """The place sends whole files only: one plain stream; what is there already is read past."""
        blocks = self.crew.blocks
        stream = reply.chunks.__aiter__()
        rest = b""
        for index in range(blocks.count):
            free = index not in blocks.done and blocks.owner.get(index) in (None, self)
            if free:
                blocks.owner[index] = self
            skip = blocks.kept.get(index, 0) if free else blocks.length(index)
            rest = await self._skip(stream, skip, rest)
            if free:
                rest = await self._block(stream, index, rest)
            if blocks.complete:
                return

    async def _skip(self, stream: AsyncIterator[bytes], count: int, rest: bytes) -> bytes:
        have = rest
        while len(have) < count:
            count -= len(have)
            chunk = await anext(stream, None)
            if chunk is None:
                raise self.crew.cut_short()
            self._arrived(len(chunk), new=False)
            have = chunk
        return have[count:]

    def _arrived(self, count: int, *, new: bool = True) -> None:
        if new:
            self._received += count
        self._in_request += count
        self._arrivals.append((self._clock(), count))
        self.crew.received(self, count)
