"""A file at a hub: every request goes through the hub's address anew, since links to its CDN expire."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field

import httpx

from ...core.errors import Reason
from ...core.repository import RemoteFile
from .answers import LINK_GONE, Asked, failure, passing, refusal
from .place import Reply, TransferError, TryAgain

Headers = Callable[[], Awaitable[Mapping[str, str]]]

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_TEXTS = ("json", "md", "txt", "jinja")


async def _none() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class WebPlace:
    """``file`` as the listing says it, at ``url`` of the hub. ``headers`` gives those of the hub (its token); httpx
    leaves Authorization and Cookie out where a redirect leads elsewhere. ``commit``: the pinned one."""

    client: httpx.AsyncClient = field(repr=False)
    name: str
    url: str
    file: RemoteFile
    headers: Headers = field(default=_none, repr=False)
    asked: Asked | None = None
    commit: str | None = None

    @property
    def size(self) -> int | None:
        return self.file.size

    @property
    def sha256(self) -> str | None:
        return self.file.sha256

    def open(self, start: int, end: int | None) -> AbstractAsyncContextManager[Reply]:
        """Bytes ``start`` to ``end`` (exclusive; None: all). Raises TryAgain, TransferError."""
        return self._open(start, end)

    @contextlib.asynccontextmanager
    async def _open(self, start: int, end: int | None) -> AsyncIterator[Reply]:
        own = await self.headers()
        asked = self._asked("authorization" in {key.lower() for key in own})
        last = "" if end is None else str(end - 1)
        headers = {**own, "Accept-Encoding": "identity", "Range": f"bytes={start}-{last}"}
        try:
            request = self.client.build_request("GET", self.url, headers=headers)
            response = await self.client.send(request, stream=True, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise failure(error, asked) from error
        try:
            begin, total, whole = self._judge(response, start, asked)
            body = _nothing() if response.status_code == 416 else _chunks(response, asked)
            async with aclosing(body) as chunks:
                yield Reply(begin, total, chunks, whole)
        finally:
            await response.aclose()

    def _asked(self, with_token: bool) -> Asked:
        asked = self.asked or Asked(self.name, "", name=self.file.name)
        return asked.having("given" if with_token else None)

    def _judge(self, response: httpx.Response, start: int, asked: Asked) -> tuple[int, int | None, bool]:
        """(first byte, total, whether the whole file comes). Raises TryAgain, TransferError."""
        status = response.status_code
        if response.url.scheme != "https" and self._needs_https:
            raise asked.error("download_bad_address")
        if status == 416 and start == 0 and response.headers.get("content-range", "").strip() == "bytes */0":
            return 0, 0, True
        if status == 416:
            raise asked.error("download_changed")
        if status not in (200, 206):
            raise self._refused(response, asked)
        begin, total = (0, _length(response)) if status == 200 else _range(response, start)
        self._same_file(response, asked)
        self._is_the_file(response, total, asked)
        if self.size is not None and total not in (None, self.size):
            raise asked.error("download_changed")
        return begin, total, status == 200

    @property
    def _needs_https(self) -> bool:
        """Whether nothing but the line says that the file is right."""
        return self.sha256 is None and self.file.git_sha1 is None and self.url.lower().startswith("https:")

    def _refused(self, response: httpx.Response, asked: Asked) -> TryAgain | TransferError:
        status = response.status_code
        again = passing(status, response.headers)
        if again is not None:
            return again
        elsewhere = bool(response.history) and _origin(response.url) != _origin(httpx.URL(self.url))
        if elsewhere and status in LINK_GONE:
            return TryAgain(Reason.of("link_expired"))
        if elsewhere:
            return asked.error("download_refused", status=status)
        return refusal(status, response.headers, asked)

    def _is_the_file(self, response: httpx.Response, total: int | None, asked: Asked) -> None:
        """No page that a network or hub shows instead, and not encoded."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = self.file.path.rpartition(".")[2].lower() in _TEXTS
        page = kind in ("text/html", "application/xhtml+xml") or (kind == "application/json" and not text)
        if page and (total is None or total != self.size):
            raise TryAgain(Reason.of("answer_is_a_page"))
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise asked.error("download_encoded")

    def _same_file(self, response: httpx.Response, asked: Asked) -> None:
        """What the hub's own answer says of commit and hash, against what the listing said."""
        told = (response.history or [response])[0].headers
        commit = told.get("x-repo-commit", "").strip().lower()
        etag = told.get("x-linked-etag") or (told.get("etag", "") if commit else "")
        digest = etag.removeprefix("W/").strip('" ').lower()
        known = {40: self.file.git_sha1, 64: self.sha256}.get(len(digest))
        other = known is not None and _HASH.fullmatch(digest) and digest != known
        pinned = (self.commit or "").lower()
        moved = _HASH.fullmatch(commit) and _HASH.fullmatch(pinned) and commit != pinned
        if other or (moved and known is None):
            raise asked.error("download_changed")


async def _chunks(response: httpx.Response, asked: Asked) -> AsyncGenerator[bytes, None]:
    """The body as it arrives: a chunk size would hold bytes back, and lose them when an error comes."""
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except (httpx.HTTPError, OSError) as error:
        raise failure(error, asked) from error


async def _nothing() -> AsyncGenerator[bytes, None]:
    """The body of an empty file; that of a 416 tells of the error."""
    return
    yield b""


def _range(response: httpx.Response, start: int) -> tuple[int, int | None]:
    found = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if found is None or int(found[1]) != start:
        raise TryAgain(Reason.of("wrong_range"))
    return start, None if found[3] == "*" else int(found[3])


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "").strip()
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
