"""Runs the API with uvicorn inside the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from ..core.errors import ServiceError
from ..usecases.serve import Gate, Served, ServeOptions, check_options
from .app import IsPhone, create_app

BACKLOG = 64
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
) -> None:
    """Serve until cancelled; then nobody is let in any more, the running answer is stopped and sent, and it returns
    to the cancellation. ``on_ready`` is called when it listens; the model need not be loaded by then.

    Raises ServiceError: key_needed, port_in_use, port_not_allowed, address_unusable.
    """
    check_options(options)
    listening = await listen(options.host, options.port)
    with contextlib.closing(listening):
        gate = Gate(options.waiting)
        server = _Server(_config(create_app(session, options, is_phone=is_phone, gate=gate)))
        address = Address(*listening.getsockname()[:2])
        server.on_started = lambda: on_ready(address)
        running = asyncio.ensure_future(server.serve([listening]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            gate.close()
            session.stop()
            server.should_exit = True
            await asyncio.wait({running})
            raise


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
        raise ServiceError("address_unusable", host=host, detail=detail) from None


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", http="h11", server_header=False,
        proxy_headers=False, timeout_keep_alive=30, timeout_graceful_shutdown=GRACE_S,
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
