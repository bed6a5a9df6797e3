"""What of a download is on disk already, and whether the rest fits. Reads files."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from ..core.errors import AppError
from ..core.repository import RemoteFile
from ..store import manifest
from ..store.transfer import journal
from ..store.transfer.part import matches
from ..store.transfer.values import Wanted, journal_of, lock_of, part_of

MARGIN_BYTES = 512 * 1024 * 1024
"""What stays free on the disk."""


def folder_of(models: Path, repo: str) -> Path:
    """Where a repository lies in the models folder."""
    return models.joinpath(*repo.split("/"))


def left(folder: Path, file: RemoteFile, commit: str | None) -> int | None:
    """Bytes of a file that are still to fetch; None where its size is not known."""
    if file.size is None:
        return None
    if is_here(folder, file, commit):
        return 0
    blocks = journal.load(_wanted(folder, file, commit))
    return file.size - (blocks.done_bytes if blocks is not None else 0)


def begun(folder: Path, file: RemoteFile, commit: str | None) -> bool:
    """Whether this very file is there, in part or whole."""
    return is_here(folder, file, commit) or journal.load(_wanted(folder, file, commit)) is not None


def changed_since(folder: Path, file: RemoteFile, commit: str | None) -> bool:
    """Whether an unfinished download of another version lies there, which is of no use any more."""
    return journal_of(folder / file.path).exists() and not begun(folder, file, commit)


def _wanted(folder: Path, file: RemoteFile, commit: str | None) -> Wanted:
    return Wanted(folder / file.path, file.size, file.sha256, file.git_sha1, commit)


def is_here(folder: Path, file: RemoteFile, commit: str | None) -> bool:
    """Whether an earlier download has verified this very file, and it still has its size. Without a hash, the same
    commit tells."""
    known = manifest.read(folder)
    entry = known.file(file.path) if known is not None else None
    if known is None or entry is None or entry.verified is None:
        return False
    if file.sha256 is not None and entry.sha256 is not None:
        same = entry.sha256 == file.sha256
    elif file.git_sha1 is not None and entry.git_sha1 is not None:
        same = entry.git_sha1 == file.git_sha1
    else:
        same = commit is not None and known.commit_of(entry) == commit
    try:
        size = (folder / file.path).stat().st_size
    except OSError:
        return False
    return same and size == entry.size and file.size in (None, size)


def identity(target: Path) -> tuple[int, int, int] | None:
    """What tells a file from the one that was there before under its name; None where there is none."""
    try:
        found = target.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def is_other(folder: Path, file: RemoteFile, repo: str) -> bool:
    """Whether a file lies there that no download from ``repo`` has put there. Only texts that no model needs may be
    another download's."""
    if not (folder / file.path).exists():
        return False
    known = manifest.read(folder)
    entry = known.file(file.path) if known is not None else None
    if known is None or entry is None:
        return True
    own = (known.repo_of(entry) or "").lower() == repo.lower()
    return not own and not file.path.lower().endswith(".md")


def require_no_other(folder: Path, file: RemoteFile, repo: str) -> None:
    """Raises AppError(move_conflict) where another file, by its size, lies where this one would."""
    target = folder / file.path
    if is_other(folder, file, repo) and (
        not target.is_file() or file.size not in (None, target.stat().st_size)
    ):
        raise AppError("move_conflict", path=str(target))


def require_same(wanted: Wanted, stop: threading.Event) -> None:
    """Raises AppError(move_conflict) where the file that lies there has another hash. Reads all of it."""
    same = not wanted.target.is_file() or matches(wanted.target, wanted, stop, lambda _count: None)
    if not same and not stop.is_set():
        raise AppError("move_conflict", path=str(wanted.target))


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


def discard(folder: Path, files: tuple[str, ...], models: Path) -> None:
    """Delete what is unfinished of a download, and folders below ``models`` that are empty then; a folder that the user
    named stays. Raises AppError(file_unwritable)."""
    try:
        for name in files:
            target = folder / name
            for path in (journal_of(target), part_of(target), lock_of(target)):
                path.unlink(missing_ok=True)
            fresh = journal_of(target)
            fresh.with_name(fresh.name + ".new").unlink(missing_ok=True)
        for place in dict.fromkeys((*((folder / name).parent for name in files), folder, folder.parent)):
            ours = place.is_relative_to(models) and place != models
            if ours and place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("file_unwritable", path=str(folder), detail=detail) from error
