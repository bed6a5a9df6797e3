"""4-bit forms of model folders, which the transformers engine writes once and reads from then on: where they lie,
whether there is room for one, which there are, and how they go.

One lies under ``made/`` in the models folder; its name says of which files it was made, so one of other files is never
read. The engine itself compares its mark before it reads one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ..core.rungs import RungPlan
from ..core.units import format_bytes
from ..host import starts
from ..host.starts import Files
from ..store import safetensors
from ..store.library import Library
from ..store.model_walk import QUANTISED_MARK, folders
from .disk_use import free_bytes
from .made_projectors import MADE_FOLDER
from .pull_disk import MARGIN_BYTES
from .services import Services

log = logging.getLogger(__name__)

QUANTISATIONS = ("nf4", "nf4-lean")
"""What is written as a form (``protocol.Load.quantisation``)."""
PART = ".part"
ABANDONED_S = 600.0
"""A part that nothing was written to for this long is a leftover: an engine writes one without a pause."""
_NAME = re.compile(r"(?P<source>.+)-(?P<quantisation>nf4|nf4-lean)-(?P<stamp>[0-9a-f]{12})")


@dataclass(frozen=True)
class SavedForm:
    """A form that lies here. ``source``: the name of the folder that it was made of."""

    path: Path
    size_bytes: int
    source: str
    quantisation: str


async def place(
    services: Services, folder: Path, quantisation: str | None, need_bytes: int | None
) -> tuple[Path | None, bool]:
    """Where the form of a folder lies or is to be written (None: nowhere), and whether to write it where it is missing
    or damaged. ``need_bytes``: how large it will be; None: not known, so it is not written.

    What can never be read again (leftovers, forms of files that have changed since) is removed. Never raises for a
    disk that is full or can't be written: the model runs without.
    """
    if quantisation not in QUANTISATIONS or services.models_folder_gone or _is_demo(services, folder):
        return None, False
    return await asyncio.to_thread(_place, services.library, folder, quantisation, need_bytes)


def _is_demo(services: Services, folder: Path) -> bool:
    """It is quantised in a moment, and belongs to no folder of the user's."""
    return services.library.demo is not None and folder == services.library.demo.folder


async def files(services: Services, folder: Path, plan: RungPlan) -> Files:
    """What a plan of a model folder is loaded from: the folder, with its 4-bit form where the plan has one."""
    quantisation = starts.QUANTISATIONS.get(plan.rung)
    parts = [device.weights + device.projector for device in plan.memory.values()]
    saved, save = await place(services, folder, quantisation, sum(parts) or None)
    return Files(folder, saved=saved, save=save)


async def forms(services: Services) -> tuple[SavedForm, ...]:
    """All that lie here, by path."""
    return await asyncio.to_thread(made, services.library)


async def remove(services: Services, form: SavedForm) -> None:
    """Delete one. Raises AppError and TargetError as ``on_disk.remove``."""
    from . import on_disk  # which imports this module

    await on_disk.remove(services, await on_disk.removal(services, form.path))


def made(library: Library) -> tuple[SavedForm, ...]:
    """All that lie here, by path. Reads folders: for an executor."""
    found = []
    for owner in folders(library.models / MADE_FOLDER):
        for path in folders(owner):
            told = _NAME.fullmatch(path.name)
            if told is not None and is_form(path):
                size = sum(_size(file) for file in files_of(path))
                found.append(SavedForm(path, size, told["source"], told["quantisation"]))
    return tuple(found)


def is_form(path: Path) -> bool:
    """Whether a folder is a form that the engine has finished."""
    return (path / QUANTISED_MARK).is_file()


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of a form, and of what an interrupted writing left beside it."""
    found: list[Path] = []
    for folder in (path, _part(path)):
        if folder.is_dir() and not folder.is_symlink():
            found += sorted(file for file in folder.rglob("*") if not file.is_dir())
    return tuple(found)


def files_of_source(library: Library, folder: Path) -> tuple[Path, ...]:
    """The files of all forms of a model folder."""
    owner = _owner(library, folder)
    names = {path.name.removesuffix(PART) for path in folders(owner)}
    return tuple(file for name in sorted(names) if _NAME.fullmatch(name) for file in files_of(owner / name))


def where(library: Library, folder: Path, quantisation: str) -> Path:
    """The form's place, as the folder is now. Raises OSError."""
    return _owner(library, folder) / f"{_title(folder)}-{quantisation}-{_stamp(folder)}"


def _place(
    library: Library, folder: Path, quantisation: str, need_bytes: int | None
) -> tuple[Path | None, bool]:
    try:
        target = where(library, folder, quantisation)
    except OSError as error:
        log.info("no 4-bit form is kept of %s: %s", folder, error)
        return None, False
    _clean(target, quantisation)
    there = is_form(target)
    if _part(target).exists():
        log.info("another engine is writing %s", target)
        return (target if there else None), False
    free = free_bytes(library.models)
    room = need_bytes is not None and free is not None and free >= need_bytes + MARGIN_BYTES
    if not room and not there:
        told = [format_bytes(value) if value is not None else "unknown" for value in (need_bytes, free)]
        log.info("the 4-bit form of %s is not kept: it takes %s, %s are free", folder, *told)
    return (target if there or room else None), room


def _clean(target: Path, quantisation: str) -> None:
    """Remove leftovers, and forms of what the folder held before."""
    for path in folders(target.parent):
        told = _NAME.fullmatch(path.name.removesuffix(PART))
        if told is None or told["quantisation"] != quantisation or path.is_symlink():
            continue
        left = path.name.endswith(PART) and _idle_s(path) > ABANDONED_S
        old = not path.name.endswith(PART) and path != target and is_form(path)
        if left or old:
            shutil.rmtree(path, ignore_errors=True)
            log.info("%s: %s", "still there" if path.exists() else "removed", path)


def _idle_s(part: Path) -> float:
    """Seconds since something was written to it."""
    newest = max((_changed(path) for path in (part, *part.rglob("*"))), default=0.0)
    return time.time() - newest


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0  # it was just moved to its place


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _owner(library: Library, folder: Path) -> Path:
    """What a source's forms lie in. By the place in the models folder, so that they stay good when that is moved."""
    own = library.is_own(folder)
    told = folder.relative_to(library.models).as_posix() if own else str(folder.absolute())
    return library.models / MADE_FOLDER / hashlib.sha256(told.encode()).hexdigest()[:12]


def _title(folder: Path) -> str:
    """The source's name: of the repository where a hub's cache names a folder by its commit."""
    in_cache = folder.parent.name == "snapshots"
    return folder.parent.parent.name.rpartition("--")[2] if in_cache else folder.name


def _stamp(folder: Path) -> str:
    """What changes when weights, their index or the config do: names, sizes and times of change. Raises OSError."""
    told = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.lower()
            if name.endswith(safetensors.SUFFIX) or name in (safetensors.CONFIG, safetensors.INDEX):
                status = entry.stat()
                told.append(f"{entry.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(told)).encode()).hexdigest()[:12]
