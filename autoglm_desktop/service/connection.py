"""Limits on connections, which uvicorn has none of: how long a head may take, how many there are, who takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..core.errors import ServiceError
from ..usecases.serve import ServeOptions
from ..usecases.serve_gate import RETRY_ENDING_S
from .errors import ApiError, from_app_error

log = logging.getLogger(__name__)
FLUSH_S = 5.0
"""So long a connection that is being closed may still send what was written."""
LINGER_S = 2.0
"""So long what a refused client still sends is read and dropped."""
SPARE = 64
"""So many connections above the limit are told so; further ones are closed at once."""
RETRY_S = 1
ENDING_S = 2.0
"""So long what is being answered has to come to its end when the service ends; shorter than run.GRACE_S, after which
uvicorn would cancel it, with a traceback in the log."""
ENDING_FLUSH_S = 0.5


class Connection(H11Protocol):
    """One connection. ``limits`` is set by ``connection_type``."""

    limits = ServeOptions()

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head: asyncio.TimerHandle | None = None  # until a head is complete
        self._left: asyncio.TimerHandle | None = None  # while a body comes that nobody reads any more
        self._sending: asyncio.TimerHandle | None = None  # while the client takes nothing
        self._closing: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None  # until what is being answered is cut off
        self._since = 0.0
        self._deaf = False  # it has its refusal; what it still sends is dropped

    @property
    def idle_since(self) -> float | None:
        """Since when (of the loop's clock) there is no request on it; None: there is one."""
        rests = self._deaf or self.cycle is None or self.cycle.response_complete
        return self._since if rests else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol, and those of create_server don't: without it a
        # piece waits up to 40 ms for the client's acknowledgement of the one before.
        opened = transport.get_extra_info("socket")
        if opened is not None and opened.family in (socket.AF_INET, socket.AF_INET6):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._since = self.loop.time()
        above = self._above()
        if above > SPARE:
            transport.abort()
            return
        if above > 0 and not self._take_idle():
            self.app = _full
        self._head = self.loop.call_later(self.limits.head_limit_s, self._slow_head)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        if self.app is _full and self._above() <= 0:
            self.app = self.config.loaded_app
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._head, self._left, self._sending, self._closing, self._ending):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending = self.loop.call_later(self.limits.send_limit_s, self._takes_nothing)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.close()

    def shutdown(self) -> None:
        """The service ends: nobody waits for the rest of a request, and for answers only ENDING_S."""
        with contextlib.suppress(h11.LocalProtocolError):
            super().shutdown()
        if self.conn.their_state is h11.SEND_BODY and not self._deaf:
            self._refuse(_ending())
        self._ending = self.loop.call_later(ENDING_S, self._end)

    def _end(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(_ending())
        self._close_within(ENDING_FLUSH_S)

    def close(self) -> None:
        """Close, for good also where the client no longer takes what was written."""
        self._close_within(FLUSH_S)

    def _close_within(self, seconds: float) -> None:
        self.transport.close()
        if self._closing is not None:
            self._closing.cancel()
        self._closing = self.loop.call_later(seconds, self.transport.abort)

    def _should_upgrade(self) -> bool:
        """Never; uvicorn would advise in the log to install a library, for each request that asks."""
        return False

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers where it gets no HTTP, in the shape of all other refusals."""
        self._refuse(ApiError(400, msg, code="invalid_http"))

    def _refuse(self, error: ApiError) -> None:
        """Answer for the application, which may still be reading the request that turned out to be none: for it the
        client has left."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            body = json.dumps(error.body()).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            if error.retry_s is not None:
                headers.append((b"retry-after", str(error.retry_s).encode()))
            for event in (
                h11.Response(status_code=error.status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self._hang_up_gently()
        else:
            self.close()

    def _hang_up_gently(self) -> None:
        """To close at once, with bytes that were not read, would reset the connection, and the refusal with it."""
        self._deaf = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._closing = self.loop.call_later(LINGER_S, self.transport.abort)

    def _watch(self) -> None:
        """The clocks of what the client still has to send."""
        theirs, now = self.conn.their_state, self.loop.call_later
        if theirs is not h11.IDLE and self._head is not None:
            self._head.cancel()
            self._head = None
        elif theirs is h11.IDLE and self._head is None and self.conn.trailing_data[0]:
            self._head = now(self.limits.head_limit_s, self._slow_head)
        unread = theirs is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete
        if unread and self._left is None:
            self._left = now(self.limits.head_limit_s, self._hang_up_gently)
        elif not unread and self._left is not None:
            self._left.cancel()
            self._left = None

    def _slow_head(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(ApiError(408, "The head of the request came too slowly.", code="request_timeout"))
        else:
            self.close()

    def _takes_nothing(self) -> None:
        log.info("a client took nothing of its answer for %.0f s", self.limits.send_limit_s)
        self.transport.abort()

    def _above(self) -> int:
        """How many connections there are above the limit."""
        return sum(not self._is_closing(one) for one in self.connections) - self.limits.connections

    def _take_idle(self) -> bool:
        """Close the connection that was idle the longest, to make room; False: there is none."""
        others = (one for one in self.connections if isinstance(one, Connection) and one is not self)
        idle = [(one.idle_since, id(one), one) for one in others if not self._is_closing(one)]
        found = min((each for each in idle if each[0] is not None), default=None)
        if found is None:
            return False
        found[2].close()
        return True

    @staticmethod
    def _is_closing(connection: object) -> bool:
        return isinstance(connection, Connection) and connection.transport.is_closing()


def connection_type(options: ServeOptions) -> type[Connection]:
    """The protocol class for uvicorn with these limits."""
    return type("LimitedConnection", (Connection,), {"limits": options})


def _ending() -> ApiError:
    return from_app_error(ServiceError("service_ending"), RETRY_ENDING_S)


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    error = ApiError(503, "Too many connections.", code="too_many_connections", retry_s=RETRY_S)
    await error.response()(scope, receive, send)
