"""Serving a session to other programs: the options, who is let in, and one generation at a time."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core import protocol
from ..core.catalog import Catalog
from ..core.errors import AppError, ServiceError
from ..store.paths import expanded
from .session import SessionState
from .targets import Target

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
WAITING = 8
RETRY_LOADING_S = 5
RETRY_FAILED_S = 60
RETRY_BUSY_S = (1, 120)  # at least, at most
DEATHS = ("engine_died", "answer_out_of_memory", "nothing_smaller", "gpu_lost")
"""After these the next request loads the model again."""


class Served(Protocol):
    """What the service needs of a session (usecases.session.Session)."""

    @property
    def state(self) -> SessionState: ...

    def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class ServeOptions:
    """How to serve. ``port`` 0 takes a free one; ``allowed_hosts`` are further names in ``Host`` and ``Origin``.

    ``keep_alive_s``: a comment line is sent after so many seconds without a token. ``body_limit`` in bytes.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    waiting: int = WAITING
    keep_alive_s: float = 5.0
    body_limit: int = 64 * 1024 * 1024


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_options(options: ServeOptions) -> None:
    """Raises ServiceError(key_needed): an address that others reach needs a key."""
    if options.api_key is None and not is_loopback(options.host):
        raise ServiceError("key_needed", host=options.host)


def read_api_key(file: str | None, environment: Mapping[str, str] | None = None) -> str | None:
    """The key from ``--api-key-file``, else from AUTOGLM_API_KEY, else None.

    Raises ServiceError (key_file_unreadable, key_unusable).
    """
    source = os.environ if environment is None else environment
    if file is None:
        text = source.get("AUTOGLM_API_KEY", "")
        if not text:
            return None
    else:
        try:
            text = expanded(file).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise ServiceError("key_file_unreadable", path=file, detail=str(error)) from error
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ServiceError("key_unusable", where=file or "AUTOGLM_API_KEY")
    return key


def read_allowed_hosts(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Further host names from AUTOGLM_ALLOWED_HOSTS, separated by commas (WSL, ``host.docker.internal``)."""
    source = os.environ if environment is None else environment
    names = source.get("AUTOGLM_ALLOWED_HOSTS", "").split(",")
    return tuple(name.strip().lower() for name in names if name.strip())


def is_phone(target: Target | None, catalog: Catalog) -> bool:
    """Whether the catalogue says that a target is a model made for the phone agent."""
    model = catalog.model(target.model) if target is not None and target.model is not None else None
    return model is not None and model.phone


def will_answer(state: SessionState) -> bool:
    """Whether a request would be answered: a model is loaded, or is loaded again by the request."""
    if state.phase in ("ready", "generating"):
        return True
    if state.target is None:
        return False
    # Unloaded when idle; or the engine died while running (a load that failed is not tried again by itself).
    return state.phase == "idle" or (state.phase == "failed" and _died(state))


def refusal(state: SessionState) -> tuple[AppError, int] | None:
    """Why a request can't be answered now, and in how many seconds to try again; None when it can."""
    if will_answer(state):
        return None
    if state.phase == "failed" and state.error is not None:
        return state.error, RETRY_FAILED_S
    return ServiceError("model_loading"), RETRY_LOADING_S


def _died(state: SessionState) -> bool:
    return state.error is not None and state.error.code in DEATHS


class Busy(ServiceError):
    """The waiting list is full, or the service is ending. ``retry_s``: when to try again."""

    def __init__(self, code: str, retry_s: int) -> None:
        super().__init__(code, wait=str(retry_s))
        self.retry_s = retry_s


class Gate:
    """One generation at a time, first come, first served, with at most ``waiting`` in the list."""

    def __init__(self, waiting: int = WAITING) -> None:
        self._limit = waiting
        self._lock = asyncio.Lock()
        self._inside = 0
        self._closed = False
        self._last_s = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, self._inside - 1)

    def close(self) -> None:
        """Let nobody in any more, also not those who wait."""
        self._closed = True

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises Busy."""
        self.check()
        self._inside += 1
        try:
            async with self._lock:
                self.check_open()
                begun = asyncio.get_running_loop().time()
                try:
                    yield
                finally:
                    self._last_s = asyncio.get_running_loop().time() - begun
        finally:
            self._inside -= 1

    def check(self) -> None:
        """Raises Busy when there is no room."""
        self.check_open()
        if self._inside > self._limit:
            least, most = RETRY_BUSY_S
            raise Busy("service_busy", min(most, max(least, round(self._last_s * self._inside))))

    def check_open(self) -> None:
        if self._closed:
            raise Busy("service_ending", RETRY_LOADING_S)
