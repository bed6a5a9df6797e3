"""Moving the models folder. On the same disk files are renamed; to another disk all are copied and compared first, then
the setting changes, then the old ones are deleted: whatever ends it, every file is whole in one of the two places, and
the same again goes on."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import AppError
from ..store import file_work, settings
from ..store.transfer.values import lock_of
from .disk_run import Report, Work, in_thread, no_report
from .disk_use import free_bytes
from .services import Services

log = logging.getLogger(__name__)

LOCK_SUFFIX = ".lock"
MARGIN_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Moved:
    """``folder`` is the models folder now; ``left``: files that could not be deleted at the old place."""

    folder: Path
    files: int
    bytes: int
    left: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Item:
    source: Path
    target: Path
    size: int
    allocated: int


async def move_models(services: Services, folder: Path, report: Report = no_report) -> Moved:
    """Move everything in the models folder to ``folder``. Downloads must be paused, a loaded model unloaded.

    Raises AppError (models_folder_gone, move_same_folder, move_into_itself, move_conflict, disk_full,
    folder_not_writable, copy_damaged, download_running, state_unwritable …). Cancelling keeps the old folder in use.
    """
    return await in_thread(lambda work: _move(services, folder.absolute(), work), report)


def _move(services: Services, folder: Path, work: Work) -> Moved:
    source = services.models
    if services.models_folder_gone:
        raise AppError("models_folder_gone", path=str(source))
    _check_place(source, folder)
    items = _items(source, folder)
    for item in items:
        _check_idle(item.source)
    same_disk = _device(source) is not None and _device(source) == _device(folder)
    total = sum(item.size for item in items)
    if same_disk and _rename_all(items, work):
        _choose(services, folder)
        return Moved(folder, len(items), total, _delete([item.source for item in items], source, folder))
    _check_room(folder, items)
    work.total = 2 * total
    for item in items:
        _copy(item, work)
    work.check()
    _choose(services, folder)
    return Moved(folder, len(items), total, _delete([item.source for item in items], source, folder))


def _check_place(source: Path, folder: Path) -> None:
    """Raises AppError; makes the new folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old, new = source.resolve(), folder.resolve()
        if not os.access(folder, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise AppError("folder_not_writable", path=str(folder), detail=error.strerror or "") from error
    if old == new or (source.is_dir() and source.samefile(folder)):
        raise AppError("move_same_folder", path=str(folder))
    if new.is_relative_to(old):
        with contextlib.suppress(OSError):
            folder.rmdir()  # made above
        raise AppError("move_into_itself", path=str(folder), folder=str(source))


def _items(source: Path, folder: Path) -> list[_Item]:
    """Every file with its new place; locks are left behind. Raises AppError(file_unreadable)."""

    def failed(error: OSError) -> None:
        raise AppError("file_unreadable", path=str(error.filename), detail=error.strerror or "") from error

    found: list[_Item] = []
    for place, folders, names in os.walk(source, onerror=failed) if source.is_dir() else ():
        folders[:] = [name for name in folders if Path(place, name) != folder]
        for name in names:
            path = Path(place, name)
            if name.endswith(LOCK_SUFFIX):
                continue
            try:
                status = path.stat()
            except OSError as error:
                if path.is_symlink():
                    log.info("not moved, a link to nowhere: %s", path)
                    continue
                raise file_work.unreadable(path, error) from error
            target = folder / path.relative_to(source)
            found.append(_Item(path, target, status.st_size, file_work.allocated(status)))
    return sorted(found, key=lambda item: item.source)


def _check_idle(path: Path) -> None:
    """Raises AppError(download_running) where an instance is downloading this file."""
    if not path.name.endswith(".part"):
        return
    target = path.with_name(path.name.removesuffix(".part"))
    try:
        with FileLock(str(lock_of(target)), timeout=0):
            pass
    except Timeout as error:
        raise AppError("download_running", path=str(target)) from error
    except OSError as error:
        raise file_work.unwritable(path, error) from error


def _rename_all(items: list[_Item], work: Work) -> bool:
    """Rename every file; False where the disk turns out to be another one. What fails or is stopped is undone."""
    done: list[_Item] = []
    work.total = sum(item.size for item in items)
    try:
        for item in items:
            work.check()
            work.path = item.source
            if item.target.exists():
                _check_conflict(item, work)  # an earlier try got so far; the old one goes at the end
            else:
                item.target.parent.mkdir(parents=True, exist_ok=True)
                item.source.rename(item.target)
                done.append(item)
            work.told(item.size)
    except BaseException as error:
        for item in reversed(done):
            with contextlib.suppress(OSError):
                item.target.rename(item.source)
        work.done = 0
        if isinstance(error, OSError):
            if error.errno == errno.EXDEV:
                return False
            raise file_work.unwritable(Path(str(error.filename or items[0].target)), error) from error
        raise
    return True


def _check_conflict(item: _Item, work: Work) -> None:
    """Raises AppError: move_conflict where another file has the name, move_same_folder where it is the same one."""
    if item.target.is_file() and item.source.samefile(item.target):
        raise AppError("move_same_folder", path=str(item.target.parent))
    if not item.target.is_file() or not file_work.same_content(item.source, item.target, work.stop):
        raise AppError("move_conflict", path=str(item.target))


def _copy(item: _Item, work: Work) -> None:
    work.check()
    work.path = item.source
    if item.target.exists():  # an earlier try got so far
        _check_conflict(item, work)
        work.told(2 * item.size)
        return
    sparse = item.source.name.endswith(".part")
    file_work.copy(item.source, item.target, work.stop, work.told, sparse=sparse)


def _check_room(folder: Path, items: list[_Item]) -> None:
    needed = sum(item.allocated for item in items if not item.target.exists()) + MARGIN_BYTES
    free = free_bytes(folder)
    if free is not None and needed > free:
        raise AppError("disk_full", path=str(folder), needed=needed, free=free)


def _choose(services: Services, folder: Path) -> None:
    if not settings.update(services.home, models_folder=str(folder)):
        path = services.home / "state" / "settings.json"
        raise AppError("state_unwritable", path=str(path), detail="settings")
    services.library.models = folder


def _delete(paths: list[Path], source: Path, folder: Path) -> tuple[Path, ...]:
    """Delete what was copied, then folders that are empty but for locks; returns what could not be deleted."""
    left = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("left behind: %s: %s", path, error)
            left.append(path)
    for place, _folders, names in os.walk(source, topdown=False):
        here = Path(place)
        if here == folder or folder.is_relative_to(here):
            continue
        with contextlib.suppress(OSError):
            if all(name.endswith(LOCK_SUFFIX) for name in names):
                for name in names:
                    (here / name).unlink()
            here.rmdir()
    return tuple(left)


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None
