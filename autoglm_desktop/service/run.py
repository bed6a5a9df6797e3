"""Runs the API with uvicorn inside the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from ..core.errors import ServiceError
from ..store.transfer.ending import to_the_end
from ..usecases.phone_step import See
from ..usecases.pictures import Pictures
from ..usecases.serve import Served, ServeOptions, bind, check_options
from ..usecases.serve_gate import Gate
from . import tracing
from .app import create_app
from .connection import connection_type
from .parts import IsPhone, SamplingOf, parts_for, usual

BACKLOG = 128
GRACE_S = 3  # for answers that are being sent when the service ends


@dataclass(frozen=True)
class Address:
    """Where the service listens; ``url`` is one this machine reaches it by."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


async def serve(
    session: Served,
    options: ServeOptions,
    on_ready: Callable[[Address], None],
    *,
    is_phone: IsPhone = lambda _target: False,
    sampling: SamplingOf = usual,
    pictures: Pictures | None = None,
    see: See = lambda target: target,
    gate: Gate | None = None,
) -> None:
    """Serve until cancelled; then nobody is let in any more, the running answers are stopped and sent, and it returns
    to the cancellation. ``on_ready`` is called when it listens; the model need not be loaded by then.

    Raises ServiceError: key_needed, port_in_use, port_not_allowed, address_unusable.
    """
    check_options(options)
    listening = await listen(options.host, options.port)
    queue = gate or Gate(options.waiting, options.wait_limit_s)
    parts = parts_for(
        session, options, is_phone=is_phone, sampling=sampling, gate=queue, pictures=pictures, see=see
    )
    traces = tracing.provider_for()
    with contextlib.closing(listening), contextlib.ExitStack() as watching:
        watching.callback(bind(queue, session))
        watching.callback(parts.metrics.forget)
        app: ASGIApp = create_app(parts)
        server = _Server(_config(tracing.Traced(app, traces) if traces is not None else app, options))
        address = Address(*listening.getsockname()[:2])
        server.on_started = lambda: on_ready(address)
        running = asyncio.ensure_future(server.serve([listening]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            queue.close()
            session.stop()
            server.should_exit = True
            await to_the_end(asyncio.wait({running}))  # GRACE_S; also where somebody is impatient
            raise
        finally:
            await tracing.close(traces)


async def listen(host: str, port: int) -> socket.socket:
    """A bound socket, IPv4 first. Raises ServiceError: port_in_use, port_not_allowed, address_unusable."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = min(found, key=lambda item: item[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except PermissionError:
        raise ServiceError("port_not_allowed", port=str(port)) from None
    except (OSError, UnicodeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ServiceError("port_in_use", port=str(port)) from None
        detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        detail = detail.partition(" (while attempting")[0]  # what socket.create_server adds for programmers
        raise ServiceError("address_unusable", host=host, detail=detail) from None


def _config(app: ASGIApp, options: ServeOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", http=connection_type(options),
        server_header=False, proxy_headers=False, timeout_keep_alive=math.ceil(options.idle_limit_s),
        timeout_graceful_shutdown=GRACE_S, h11_max_incomplete_event_size=options.head_limit,
    )  # fmt: skip


class _Server(uvicorn.Server):
    """A server that leaves signals to the application and says when it listens."""

    on_started: Callable[[], None] = staticmethod(lambda: None)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.on_started()
