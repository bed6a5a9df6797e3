"""Who may call: ``Host`` and ``Origin`` against foreign web pages, the key, and the size of bodies."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..usecases.serve import LOOPBACK_NAMES, ServeOptions, is_loopback
from .errors import ApiError

OPEN_PATHS = ("/health",)
"""Answered without a key: probes of balancers have none."""


class Guard:
    """ASGI middleware around the whole application; refuses before anything is read."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._names = allowed_names(options)
        self._key = options.api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(Headers(scope=scope), scope["path"])
            except ApiError as error:
                await error.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, headers: Headers, path: str) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not host_allowed(host, self._names):
            text = "The Host header names another machine; allow it with AUTOGLM_ALLOWED_HOSTS."
            raise ApiError(403, text, code="host_not_allowed")
        if origin is not None and not origin_allowed(origin, host, self._names):
            text = (
                "Web pages of this origin may not use the service; allow its host with AUTOGLM_ALLOWED_HOSTS."
            )
            raise ApiError(403, text, code="origin_not_allowed")
        if path not in OPEN_PATHS and not key_matches(headers.get("authorization", ""), self._key):
            text = "A key is needed: Authorization: Bearer KEY."
            raise ApiError(401, text, code="invalid_api_key")


def allowed_names(options: ServeOptions) -> frozenset[str]:
    """Host names of this service: loopback, the address listened on, and those of the setting."""
    names = {*LOOPBACK_NAMES, options.host.lower(), *options.allowed_hosts}
    if not is_loopback(options.host):
        names.add(socket.gethostname().lower())
    return frozenset(names)


def host_name(netloc: str) -> str:
    """``[::1]:8000`` → ``::1``; ``LocalHost.:80`` → ``localhost``."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.partition(":")[0].rstrip(".").lower()


def host_allowed(host: str, names: frozenset[str]) -> bool:
    """Addresses in numbers are let in: a foreign page that rebinds DNS always comes with a name."""
    name = host_name(host)
    return name in names or _is_address(name)


def origin_allowed(origin: str, host: str, names: frozenset[str]) -> bool:
    """Pages of allowed names, and pages that this service itself serves."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not name:
        return False
    return name in names or parts.netloc.lower() == host.lower()


def key_matches(authorization: str, key: str | None) -> bool:
    """Whether the bearer is the key, compared in constant time; without a key anything is."""
    if key is None:
        return True
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key.encode())
    return same and scheme.lower() == "bearer"


async def read_body(receive: Receive, limit: int) -> bytes:
    """The request's body. Raises ApiError: 413 above ``limit`` bytes, 400 where the client left in the middle."""
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError(400, "The body is not complete.", code="invalid_json")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def too_large(limit: int) -> ApiError:
    return ApiError(413, f"The body is larger than {limit} bytes.", code="request_too_large")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
