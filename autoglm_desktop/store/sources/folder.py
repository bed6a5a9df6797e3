"""A folder or USB disk as a source: FOLDER/owner/repo, FOLDER/repo or FOLDER itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...core.repository import Listing, RemoteFile, check_path, make_listing
from .. import manifest
from ..manifest import Manifest
from ..transfer.client import MIB
from ..transfer.place import Place, Reply, TransferError
from .hub import bytes_or_none, check_repo, commit_or_none, hex_or_none

CHUNK_BYTES = MIB
MAX_FILES = 50_000
MAX_DEPTH = 6
CLOSE_S = 0.05
"""A disk that hangs may hold a read for long; whoever stops does not wait for it."""


@dataclass(frozen=True)
class FolderSource:
    """``folder`` holds one repository or several. A manifest of ours in it says the hashes."""

    folder: Path

    @property
    def id(self) -> str:
        return str(self.folder)

    async def listing(self, repo: str, revision: str | None = None) -> Listing:
        """The files that lie there; ``revision`` means nothing. Raises TransferError."""
        return await asyncio.to_thread(self._listing, repo)

    async def commit(self, repo: str) -> str | None:
        """The commit that the manifest names, if there is one."""
        return (await self.listing(repo)).commit

    def place(self, repo: str, commit: str | None, file: RemoteFile) -> Place:
        """Where to read a file of a listing from. Raises TransferError."""
        if check_path(file.path) is not None:
            raise TransferError("download_file_gone", source=self.id, repo=repo, name=file.path)
        return FolderPlace(self.id, self._root(repo) / file.path, file)

    def _root(self, repo: str) -> Path:
        check_repo(self.id, repo)
        owner, name = repo.split("/")
        for root in (self.folder / owner / name, self.folder / name):
            if root.is_dir():
                return root
        return self.folder

    def _listing(self, repo: str) -> Listing:
        root = self._root(repo)
        try:
            sizes = _walk(root)
        except OSError as error:
            raise self._gone(repo, error) from error
        told = manifest.read(root) or Manifest()
        entries = _entries(sorted(sizes.items()), told, repo if root == self.folder else None)
        listing = make_listing(self.id, repo, commit_or_none(told.commit), entries)
        if not listing.files:
            raise TransferError("folder_without_model", source=self.id, repo=repo)
        return listing

    def _gone(self, repo: str, error: OSError) -> TransferError:
        return TransferError(
            "folder_unreadable",
            source=self.id,
            repo=repo,
            path=str(self.folder),
            detail=error.strerror or str(error),
        )


def _walk(root: Path) -> dict[str, int]:
    """Sizes of the regular files below a folder, by their path with ``/``; no hidden folders, none that are links.
    Raises OSError."""

    def failed(error: OSError) -> None:
        raise error

    sizes: dict[str, int] = {}
    for place, folders, names in os.walk(root, onerror=failed):
        relative = Path(place).relative_to(root)
        deep = len(relative.parts) >= MAX_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            try:
                found = (Path(place) / name).stat()
            except OSError:  # a link to nowhere
                continue
            if stat.S_ISREG(found.st_mode):
                sizes[(relative / name).as_posix()] = found.st_size
        if len(sizes) > MAX_FILES:
            break
    return sizes


def _entries(found: list[tuple[str, int]], told: Manifest, repo: str | None) -> list[RemoteFile]:
    """Files with what the manifest says of them, less those that it says are of another repository than ``repo``. A
    size that differs stays the manifest's: reading then says what is wrong."""
    known = {file.path: file for file in told.files}
    entries = []
    for path, size in found:
        file = known.get(path)
        if file is None:
            entries.append(RemoteFile(path, size))
        elif repo is None or (told.repo_of(file) or repo).casefold() == repo.casefold():
            right = bytes_or_none(file.size)
            sha256, git_sha1 = hex_or_none(file.sha256, 64), hex_or_none(file.git_sha1, 40)
            entries.append(RemoteFile(path, size if right is None else right, sha256, git_sha1))
    return entries


@dataclass(frozen=True)
class FolderPlace:
    """A local file, read in a thread."""

    name: str
    path: Path
    file: RemoteFile

    @property
    def size(self) -> int | None:
        return self.file.size

    @property
    def sha256(self) -> str | None:
        return self.file.sha256

    def open(self, start: int, end: int | None) -> AbstractAsyncContextManager[Reply]:
        """Bytes ``start`` to ``end`` (exclusive; None: all). Raises TransferError."""
        return self._open(start, end)

    @contextlib.asynccontextmanager
    async def _open(self, start: int, end: int | None) -> AsyncIterator[Reply]:
        try:
            source, total = await asyncio.to_thread(self._opened, start)
        except OSError as error:
            raise self._gone(error) from error
        try:
            if self.size is not None and total != self.size:
                raise TransferError("folder_file_wrong", source=self.name, name=self.path.name)
            yield Reply(
                start, total, self._chunks(source, (total if end is None else min(end, total)) - start)
            )
        finally:
            closing = asyncio.get_running_loop().run_in_executor(None, source.close)
            await asyncio.wait([closing], timeout=CLOSE_S)

    def _opened(self, start: int) -> tuple[BinaryIO, int]:
        source = self.path.open("rb", buffering=0)
        try:
            total = os.fstat(source.fileno()).st_size
            source.seek(start)
        except BaseException:
            source.close()
            raise
        return source, total

    async def _chunks(self, source: BinaryIO, left: int) -> AsyncIterator[bytes]:
        while left > 0:
            try:
                chunk = await asyncio.to_thread(source.read, min(CHUNK_BYTES, left))
            except OSError as error:
                raise self._gone(error) from error
            if not chunk:
                raise TransferError("download_changed", source=self.name, name=self.path.name)
            left -= len(chunk)
            yield chunk

    def _gone(self, error: OSError) -> TransferError:
        """The disk was pulled out, or the file is not there any more."""
        if isinstance(error, FileNotFoundError) and self.path.parent.is_dir():
            return TransferError("download_file_gone", source=self.name, repo="", name=self.path.name)
        detail = error.strerror or type(error).__name__
        return TransferError(
            "folder_unreadable",
            source=self.name,
            repo="",
            path=str(self.path),
            detail=detail,
            name=self.path.name,
        )
