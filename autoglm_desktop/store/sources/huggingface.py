"""Hugging Face, its mirror, and any endpoint that speaks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from ...core.repository import Listing, RemoteFile, make_listing
from ..transfer.answers import Asked
from ..transfer.client import Limits
from ..transfer.place import Place
from ..transfer.web import WebPlace
from .hub import Token, ask, bytes_or_none, check_repo, commit_or_none, hex_or_none, token_of

MAX_PAGES = 500
MAX_ENTRIES = 200_000
DEFAULT_BRANCH = "main"


@dataclass(frozen=True)
class HuggingFace:
    """``endpoint``: an address without a slash at its end. ``token`` goes to that endpoint only. ``site``: where people
    make tokens and accept conditions (None: the endpoint); ``variable``: how a token can be given."""

    client: httpx.AsyncClient = field(repr=False)
    id: str
    endpoint: str
    token: Token = field(default=None, repr=False)
    limits: Limits = field(default=Limits(), repr=False)
    site: str | None = None
    variable: str = "HF_TOKEN"

    async def listing(self, repo: str, revision: str | None = None) -> Listing:
        """The repository at ``revision``, pinned to its commit. Raises TransferError."""
        quoted = check_repo(self.id, repo)
        asked, headers = await self._prepared(repo, revision)
        commit = await self._commit(quoted, revision, asked, headers)
        entries = await self._tree(quoted, commit, asked, headers)
        return make_listing(self.id, repo, commit, entries)

    async def commit(self, repo: str) -> str | None:
        """The default branch's commit now. Raises TransferError."""
        quoted = check_repo(self.id, repo)
        asked, headers = await self._prepared(repo, None)
        return await self._commit(quoted, None, asked, headers)

    def place(self, repo: str, commit: str | None, file: RemoteFile) -> Place:
        """Where to read a file of a listing from. Raises TransferError(repo_name_wrong)."""
        revision = quote(commit or DEFAULT_BRANCH, safe="")
        url = f"{self.endpoint}/{check_repo(self.id, repo)}/resolve/{revision}/{quote(file.path)}"
        asked = self._asked(repo, commit, file.path.rpartition("/")[2])
        return WebPlace(self.client, self.id, url, file, self._headers, asked, commit)

    async def _prepared(self, repo: str, revision: str | None) -> tuple[Asked, Mapping[str, str]]:
        headers = await self._headers()
        asked = self._asked(repo, revision or DEFAULT_BRANCH).having(headers.get("Authorization"))
        return asked, headers

    def _asked(self, repo: str, revision: str | None, name: str | None = None) -> Asked:
        site = self.site or self.endpoint
        return Asked(
            self.id, repo, f"{site}/{repo}", f"{site}/settings/tokens", self.variable, name, revision
        )

    async def _headers(self) -> Mapping[str, str]:
        token = await token_of(self.token)
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def _commit(
        self, quoted: str, revision: str | None, asked: Asked, headers: Mapping[str, str]
    ) -> str:
        revision = quote(revision or DEFAULT_BRANCH, safe="")
        url = f"{self.endpoint}/api/models/{quoted}/revision/{revision}"
        answer = await ask(self.client, url, headers, asked, self.limits)
        commit = commit_or_none(answer.data.get("sha")) if isinstance(answer.data, dict) else None
        if commit is None:
            raise asked.error("listing_unreadable", detail="sha")
        return commit

    async def _tree(
        self, quoted: str, commit: str, asked: Asked, headers: Mapping[str, str]
    ) -> list[RemoteFile]:
        """All pages. Raises TransferError, also for pages without an end."""
        base = f"{self.endpoint}/api/models/{quoted}/tree/{commit}"
        query: str | None = "recursive=True&expand=False"
        seen: set[str] = set()
        files: list[RemoteFile] = []
        while query is not None:
            if query in seen or len(seen) >= MAX_PAGES or len(files) > MAX_ENTRIES:
                raise asked.error("listing_unreadable", detail="pages without an end")
            seen.add(query)
            answer = await ask(self.client, f"{base}?{query}", headers, asked, self.limits)
            if not isinstance(answer.data, list):
                raise asked.error("listing_unreadable", detail="no list")
            files += [file for entry in answer.data if (file := _file(entry)) is not None]
            query = answer.next
        return files


def _file(entry: Any) -> RemoteFile | None:
    """One entry of a tree; None for folders and what can't be read."""
    if not isinstance(entry, dict) or entry.get("type") != "file" or not isinstance(entry.get("path"), str):
        return None
    lfs = entry.get("lfs")
    if isinstance(lfs, dict):
        size = bytes_or_none(lfs.get("size"))
        size = bytes_or_none(entry.get("size")) if size is None else size
        return RemoteFile(entry["path"], size, sha256=hex_or_none(lfs.get("oid"), 64))
    return RemoteFile(
        entry["path"], bytes_or_none(entry.get("size")), git_sha1=hex_or_none(entry.get("oid"), 40)
    )
