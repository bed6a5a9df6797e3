"""What of a download is on disk already, and whether the rest fits. Reads files."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..core.errors import AppError
from ..core.repository import RemoteFile
from ..store import manifest
from ..store.transfer import journal
from ..store.transfer.values import journal_of, lock_of, part_of

MARGIN_BYTES = 512 * 1024 * 1024
"""What stays free on the disk."""


def left(folder: Path, file: RemoteFile) -> int | None:
    """Bytes of a file that are still to fetch; None where its size is not known."""
    if file.size is None:
        return None
    if is_here(folder, file):
        return 0
    begun = journal.unfinished(journal_of(folder / file.path))
    return file.size - (begun.done_bytes if begun is not None and begun.size == file.size else 0)


def is_here(folder: Path, file: RemoteFile) -> bool:
    """Whether an earlier download has verified this very file, and it still has its size."""
    known = manifest.read(folder)
    entry = known.file(file.path) if known is not None else None
    if entry is None or entry.verified is None:
        return False
    same = entry.sha256 == file.sha256 if file.sha256 else entry.git_sha1 == file.git_sha1
    try:
        size = (folder / file.path).stat().st_size
    except OSError:
        return False
    return same and bool(file.sha256 or file.git_sha1) and size == file.size


def require_space(folder: Path, remaining: int) -> None:
    """Raises AppError(disk_full) where less than ``remaining`` and the margin are free on the folder's volume."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("folder_not_writable", path=str(folder), detail=detail) from error
    if free < remaining + MARGIN_BYTES:
        needed = remaining + MARGIN_BYTES
        raise AppError("disk_full", path=str(folder), needed_bytes=needed, free_bytes=free)


def have(folder: str | None, files: tuple[str, ...]) -> int:
    """Bytes of a download that are on disk, complete files and beginnings."""
    total = 0
    for name in files if folder is not None else ():
        target = Path(folder or "") / name
        begun = journal.unfinished(journal_of(target))
        if begun is not None:
            total += begun.done_bytes
        elif target.is_file():
            total += target.stat().st_size
    return total


def discard(folder: Path, files: tuple[str, ...]) -> None:
    """Delete what is unfinished of a download, and folders that are empty then. Raises AppError(file_unwritable)."""
    try:
        for name in files:
            target = folder / name
            for path in (journal_of(target), part_of(target), lock_of(target)):
                path.unlink(missing_ok=True)
            fresh = journal_of(target)
            fresh.with_name(fresh.name + ".new").unlink(missing_ok=True)
        for place in dict.fromkeys((*((folder / name).parent for name in files), folder, folder.parent)):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("file_unwritable", path=str(folder), detail=detail) from error
