"""What every source of models can do."""

from __future__ import annotations

from typing import Protocol

from ...core.repository import Listing, RemoteFile
from ..transfer.place import Place


class Source(Protocol):
    """``id``: ``huggingface``, ``hf-mirror``, ``modelscope``, an endpoint's address, or a folder's path."""

    @property
    def id(self) -> str: ...

    async def listing(self, repo: str, revision: str | None = None) -> Listing:
        """The repository at ``revision`` (a branch or a commit; None: the default branch), pinned to its commit.

        Raises TransferError (download_not_found, download_needs_token, download_gated, download_no_network,
        download_refused, listing_unreadable …): one sentence each, ``source`` and ``repo`` among the values.
        """

    async def commit(self, repo: str) -> str | None:
        """The default branch's commit now (for the update check); None where the source knows none."""

    def place(self, repo: str, commit: str | None, file: RemoteFile) -> Place:
        """Where to read a file of a listing from."""
