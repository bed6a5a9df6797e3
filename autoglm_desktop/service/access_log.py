"""One line for each request, and its count and time for Prometheus. Neither line nor labels carry contents: no query,
no header, no body, and of the path only the template of its route."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.protocol import Usage

log = logging.getLogger(__name__)
NO_ROUTE = "(none)"
HUNG_UP = 499
"""The status of a request whose client left before an answer began, as nginx calls it."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
POLLED = ("/health", "/metrics")
"""Asked every few seconds by programs: their lines would push everything else out of the log, so only errors stand
there (all with --verbose)."""
_RECORD = "autoglm.record"

Report = Callable[[str, str, int, float], None]


@dataclass
class Record:
    """What is counted of one request: bytes of bodies, tokens."""

    status: int | None = None
    received: int = 0
    sent: int = 0
    complete: bool = False
    usage: Usage | None = None


_current: contextvars.ContextVar[Record] = contextvars.ContextVar("service_request")


def note(usage: Usage) -> None:
    """The tokens of the request that this runs for; outside of one nothing."""
    record = _current.get(None)
    if record is not None:
        record.usage = usage


class AccessLog:
    """ASGI middleware around everything. ``report`` gets method, route, status and seconds."""

    def __init__(self, app: ASGIApp, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._report = report
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, record = self._clock(), Record()
        scope[_RECORD] = record
        token = _current.set(record)

        async def counted_receive() -> Message:
            message = await receive()
            record.received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            else:
                record.sent += len(message.get("body", b""))
                record.complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, counted_receive, counted_send)
        except Exception:
            record.status = record.status or 500  # made by who catches it
            raise
        finally:
            _current.reset(token)
            seconds = self._clock() - began
            status = record.status or HUNG_UP
            method, route = method_of(scope), route_of(scope)
            self._report(method, route, status, seconds)
            level = logging.DEBUG if route in POLLED and status < 400 else logging.INFO
            log.log(level, "%s", line(method, route, status, seconds, client_of(scope), record))


def line(method: str, route: str, status: int, seconds: float, client: str, record: Record) -> str:
    """``POST /v1/chat/completions 200 1.234 s in 512 out 2048 from 127.0.0.1 tokens 700+32``."""
    words = f"{method} {route} {status} {seconds:.3f} s in {record.received} out {record.sent} from {client}"
    if record.usage is not None:
        words += f" tokens {record.usage.prompt_tokens}+{record.usage.completion_tokens}"
    return words if record.complete or record.status is None else f"{words} (not finished)"


def route_of(scope: Scope) -> str:
    """The template of the route that answered: a path that nobody serves is told to none."""
    template = getattr(scope.get("route"), "path", None)
    if template is None and "endpoint" in scope and not scope.get("path_params"):
        template = scope["path"]  # a route without parameters is its own template
    return str(template) if template is not None else NO_ROUTE


def method_of(scope: Scope) -> str:
    """The method, of those that HTTP has; any other word is not told."""
    return str(scope["method"]) if scope["method"] in METHODS else "other"


def record_of(scope: Scope) -> Record:
    """What was counted of a request."""
    return scope.get(_RECORD) or Record()


def client_of(scope: Scope) -> str:
    """The address that asks."""
    client = scope.get("client")
    return str(client[0]) if client else "-"
