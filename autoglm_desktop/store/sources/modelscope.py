"""ModelScope, and any endpoint that speaks the same. Its default branch is ``master``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from ...core.repository import Listing, RemoteFile, make_listing
from ..transfer.answers import Asked, refusal
from ..transfer.client import Limits
from ..transfer.place import Place
from ..transfer.web import WebPlace
from .hub import Token, ask, bytes_or_none, check_repo, commit_or_none, hex_or_none, token_of

DEFAULT_BRANCH = "master"
MAX_ENTRIES = 200_000
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class ModelScope:
    """``endpoint``: an address without a slash at its end. ``token`` goes to that endpoint only."""

    client: httpx.AsyncClient = field(repr=False)
    id: str
    endpoint: str
    token: Token = field(default=None, repr=False)
    limits: Limits = field(default=Limits(), repr=False)

    async def listing(self, repo: str, revision: str | None = None) -> Listing:
        """The repository at ``revision``, pinned to its commit where the hub tells it. Raises TransferError."""
        quoted = check_repo(self.id, repo)
        headers = await self._headers()
        asked = self._asked(repo, revision or DEFAULT_BRANCH).having(headers.get("Authorization"))
        query = f"Revision={quote(revision or DEFAULT_BRANCH, safe='')}&Recursive=True"
        url = f"{self.endpoint}/api/v1/models/{quoted}/repo/files?{query}"
        answer = await ask(self.client, url, headers, asked, self.limits)
        data, entries = _entries(answer.data, asked)
        if len(entries) > MAX_ENTRIES:
            raise asked.error("listing_unreadable", detail=f"> {MAX_ENTRIES}")
        files = [file for entry in entries if (file := _file(entry)) is not None]
        return make_listing(self.id, repo, _commit(data, entries, revision), files)

    async def commit(self, repo: str) -> str | None:
        """The default branch's commit now; None where the hub doesn't tell. Raises TransferError."""
        return (await self.listing(repo)).commit

    def place(self, repo: str, commit: str | None, file: RemoteFile) -> Place:
        """Where to read a file of a listing from. Raises TransferError(repo_name_wrong)."""
        revision = quote(commit or DEFAULT_BRANCH, safe="")
        query = f"Revision={revision}&FilePath={quote(file.path, safe='')}"
        url = f"{self.endpoint}/api/v1/models/{check_repo(self.id, repo)}/repo?{query}"
        asked = self._asked(repo, commit, file.path.rpartition("/")[2])
        return WebPlace(self.client, self.id, url, file, self._headers, asked, commit)

    def _asked(self, repo: str, revision: str | None, name: str | None = None) -> Asked:
        address, tokens = f"{self.endpoint}/models/{repo}", f"{self.endpoint}/my/myaccesstoken"
        return Asked(self.id, repo, address, tokens, "MODELSCOPE_API_TOKEN", name, revision)

    async def _headers(self) -> Mapping[str, str]:
        """The hub's older routes want the token as a cookie, the newer ones as a header."""
        token = await token_of(self.token)
        return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}


def _entries(answer: Any, asked: Asked) -> tuple[dict[str, Any], list[Any]]:
    """``Data`` and its files. Raises TransferError. A revision that is not there is a success without files."""
    if not isinstance(answer, dict):
        raise asked.error("listing_unreadable", detail="no object")
    code = answer.get("Code")
    if answer.get("Success") is False or code not in (None, 200):
        status = bytes_or_none(code)
        if status is not None and 400 <= status < 500:
            raise refusal(status, {}, asked)
        raise asked.error("download_refused", status="?" if status is None else status)
    data = answer.get("Data")
    files = data.get("Files") if isinstance(data, dict) else None
    if isinstance(data, dict) and files is None and "Files" in data:
        raise asked.error("download_revision_gone", revision=asked.revision)
    if not isinstance(data, dict) or not isinstance(files, list):
        raise asked.error("listing_unreadable", detail="Files")
    return data, files


def _file(entry: Any) -> RemoteFile | None:
    """One entry; None for folders and what can't be read. Size 0 is true only for the empty file's hash."""
    if not isinstance(entry, dict) or entry.get("Type") == "tree" or not isinstance(entry.get("Path"), str):
        return None
    sha256 = hex_or_none(entry.get("Sha256"), 64)
    size = bytes_or_none(entry.get("Size"))
    return RemoteFile(entry["Path"], size if size or sha256 == _EMPTY else None, sha256=sha256)


def _commit(data: Mapping[str, Any], entries: list[Any], revision: str | None) -> str | None:
    """The commit of the whole: files name the commit that changed them last, the newest one has the short id that
    ``LatestCommitter`` names. None where that can't be told."""
    wanted = commit_or_none(revision)
    if wanted is not None:
        return wanted
    own = {
        commit
        for entry in entries
        if isinstance(entry, dict) and (commit := commit_or_none(entry.get("Revision"))) is not None
    }
    latest = data.get("LatestCommitter")
    if isinstance(latest, dict):
        short = latest.get("Id") or latest.get("ShortId")
        if commit_or_none(short) is not None:
            return commit_or_none(short)
        if isinstance(short, str) and len(short) >= 7:
            found = [commit for commit in own if commit.startswith(short.lower())]
            return found[0] if len(found) == 1 else None
    return own.pop() if len(own) == 1 else None
