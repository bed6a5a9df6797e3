"""Vision parts made smaller on this machine: made when a plan wants one, listed, removed.

One lies beside the file that it is made from, where that is in the models folder: it goes with its model. What is made
from another program's file lies in the models folder under ``made/``.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core import gguf_names, gguf_projector
from ..core.errors import AppError, TargetError
from ..store import gguf
from ..store.library import Library
from ..store.locks import held
from ..store.model_walk import models_below
from .services import Services

log = logging.getLogger(__name__)

MADE_FOLDER = "made"
LOCK_NAME = "made-projectors.lock"
KIND = "Q8_0"
Report = Callable[[float], None]


def _ignore(_fraction: float) -> None:
    return


@dataclass(frozen=True)
class MadeProjector:
    """A file that was made here. ``source``: the name of the one that it was made from."""

    path: Path
    size_bytes: int
    source: str


class _Stopped(Exception):
    pass


async def ready(services: Services, projector: Path, kind: str | None, report: Report = _ignore) -> Path:
    """The file to load a vision part from: ``projector`` itself, or for ``q8_0`` the one made from it, which is made
    now where it is missing or of an older file. Cancelling leaves nothing behind.

    Raises TargetError (projector_not_convertible, file_not_found …), AppError (disk_full, file_unwritable,
    folder_not_writable).
    """
    if kind != "q8_0":
        return projector
    header = await asyncio.to_thread(gguf.read_header, projector)
    if any(tensor.type == gguf_projector.Q8_0 for tensor in header.tensors):
        return projector
    target = place(services.library, projector)
    try:
        for folder in (target.parent, services.home / "state"):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with held(services.home / "state" / LOCK_NAME, lambda: None):
            if await asyncio.to_thread(_source, target) != gguf_projector.origin(header):
                await _make(projector, target, report)
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("folder_not_writable", path=str(target.parent), detail=detail) from error
    return target


def place(library: Library, projector: Path) -> Path:
    """Where the Q8_0 form of a vision part lies."""
    stem = gguf_names.with_type(projector.stem, KIND)
    if library.is_own(projector):
        return projector.with_name(f"{stem}.gguf")
    folder = hashlib.sha256(str(projector).encode()).hexdigest()[:12]
    return library.models / MADE_FOLDER / folder / f"{stem}.gguf"


def made(library: Library) -> tuple[MadeProjector, ...]:
    """All that were made here, by path. Reads headers: for an executor."""
    found = []
    for path in models_below(library.models):
        source = _source(path)
        if source is not None:
            found.append(MadeProjector(path, path.stat().st_size, source.rpartition(" ")[0]))
    return tuple(found)


def is_made(path: Path) -> bool:
    """Whether this program made the file, and can make it again."""
    return _source(path) is not None


async def _make(source: Path, target: Path, report: Report) -> None:
    """In a thread, which is told to stop and waited for where the task is cancelled."""
    from ..store.gguf_projector import write_q8_0  # numpy: kept out of the window's start

    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def told(fraction: float) -> None:
        if stop.is_set():
            raise _Stopped
        loop.call_soon_threadsafe(report, fraction)

    work = asyncio.ensure_future(asyncio.to_thread(write_q8_0, source, target, told))
    try:
        size = await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        if work.exception() is not None:
            log.info("making %s was stopped", target)
        raise
    log.info("%s: %d bytes made from %s", target, size, source)


def _source(path: Path) -> str | None:
    """What a file was made from; None also for one that is damaged, so that it is made afresh."""
    if path.suffix.lower() != ".gguf" or path.is_dir() or gguf_names.parse(path.name).type != KIND:
        return None  # by the name first: a header takes time
    try:
        return gguf_projector.made_from(gguf.read_header(path))
    except TargetError as error:
        log.info("not known what it was made from: %s", error)
        return None
