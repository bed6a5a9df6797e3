"""Moving the models folder: the models and downloads in it; whatever else lies there stays. On the same disk files are
renamed; to another disk all are copied and compared first, then the setting changes, then the old ones are deleted:
whatever ends it, every file is whole in one of the two places, and the same again goes on."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import AppError
from ..store import file_work, settings
from ..store.transfer.values import lock_of
from .disk_owner import clear_folders, movable, real
from .disk_run import Report, Work, in_thread, no_report
from .disk_use import free_bytes
from .services import Services

log = logging.getLogger(__name__)

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
    """``stamp``: size and time of change as it was copied; what has changed since is not deleted."""

    source: Path
    target: Path
    size: int
    allocated: int
    stamp: tuple[int, int]


async def move_models(services: Services, folder: Path, report: Report = no_report) -> Moved:
    """Move the models and downloads in the models folder to ``folder``. Downloads must be paused, a loaded model
    unloaded.

    Raises AppError (models_folder_gone, move_same_folder, move_into_itself, move_needs_own_folder, move_conflict,
    disk_full, folder_not_writable, copy_damaged, download_running, state_unwritable …). Cancelling keeps the old folder
    in use.
    """
    return await in_thread(lambda work: _move(services, folder.absolute(), work), report)


def _move(services: Services, folder: Path, work: Work) -> Moved:
    source = services.models
    if services.models_folder_gone:
        raise AppError("models_folder_gone", path=str(source))
    _check_place(services, source, folder)
    found = [path for path in movable(services.library) if not path.is_relative_to(folder)]
    items = [item for path in found if (item := _item(path, source, folder)) is not None]
    with contextlib.ExitStack() as held:
        for item in items:
            _hold(held, item.source)
        same_disk = _device(source) is not None and _device(source) == _device(folder)
        if not (same_disk and _rename_all(items, work, lambda: _choose(services, folder))):
            _check_room(folder, items)
            work.total = 2 * sum(item.size for item in items)
            for item in items:
                _copy(item, work)
            work.check()
            _choose(services, folder)
    left = _delete(items)
    clear_folders(source, (item.source.parent for item in items))
    return Moved(folder, len(items), sum(item.size for item in items), left)


def _check_place(services: Services, source: Path, folder: Path) -> None:
    """Raises AppError; makes the new folder."""
    try:
        there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        old, new = source.resolve(), folder.resolve()
        if not os.access(folder, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise AppError("folder_not_writable", path=str(folder), detail=error.strerror or "") from error
    code = None
    if old == new or (source.is_dir() and source.samefile(folder)):
        raise AppError("move_same_folder", path=str(folder))
    if new.is_relative_to(old):
        code = "move_into_itself"
    elif any(real(home).is_relative_to(new) for home in (services.home, *_home())):
        code = "move_needs_own_folder"
    if code is not None:
        if not there:
            with contextlib.suppress(OSError):
                folder.rmdir()  # made above
        raise AppError(code, path=str(folder), folder=str(source))


def _home() -> list[Path]:
    try:
        return [Path.home()]
    except RuntimeError:
        return []


def _item(path: Path, source: Path, folder: Path) -> _Item | None:
    """None for a link to nowhere. Raises AppError(file_unreadable)."""
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            log.info("not moved, a link to nowhere: %s", path)
            return None
        raise file_work.unreadable(path, error) from error
    stamp = (status.st_size, status.st_mtime_ns)
    return _Item(path, folder / path.relative_to(source), status.st_size, file_work.allocated(status), stamp)


def _hold(held: contextlib.ExitStack, path: Path) -> None:
    """Nobody downloads it until all is moved. Raises AppError(download_running)."""
    if not path.name.endswith(".part"):
        return
    target = path.with_name(path.name.removesuffix(".part"))
    try:
        held.enter_context(FileLock(str(lock_of(target)), timeout=0))
    except Timeout as error:
        raise AppError("download_running", path=str(target)) from error
    except OSError as error:
        raise file_work.unwritable(path, error) from error


def _rename_all(items: list[_Item], work: Work, choose: Callable[[], None]) -> bool:
    """Rename every file, then ``choose``; False where the disk turns out to be another one. What fails or is stopped is
    undone."""
    done: list[_Item] = []
    work.total = sum(item.size for item in items)
    try:
        for item in items:
            work.check()
            work.path = item.source
            if os.path.lexists(item.target):
                _check_conflict(item, work)  # an earlier try got so far; the old one goes at the end
            else:
                item.target.parent.mkdir(parents=True, exist_ok=True)
                _rename(item.source, item.target)
                done.append(item)
            work.told(item.size)
        choose()
    except BaseException as error:
        for item in reversed(done):
            _undo(item)
        work.done = 0
        if isinstance(error, OSError):
            if error.errno == errno.EXDEV:
                return False
            raise file_work.unwritable(Path(str(error.filename or items[0].target)), error) from error
        raise
    return True


def _rename(source: Path, target: Path) -> None:
    """Also of a link, which leads to the same afterwards. Raises OSError."""
    leads = source.readlink() if source.is_symlink() else None
    if leads is None or leads.is_absolute():
        source.rename(target)
        return
    target.symlink_to(source.parent.resolve() / leads)
    source.unlink()


def _undo(item: _Item) -> None:
    if os.path.lexists(item.source):
        log.warning("not moved back, as there is something again: %s", item.source)
        return
    with contextlib.suppress(OSError):
        item.target.rename(item.source)


def _check_conflict(item: _Item, work: Work) -> None:
    """Raises AppError: move_conflict where another file has the name, move_same_folder where it is the same one."""
    if item.target.is_file() and item.source.samefile(item.target):
        raise AppError("move_same_folder", path=str(item.target.parent))
    if not item.target.is_file() or not file_work.same_content(item.source, item.target, work.stop):
        raise AppError("move_conflict", path=str(item.target))


def _copy(item: _Item, work: Work) -> None:
    work.check()
    work.path = item.source
    if os.path.lexists(item.target):  # an earlier try got so far
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


def _delete(items: list[_Item]) -> tuple[Path, ...]:
    """Delete what was copied, unless it has changed since; returns what is left."""
    left = []
    taken = {item.target for item in items}
    for item in items:
        path = item.source
        try:
            if path in taken or not os.path.lexists(path):
                continue  # the new folder holds the old one; or it was renamed
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) != item.stamp:
                log.warning("left behind, as it has changed meanwhile: %s", path)
                left.append(path)
                continue
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("left behind: %s: %s", path, error)
            left.append(path)
    return tuple(left)


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None
