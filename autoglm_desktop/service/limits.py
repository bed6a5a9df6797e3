"""How large a body may be and how slowly it may come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..usecases.serve import ServeOptions
from .errors import ApiError

RETRY_S = 5


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


class Limits:
    """ASGI middleware next to the routes: reading a body raises ApiError, 413 above ``body_limit`` bytes (by its
    declared length or while it is read), 408 where it comes too slowly, 503 where the bodies of all requests that are
    under way have more than ``bodies_limit``."""

    def __init__(
        self, app: ASGIApp, options: ServeOptions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._options = options
        self._clock = clock
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        size = int(declared) if declared.isdecimal() else 0  # anything else h11 has refused
        body = _Body(receive, self._options, self._clock, size, self._hold)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held -= body.size

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._options.bodies_limit:
            text = "The requests that are under way are too large together."
            raise ApiError(503, text, code="too_many_bytes", retry_s=RETRY_S)


class _Body:
    def __init__(
        self,
        receive: Receive,
        options: ServeOptions,
        clock: Callable[[], float],
        declared: int,
        hold: Callable[[int], None],
    ) -> None:
        self._receive = receive
        self._options = options
        self._clock = clock
        self._declared = declared
        self._hold = hold
        self._began = clock()
        self.size = 0
        self._whole = False

    async def receive(self) -> Message:
        if self._whole:  # what comes now is that the client hangs up
            return await self._receive()
        options = self._options
        if self._declared > options.body_limit:  # before the client is told to go on (Expect: 100-continue)
            raise too_large(options.body_limit)
        allowed_s = options.body_limit_s + self.size / options.body_rate
        try:
            message = await asyncio.wait_for(self._receive(), self._began + allowed_s - self._clock())
        except asyncio.TimeoutError:
            raise ApiError(408, "The body came too slowly.", code="request_timeout") from None
        came = len(message.get("body", b""))
        self.size += came
        self._whole = not message.get("more_body", False)
        self._hold(came)
        if self.size > options.body_limit:
            raise too_large(options.body_limit)
        return message
