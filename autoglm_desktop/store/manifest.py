"""What a download left beside its files: ``FOLDER/.autoglm.json``, with the hashes that they had.

One folder may get several variants of a repository one after another; each adds its files. Replaced atomically under
a lock. Nothing in it is trusted: names that would lead out of the folder are left out.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from ..core.errors import AppError
from ..core.file_names import check_path
from ..core.machine import from_json

log = logging.getLogger(__name__)

NAME = ".autoglm.json"
LOCK_NAME = f"{NAME}.lock"
LOCK_TIMEOUT_S = 10.0
LEVELS = 4
"""A repository's files lie at most this deep below its manifest."""
MAX_BYTES = 16 * 1024 * 1024
_Change = Callable[["Manifest | None"], "Manifest | None"]


@dataclass(frozen=True)
class ManifestFile:
    """``path``: below the folder, with ``/``. Hashes are lower-case hex, None: not known. ``verified``: ``sha256``,
    ``git_sha1`` or ``size``. ``repo`` and ``commit``: only where they differ from the manifest's."""

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    verified: str | None = None
    repo: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class Manifest:
    """``repo``, ``source`` and ``commit`` of the latest download; None for files that were copied from a disk."""

    repo: str | None = None
    source: str | None = None
    commit: str | None = None
    files: tuple[ManifestFile, ...] = ()

    def file(self, path: str) -> ManifestFile | None:
        """The entry of a path below the folder."""
        return next((file for file in self.files if file.path == path), None)

    def commit_of(self, file: ManifestFile) -> str | None:
        """The commit a file came from."""
        return file.commit or self.commit

    def repo_of(self, file: ManifestFile) -> str | None:
        """The repository a file came from."""
        return file.repo or self.repo


def read(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none, or it can't be used (logged)."""
    path = folder / NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != 1:
            raise ValueError("not of schema 1")
        found = from_json(Manifest, data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        log.warning("manifest not used: %s: %s", path, error)
        return None
    return replace(found, files=tuple(file for file in found.files if check_path(file.path) is None))


@dataclass
class Manifests:
    """Reads each manifest once per change."""

    _read: dict[tuple[str, int, int], Manifest | None] = field(default_factory=dict)

    def read(self, folder: Path) -> Manifest | None:
        try:
            status = (folder / NAME).stat()
        except OSError:
            return None
        key = (str(folder), status.st_size, status.st_mtime_ns)
        if key not in self._read:
            self._read[key] = read(folder)
        return self._read[key]

    def of(self, path: Path, top: Path) -> tuple[Path, Manifest] | None:
        """The folder and the manifest that a file or folder belongs to, looked for upwards, at most to ``top``."""
        folder = path if path.is_dir() else path.parent
        for _ in range(LEVELS):
            found = self.read(folder)
            if found is not None:
                return folder, found
            if folder in (top, folder.parent):
                return None
            folder = folder.parent
        return None


def merge(folder: Path, manifest: Manifest) -> Manifest:
    """Add its files to the folder's manifest; those of the same path are replaced. Returns what is there now.

    Raises AppError(state_unwritable).
    """
    return _change(folder, lambda known: merged(known, manifest)) or manifest


def forget(folder: Path, paths: Iterable[str]) -> None:
    """Take files out; a manifest without files is deleted. Raises AppError(state_unwritable)."""
    gone = frozenset(paths)
    if (folder / NAME).exists():
        _change(folder, lambda known: known and without(known, gone))


def merged(known: Manifest | None, fresh: Manifest) -> Manifest:
    """``fresh`` with the files that only ``known`` has, each with what it came from."""
    if known is None:
        return fresh
    taken = {file.path for file in fresh.files}
    kept = [
        replace(
            file,
            repo=_unless_same(known.repo_of(file), fresh.repo),
            commit=_unless_same(known.commit_of(file), fresh.commit),
        )
        for file in known.files
        if file.path not in taken
    ]
    return replace(fresh, files=tuple(sorted((*kept, *fresh.files), key=lambda file: file.path)))


def without(known: Manifest, paths: frozenset[str]) -> Manifest | None:
    """The manifest less some files; None where none is left."""
    files = tuple(file for file in known.files if file.path not in paths)
    return replace(known, files=files) if files else None


def as_json(manifest: Manifest) -> dict[str, object]:
    """The file's document."""
    return {
        "schema": 1,
        "repo": manifest.repo,
        "source": manifest.source,
        "commit": manifest.commit,
        "files": [_file_json(file) for file in manifest.files],
    }


def _file_json(file: ManifestFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "git_sha1": file.git_sha1,
        "verified": file.verified,
    }
    more = {"repo": file.repo, "commit": file.commit}
    return entry | {key: value for key, value in more.items() if value is not None}


def _unless_same(value: str | None, other: str | None) -> str | None:
    return None if value == other else value


def _change(folder: Path, change: _Change) -> Manifest | None:
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / LOCK_NAME), timeout=LOCK_TIMEOUT_S):
            found = change(read(folder))
            if found is None:
                path.unlink(missing_ok=True)
            else:
                _replace(path, json.dumps(as_json(found), ensure_ascii=False, indent=1))
            return found
    except OSError as error:  # filelock's Timeout is one too
        raise AppError("state_unwritable", path=str(path), detail=error.strerror or str(error)) from error


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # a link would be written through
    with fresh.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
