"""Gets one file: blocks from places that agree, a journal, verification, one rename.

The promise (docs/downloads.md): whatever happens, the file at its final path is exact, and an interrupted
download repeats at most one block per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import AppError
from ..locks import held
from . import journal
from .blocks import Blocks
from .client import Limits
from .crew import Crew
from .ending import to_the_end
from .part import PartFile, expected, matches
from .place import Place, TransferError
from .sizes import learn_size
from .values import Fetched, Report, TransferProgress, Wanted, lock_of, part_of

log = logging.getLogger(__name__)

DEFAULT = Limits()


def _ignore(_progress: TransferProgress) -> None:
    return


async def fetch(
    wanted: Wanted, places: Sequence[Place], report: Report = _ignore, limits: Limits = DEFAULT
) -> Fetched:
    """Get a file that is not there yet, or go on where an earlier run ended.

    All places that agree with ``wanted`` (size and sha256) are used at once. Cancelling keeps everything.
    Raises TransferError (download_…) and AppError (disk_full, file_unwritable, folder_not_writable …).
    """
    target = wanted.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with held(lock_of(target), lambda: report(TransferProgress("waiting", 0, wanted.size))):
            found = await _fetch(wanted, _agreeing(wanted, places), report, limits)
            with contextlib.suppress(OSError):  # Windows keeps it while it is held
                lock_of(target).unlink()
        if os.name == "nt":
            with contextlib.suppress(OSError):  # another instance holds it
                lock_of(target).unlink(missing_ok=True)
        return found
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("folder_not_writable", path=str(target.parent), detail=detail) from error


def _agreeing(wanted: Wanted, places: Sequence[Place]) -> list[Place]:
    """The places whose file is the wanted one: same size, same sha256. The small files that have git's hash only are
    told apart by size, and checked in the end; without any hash only the first place counts."""
    first, *others = places
    if wanted.sha256 is not None:
        return [first, *(p for p in others if p.sha256 == wanted.sha256 and wanted.size in (None, p.size))]
    if wanted.git_sha1 is not None:
        return [first, *(p for p in others if wanted.size is not None and p.size == wanted.size)]
    return [first]


async def _fetch(wanted: Wanted, places: list[Place], report: Report, limits: Limits) -> Fetched:
    if wanted.target.is_dir():
        raise AppError("file_unwritable", path=str(wanted.target), detail=os.strerror(errno.EISDIR))
    if await _already(wanted, report):
        await to_the_end(
            asyncio.to_thread(journal.forget, wanted)
        )  # of a process that ended right after the rename
        size = wanted.target.stat().st_size
        report(TransferProgress("done", size, size))
        return Fetched(_verified(wanted), size, 0, (), already=True)
    received, restarts = 0, 0
    while True:
        if wanted.size is None:
            wanted = await _learn_size(wanted, places, limits)
        crew = await _attempt(wanted, places, report, limits, restarts)
        received += crew.received_bytes
        if _right(crew.part, wanted):
            await to_the_end(asyncio.to_thread(_publish, wanted))
            report(TransferProgress("done", crew.blocks.size, crew.blocks.size, received, (), restarts))
            names = tuple(crew.delivered)
            return Fetched(_verified(wanted), crew.blocks.size, received, names, restarts)
        log.warning("%s is not what its hash says", wanted.target.name)
        await to_the_end(asyncio.to_thread(journal.remove, wanted))
        if restarts:
            raise TransferError("download_corrupt", name=wanted.target.name, source=places[0].name)
        restarts += 1
        places = _others(wanted, places, crew.delivered)


async def _learn_size(wanted: Wanted, places: list[Place], limits: Limits) -> Wanted:
    """From the first place that says it. Raises what the last one had to say."""
    for place in places[:-1]:
        try:
            return await learn_size(wanted, place, limits)
        except TransferError as error:
            log.warning("%s: %s", place.name, error)
    return await learn_size(wanted, places[-1], limits)


async def _attempt(
    wanted: Wanted, places: list[Place], report: Report, limits: Limits, restarts: int
) -> Crew:
    """Fetch every block and hash the file."""
    blocks = await asyncio.to_thread(journal.load, wanted)
    fresh = blocks is None
    if blocks is None:
        await to_the_end(asyncio.to_thread(journal.remove, wanted))
        blocks = Blocks(wanted.size or 0, limits.block_bytes)
    part = PartFile(wanted)
    stop = threading.Event()
    try:
        await part.open(blocks.size, fresh=fresh)
        crew = Crew(wanted, blocks, part, places, report, limits, restarts)
        await crew.run()
        if part.hash is not None:
            await _check(crew, stop, limits)
        return crew
    except AppError as error:
        if error.code != "disk_full_transfer":
            raise
        free = shutil.disk_usage(wanted.target.parent).free
        needed = blocks.size - blocks.done_bytes
        raise AppError("disk_full", path=str(wanted.target), needed_bytes=needed, free_bytes=free) from error
    finally:
        stop.set()
        await to_the_end(asyncio.to_thread(part.close))


async def _check(crew: Crew, stop: threading.Event, limits: Limits) -> None:
    """Hash what is not hashed yet, visibly."""
    work = asyncio.ensure_future(crew.part.check_to(crew.blocks.size, stop))
    try:
        while True:
            crew.tell("verify")
            done, _ = await asyncio.wait([work], timeout=limits.report_interval_s)
            if done:
                return work.result()
    finally:
        stop.set()


async def _already(wanted: Wanted, report: Report) -> bool:
    """Whether the file is there, complete and right."""
    if not wanted.target.is_file() or part_of(wanted.target).exists():
        return False
    stop = threading.Event()
    size = wanted.target.stat().st_size

    def told(count: int) -> None:
        report(TransferProgress("verify", size, size, checked_bytes=count))

    try:
        return await asyncio.to_thread(matches, wanted.target, wanted, stop, told)
    finally:
        stop.set()


def _right(part: PartFile, wanted: Wanted) -> bool:
    return part.hash is None or part.hash.hexdigest() == expected(wanted)


def _verified(wanted: Wanted) -> str:
    return "sha256" if wanted.sha256 else "git_sha1" if wanted.git_sha1 else "size"


def _others(wanted: Wanted, places: list[Place], delivered: dict[str, int]) -> list[Place]:
    """For the second try: without the place that most came from, if there is another one. Places that agree by size
    only are not mixed again: the first one is the one whose hash it is."""
    if wanted.sha256 is None and set(delivered) != {places[0].name}:
        return places[:1]
    most = max(delivered, key=lambda name: delivered[name], default=None)
    return [place for place in places if place.name != most] or places


def _publish(wanted: Wanted) -> None:
    """The verified file gets its name: one rename. Raises AppError(file_in_use, file_unwritable)."""
    try:
        journal.replace(part_of(wanted.target), wanted.target)
    except PermissionError as error:
        raise AppError("file_in_use", path=str(wanted.target)) from error
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("file_unwritable", path=str(wanted.target), detail=detail) from error
    _sync_folder(wanted.target.parent)  # before the journal goes: without both, everything would begin anew
    journal.forget(wanted)


def _sync_folder(folder: Path) -> None:
    """The rename is on the disk too (POSIX)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some file systems don't offer it
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
