"""What the sources that speak HTTP share: asking for JSON, bounded and with tries; the token; checked values."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from ...core.errors import Reason
from ..transfer.answers import Asked, failure, passing, refusal
from ..transfer.client import MIB, Limits
from ..transfer.place import TransferError, TryAgain

Token = str | None | Callable[[], str | None]

MAX_LISTING_BYTES = 64 * MIB
MAX_LISTING_WAIT_S = 60.0
"""A listing is waited for by a person: a hub that wants a longer pause is said to be busy."""
LISTING_TRIES = 4
OFFLINE_TRIES = 2

_REPO = re.compile(r"[A-Za-z0-9_.][\w.\-]{0,127}/[\w.][\w.\-]{0,127}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """``data``: the JSON. ``next``: the query of the page that follows, None at the end."""

    data: Any
    next: str | None


async def token_of(token: Token) -> str | None:
    """The token now; asking for it (a keyring) happens in a thread."""
    found = await asyncio.to_thread(token) if callable(token) else token
    return found or None


def check_repo(source: str, repo: str) -> str:
    """``owner/name`` quoted for an address. Raises TransferError(repo_name_wrong)."""
    parts = repo.split("/")
    if not _REPO.fullmatch(repo) or any(part in (".", "..") for part in parts):
        raise TransferError("repo_name_wrong", source=source, repo=repo)
    return quote(repo)


def hex_or_none(value: object, digits: int) -> str | None:
    """A hash of so many digits in lower case; None for anything else."""
    if isinstance(value, str) and re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value, re.ASCII):
        return value.lower()
    return None


def bytes_or_none(value: object) -> int | None:
    """A file's size; None for anything that can't be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    return None


def commit_or_none(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and _COMMIT.fullmatch(value.lower()) else None


def keeps_secrets(address: str) -> bool:
    """Whether a token may be sent there: encrypted, or to this machine itself."""
    parts = urlsplit(address)
    host = (parts.hostname or "").partition("%")[0]
    try:
        return parts.scheme == "https" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def ask(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], asked: Asked, limits: Limits
) -> Answer:
    """GET some JSON; tries again what may pass. Raises TransferError."""
    try:
        return await _patiently(client, url, headers, asked, limits)
    except TransferError as error:
        if error.code in ("download_needs_token", "download_gated_no_token") and not keeps_secrets(url):
            raise asked.error("token_needs_https") from error
        raise


async def _patiently(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], asked: Asked, limits: Limits
) -> Answer:
    for round_ in range(LISTING_TRIES):
        try:
            return await _once(client, url, headers, asked)
        except TryAgain as error:
            last = OFFLINE_TRIES if error.offline else LISTING_TRIES
            wait = (
                min(limits.max_backoff_s, limits.backoff_s * 2**round_)
                if error.after is None
                else error.after
            )
            if round_ >= last - 1 or wait > MAX_LISTING_WAIT_S:
                raise _given_up(error, asked) from error
        await asyncio.sleep(wait)
    raise AssertionError("the last round raises or returns")


def _given_up(error: TryAgain, asked: Asked) -> TransferError:
    if error.offline:
        return asked.error("download_no_network", name=asked.repo)
    return asked.error("listing_unreachable", why=error.reason)


async def _once(client: httpx.AsyncClient, url: str, headers: Mapping[str, str], asked: Asked) -> Answer:
    request = client.build_request("GET", url, headers=dict(headers))
    try:
        response = await client.send(request, stream=True, follow_redirects=True)
        try:
            if url.startswith("https:") and response.url.scheme != "https":
                raise asked.error("download_bad_address")  # whoever listens could write the hashes
            _judge(response, asked)
            body = await _body(response, asked)
        finally:
            await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise failure(error, asked) from error
    try:
        data = await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError) as error:
        raise asked.error("listing_unreadable", detail=type(error).__name__) from error
    return Answer(data, _next(response))


def _judge(response: httpx.Response, asked: Asked) -> None:
    status = response.status_code
    if status != 200:
        raise passing(status, response.headers) or refusal(status, response.headers, asked)
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        raise TryAgain(Reason.of("answer_is_a_page"))


async def _body(response: httpx.Response, asked: Asked) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_LISTING_BYTES:
            raise asked.error("listing_unreadable", detail=f"> {MAX_LISTING_BYTES // MIB} MiB")
    return bytes(body)


def _next(response: httpx.Response) -> str | None:
    """The query of ``Link: <…>; rel="next"``. Only that: the page is asked for where the first one was."""
    try:
        link = response.links.get("next", {}).get("url")
        return httpx.URL(link).query.decode("ascii") or None if link else None
    except (httpx.InvalidURL, ValueError):
        return None
