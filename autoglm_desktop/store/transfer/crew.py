"""The lanes that fetch one file together: they share its blocks, its journal and its hash."""

from __future__ import annotations

import asyncio
import logging
import statistics
import threading
from collections.abc import Mapping, Sequence

from ...core.errors import AppError, Reason
from . import journal
from .blocks import Blocks
from .client import Limits
from .ending import to_the_end
from .lane import Lane, Surplus
from .part import PartFile
from .place import Place, Reply, TransferError, TryAgain
from .values import Report, TransferProgress, Wanted

log = logging.getLogger(__name__)

WATCH_S = 0.5


class Crew:
    """Fetches what is missing of one file. ``restarts``: how often the file began anew before."""

    def __init__(
        self,
        wanted: Wanted,
        blocks: Blocks,
        part: PartFile,
        places: Sequence[Place],
        report: Report,
        limits: Limits,
        restarts: int = 0,
    ) -> None:
        self.blocks, self.part, self.limits = blocks, part, limits
        self.delivered: dict[str, int] = {}
        self.received_bytes = 0
        self.ending = False
        self._wanted, self._places, self._report, self._restarts = wanted, list(places), report, restarts
        self._lanes: list[Lane] = []
        self._whole: dict[str, Lane] = {}
        self._pending: list[int] = []
        self._unsaved = 0
        self._saved = len(blocks.done)  # blocks that the journal has
        self._due = asyncio.Event()
        self._commit = asyncio.Lock()
        self._saving = threading.Lock()
        self._changed = asyncio.Event()
        self._stop_checking = threading.Event()

    async def run(self) -> None:
        """Until every block is on disk. Cancelling keeps everything. Raises TransferError, AppError."""
        helpers = [asyncio.create_task(work()) for work in (self._tell, self._watch, self._check, self._note)]
        tasks: dict[asyncio.Task[None], Lane] = {}
        try:
            while not self.blocks.complete:
                if not tasks:
                    self._start(tasks)
                done, _ = await asyncio.wait([*tasks, *helpers], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._ended(task, tasks)
        finally:
            self.ending = True
            self._stop_checking.set()
            await to_the_end(self._end([*tasks, *helpers]))
            self.tell("fetch")

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Nothing runs any more, and everything that arrived is written down."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.blocks.complete or self._saved < self.blocks.count:
            await self._settle()

    def _ended(self, task: asyncio.Task[None], tasks: dict[asyncio.Task[None], Lane]) -> None:
        """A lane ended; where its place cannot give the file at all, so do the others there."""
        if not task.cancelled():
            task.result()
        lane = tasks.pop(task, None)
        if lane is not None and self._whole.get(lane.place.name) is lane:
            del self._whole[lane.place.name]
        if lane is not None and isinstance(lane.error, TransferError):
            log.warning("%s gives no %s: %s", lane.place.name, self._wanted.target.name, lane.error)
            for other, found in tasks.items():
                if found.place is lane.place:
                    other.cancel()

    def _start(self, tasks: dict[asyncio.Task[None], Lane]) -> None:
        """Lanes to the places that were not tried yet: to all, or to as many as there are blocks. Raises
        TransferError where none is left."""
        tried = {lane.place.name for lane in self._lanes}
        fresh = [place for place in self._places if place.name not in tried]
        if not fresh:
            raise self._failure()
        missing = self.blocks.count - len(self.blocks.done)
        used = fresh[:missing]
        each = max(1, min(self.limits.connections, -(-missing // len(used))))
        for _ in range(each):
            for place in used:
                lane = Lane(self, place)
                self._lanes.append(lane)
                tasks[asyncio.create_task(lane.run())] = lane

    def _failure(self) -> TransferError:
        """Why no place could give the file: what is final says most."""
        errors = [lane.error for lane in self._lanes if lane.error is not None]
        final = [error for error in errors if isinstance(error, TransferError)]
        if final:
            return final[0]
        passing = [error for error in errors if isinstance(error, TryAgain)]
        name = self._wanted.target.name
        if not passing or all(error.offline for error in passing):
            return TransferError("download_no_network", name=name)
        told = next(error for error in passing if not error.offline)
        return TransferError("download_unreachable", name=name, why=told.reason)

    # What lanes call.

    async def take(self, lane: Lane, most: int) -> list[int]:
        """Blocks for a lane; waits while others have them all. Empty: the lane is done."""
        while not self.blocks.complete:
            if self._worth(lane):
                left = self.blocks.count - len(self.blocks.done)
                run = self.blocks.claim(lane, max(1, min(most, left // (2 * len(self._lanes)))))
                if run:
                    return run
            self._changed.clear()
            await self._changed.wait()
        return []

    def _worth(self, lane: Lane) -> bool:
        """Whether a lane would have a block before the others have everything."""
        others = sum(other.speed or 0.0 for other in self._lanes if other is not lane and other.active)
        if not lane.speed or not others:
            return True
        left = self.blocks.size - self.blocks.done_bytes
        return self.blocks.block_bytes / lane.speed <= max(1.0, left / others)

    def give_back(self, lane: Lane) -> None:
        self.blocks.release(lane)
        self._changed.set()

    async def finished(self, index: int) -> None:
        """A block is written: flush, then let the journal say so. Blocks that wait meanwhile share the next flush."""
        self._pending.append(index)
        async with self._commit:
            if index not in self.blocks.done:
                await self._write_down()

    def wrote(self, count: int) -> None:
        """A piece of a block was written. The journal is never more than a block behind."""
        self._unsaved += count
        if self._unsaved >= self.blocks.block_bytes:
            self._due.set()

    async def _write_down(self) -> None:
        batch, self._pending, self._unsaved = self._pending, [], 0
        self._due.clear()
        kept = dict(self.blocks.kept)  # written by now, so the flush takes in the other lanes' blocks too
        try:
            await self.part.flush()
        except BaseException:
            self._pending = [*batch, *self._pending]
            raise
        for block in batch:
            self.blocks.finish(block)
        await self._save(kept)
        self._changed.set()

    def received(self, lane: Lane, count: int) -> None:
        self.received_bytes += count
        self.delivered[lane.place.name] = self.delivered.get(lane.place.name, 0) + count

    def answered(self, lane: Lane, reply: Reply, start: int) -> None:
        """Whether an answer fits the file. Raises TransferError(download_changed), TryAgain, Surplus."""
        if reply.total is not None and reply.total != self.blocks.size:
            raise TransferError("download_changed", source=lane.place.name, name=self._wanted.target.name)
        if not reply.whole and reply.start != start:
            raise TryAgain(Reason.of("answer_of_another_range"))
        if reply.whole and self._whole.setdefault(lane.place.name, lane) is not lane:
            raise Surplus

    def cut_short(self) -> TryAgain:
        return TryAgain(Reason.of("answer_cut_short"))

    # What runs beside them.

    async def _tell(self) -> None:
        while True:
            self.tell("fetch")
            await asyncio.sleep(self.limits.report_interval_s)

    def tell(self, phase: str) -> None:
        """Report how far the file is."""
        active = [lane for lane in self._lanes if lane.active]
        waiting = [lane.waiting for lane in self._lanes if lane.waiting is not None]
        names = dict.fromkeys(lane.place.name for lane in active if lane.speed or lane.fresh)
        self._report(
            TransferProgress(
                phase,
                self.blocks.done_bytes,
                self.blocks.size,
                self.received_bytes,
                tuple(names),
                self._restarts,
                waiting[0].reason if waiting and not any(lane.fresh for lane in active) else None,
                self.part.checked,
            )
        )

    async def _watch(self) -> None:
        """Replace a connection that is much slower than its siblings are, or were in their last request."""
        while True:
            await asyncio.sleep(min(WATCH_S, self.limits.slow_after_s / 4))
            rates = {lane: lane.rate() for lane in self._lanes}
            for lane, rate in rates.items():
                others = [rates[other] or other.speed for other in self._lanes if other is not lane]
                siblings = [found for found in others if found]
                if rate is None or not siblings:
                    continue
                if rate < self.limits.slow_share * statistics.median(siblings):
                    lane.replace()

    async def _check(self) -> None:
        """Hash what is there from the file's start while the rest comes."""
        while self.part.hash is not None and not self.blocks.complete:
            if self.part.checked < self.blocks.front_bytes:
                await self.part.check_to(self.blocks.front_bytes, self._stop_checking)
            else:
                self._changed.clear()
                await self._changed.wait()
        await asyncio.Event().wait()

    async def _note(self) -> None:
        """Write down the beginnings of blocks as they grow. A disk that fails is met by the lanes as well."""
        while True:
            await self._due.wait()
            async with self._commit:
                if not self._due.is_set():
                    continue  # a block that was finished meanwhile took it along
                try:
                    await self._write_down()
                except AppError as error:
                    log.warning("the journal could not be written: %s", error)

    async def _settle(self) -> None:
        """The last journal: also the beginnings of unfinished blocks."""
        try:
            await self.part.flush()
            for block in self._pending:
                self.blocks.finish(block)
            await self._save(self.blocks.kept)
        except AppError as error:
            log.warning("the last journal could not be written: %s", error)

    async def _save(self, kept: Mapping[int, int]) -> None:
        data = journal.entry(self._wanted, self.blocks, kept)
        count = len(self.blocks.done)
        try:
            await self.part.run(self._save_now, data)
        except OSError as error:
            raise self.part.failure(error) from error
        self._saved = count

    def _save_now(self, data: dict[str, object]) -> None:
        """One at a time: the last one may come while one that was cancelled still runs."""
        with self._saving:
            journal.save(self._wanted, data)
