"""Any address: which of the two families it speaks is found out by asking for the repository itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from ...core.repository import Listing, RemoteFile
from ..transfer.place import Place, Reply, TransferError
from .huggingface import HuggingFace
from .modelscope import ModelScope

OTHER_FAMILY = frozenset(
    {
        "download_not_found",
        "download_refused",
        "download_needs_token",
        "listing_unreadable",
        "listing_unreachable",
    }
)
"""What a hub of the other family may answer to a question that it doesn't know."""


@dataclass
class Endpoint:
    """Asks as Hugging Face does, and where that is not understood as ModelScope does; remembers what worked."""

    id: str
    families: tuple[HuggingFace, ModelScope] = field(repr=False)
    spoken: HuggingFace | ModelScope | None = None

    async def listing(self, repo: str, revision: str | None = None) -> Listing:
        """The repository at ``revision``. Raises TransferError: that of the first family where none works."""
        if self.spoken is not None:
            return await self.spoken.listing(repo, revision)
        first, second = self.families
        try:
            found = await first.listing(repo, revision)
        except TransferError as error:
            if error.code not in OTHER_FAMILY:
                raise
            try:
                found = await second.listing(repo, revision)
            except TransferError:
                raise error from None
            self.spoken = second
            return found
        self.spoken = first
        return found

    async def commit(self, repo: str) -> str | None:
        """The default branch's commit now. Raises TransferError."""
        if self.spoken is None:
            return (await self.listing(repo)).commit
        return await self.spoken.commit(repo)

    def place(self, repo: str, commit: str | None, file: RemoteFile) -> Place:
        """Where to read a file of a listing from; asks first where no listing was asked for before."""
        if self.spoken is not None:
            return self.spoken.place(repo, commit, file)
        return _Undecided(self, repo, commit, file)


@dataclass(frozen=True)
class _Undecided:
    """A place of an endpoint that was not asked yet."""

    source: Endpoint
    repo: str
    commit: str | None
    file: RemoteFile

    @property
    def name(self) -> str:
        return self.source.id

    @property
    def size(self) -> int | None:
        return self.file.size

    @property
    def sha256(self) -> str | None:
        return self.file.sha256

    def open(self, start: int, end: int | None) -> AbstractAsyncContextManager[Reply]:
        return self._open(start, end)

    @contextlib.asynccontextmanager
    async def _open(self, start: int, end: int | None) -> AsyncIterator[Reply]:
        if self.source.spoken is None:
            await self.source.listing(self.repo, self.commit)
        async with self.source.place(self.repo, self.commit, self.file).open(start, end) as reply:
            yield reply
