"""Who may call: ``Host`` and ``Origin`` against foreign web pages, and the key."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..usecases.serve import LOOPBACK_NAMES, ServeOptions, is_loopback
from .access_log import client_of
from .errors import ApiError
from .wrong_keys import WrongKeys

OPEN_PATHS = ("/health",)
"""Answered without a key: probes of balancers have none."""
WHERE = 'in the setting "Allowed hosts" on the Service page, or with AUTOGLM_ALLOWED_HOSTS'
UNCLEAR = (400, 431)
"""After these the connection is closed: what comes next on it may be a part of this request."""
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/?#@\[\]\\]+))(?::[0-9]{1,5})?", re.ASCII)


class Guard:
    """ASGI middleware around the whole application; refuses before anything is read. A wrong key waits for its answer,
    the right one never does, also where both come from one address."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._names = allowed_names(options)
        self._key = options.api_key
        self._head_limit = options.head_limit
        self._wrong = WrongKeys(*options.wrong_key_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._check(Headers(scope=scope), scope, receive)
            except ApiError as error:
                closing = {"Connection": "close"} if error.status in UNCLEAR else None
                await error.response(closing)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _check(self, headers: Headers, scope: Scope, receive: Receive) -> None:
        check_framing(headers, self._head_limit)
        is_open = scope["path"] in OPEN_PATHS
        check_origin(headers, self._names, nameless=is_open)
        given = headers.get("authorization", "")
        if key_matches(given, self._key):
            return
        if given or not is_open:  # /health tells more to the right key: it is no place to try keys at, either
            with self._wrong.told(client_of(scope)) as wait_s:
                await _unless_gone(receive, wait_s)
        if not is_open:
            text = (
                "A key is needed: Authorization: Bearer KEY (on the Service page, or as serve was given it)."
            )
            raise ApiError(401, text, code="invalid_api_key")


def check_framing(headers: Headers, limit: int) -> None:
    """Raises ApiError: 400 for two lengths of one body, which a proxy may read in the other way (smuggling); 431 for
    headers of more than ``limit`` bytes: h11 limits only heads that come in pieces."""
    if "transfer-encoding" in headers and "content-length" in headers:
        text = "Transfer-Encoding and Content-Length may not stand in one request."
        raise ApiError(400, text, code="invalid_request")
    if sum(len(name) + len(value) for name, value in headers.raw) > limit:
        raise ApiError(431, f"The headers are larger than {limit} bytes.", code="headers_too_large")


def check_origin(headers: Headers, names: frozenset[str], *, nameless: bool = False) -> None:
    """Raises ApiError (403): a request of a foreign web page, or to a name that was bound to this machine by one.
    ``nameless``: no ``Host`` at all is all right; probes of balancers send HTTP/1.0 without one, browsers never do."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not (nameless and "host" not in headers) and not host_allowed(host, names):
        text = f"The Host header names another machine; allow its name {WHERE}."
        raise ApiError(403, text, code="host_not_allowed")
    foreign = origin is not None and not origin_allowed(origin, host, names)
    # Pictures and scripts of a page come without Origin, but browsers say where they come from.
    hidden = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if foreign or (origin is None and hidden):
        text = f"Web pages of this origin may not use the service; allow its host {WHERE}."
        raise ApiError(403, text, code="origin_not_allowed")


def allowed_names(options: ServeOptions) -> frozenset[str]:
    """Host names of this service: loopback, the address listened on, and those of the setting."""
    names = {*LOOPBACK_NAMES, options.host.lower(), *options.allowed_hosts}
    if not is_loopback(options.host):
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local"}  # the second as mDNS tells it
    return frozenset(name.rstrip(".") for name in names)


def host_name(netloc: str) -> str | None:
    """``[::1]:8000`` → ``::1``; ``LocalHost.:80`` → ``localhost``; None for what is no host with a port."""
    found = _HOST.fullmatch(netloc)
    if found is None:
        return None
    return (found["six"] or found["name"].rstrip(".")).lower()


def host_allowed(host: str, names: frozenset[str]) -> bool:
    """Addresses in numbers are let in: a foreign page that rebinds DNS always comes with a name."""
    name = host_name(host)
    return name is not None and (name in names or _is_address(name))


def origin_allowed(origin: str, host: str, names: frozenset[str]) -> bool:
    """Pages of allowed names, and pages that this service itself serves."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    rest = parts.path or parts.query or parts.fragment
    name = host_name(parts.netloc)
    if parts.scheme not in ("http", "https") or rest or name is None:
        return False
    return name in names or parts.netloc.lower() == host.lower()


def key_matches(authorization: str, key: str | None) -> bool:
    """Whether the bearer is the key, compared in constant time; without a key anything is."""
    if key is None:
        return True
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key.encode())
    return same and scheme.lower() == "bearer"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _unless_gone(receive: Receive, seconds: float) -> None:
    """Wait, at most until the client hangs up. What it sends meanwhile is dropped."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.ensure_future(gone())
    try:
        await asyncio.wait({leaving}, timeout=seconds)
    finally:
        leaving.cancel()
        await asyncio.wait({leaving})
