"""Serving a session to other programs: the options, who is let in, and when a request can be answered."""

from __future__ import annotations

import ipaddress
import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..core import protocol, sampling_defaults
from ..core.catalog import Catalog
from ..core.errors import EngineError, ServiceError
from ..probe.network import lan_addresses
from ..store.paths import expanded
from .loading import Wishes
from .serve_gate import WAIT_LIMIT_S, WAITING, Gate, Refusal
from .session import SessionState
from .session_state import Listener
from .targets import Target

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
RETRY_LOADING_S = 5
RETRY_FAILED_S = 60
"""So long after a load that failed on every rung no request loads again."""
ANSWERING = ("ready", "generating")
LOADING = ("loading", "installing")
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

    def listen(self, listener: Listener) -> Callable[[], None]: ...

    @property
    def wishes(self) -> Wishes: ...

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState: ...


@dataclass(frozen=True)
class ServeOptions:
    """How to serve. ``port`` 0 takes a free one; ``allowed_hosts`` are further names in ``Host`` and ``Origin``.

    ``waiting`` requests at most wait for their turn, none longer than ``wait_limit_s``. ``keep_alive_s``: a comment
    line is sent after so many seconds without a token. ``body_limit`` in bytes; ``bodies_limit``: of all requests that
    are under way together.

    A head has to come within ``head_limit_s``. A body has ``body_limit_s`` and one second more for each ``body_rate``
    bytes of it that came: a large picture over a slow Wi-Fi passes, one byte at a time does not. Who takes nothing of
    an answer for ``send_limit_s`` is hung up on, who asks nothing for ``idle_limit_s`` too. ``connections`` at once
    at most; ``wrong_key_s``: how long wrong keys wait, at first and at most.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    waiting: int = WAITING
    wait_limit_s: float = WAIT_LIMIT_S
    keep_alive_s: float = 5.0
    body_limit: int = 64 * 1024 * 1024
    bodies_limit: int = 512 * 1024 * 1024
    body_limit_s: float = 20.0  # with body_rate as Apache's RequestReadTimeout: body=20,MinRate=…
    body_rate: int = 16 * 1024
    head_limit_s: float = 20.0
    head_limit: int = 32 * 1024
    send_limit_s: float = 60.0
    idle_limit_s: float = 30.0
    connections: int = 256
    wrong_key_s: tuple[float, float] = (0.25, 8.0)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def urls(host: str, port: int, own: str) -> tuple[str, ...]:
    """Where a service is reached that listens on ``host``: from this machine (``own``), then, where it listens on all
    IPv4 addresses, from others. Asks the system for its addresses."""
    if host != "0.0.0.0":
        return (own,)
    others = (one.address for one in lan_addresses() if not one.virtual)
    return (own, *(f"http://{address}:{port}" for address in others))


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
            detail = getattr(error, "strerror", None) or str(error)
            raise ServiceError("key_file_unreadable", path=file, detail=detail) from error
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ServiceError("key_unusable", where=file or "AUTOGLM_API_KEY")
    return key


def read_allowed_hosts(environment: Mapping[str, str] | None = None, setting: str = "") -> tuple[str, ...]:
    """Further host names (WSL, ``host.docker.internal``) of the setting and of AUTOGLM_ALLOWED_HOSTS."""
    source = os.environ if environment is None else environment
    return tuple(dict.fromkeys((*hosts_in(setting), *hosts_in(source.get("AUTOGLM_ALLOWED_HOSTS", "")))))


def hosts_in(text: str) -> tuple[str, ...]:
    """Names separated by commas or blanks, as ``Host`` is compared with them."""
    return tuple(name.lower().rstrip(".") for name in text.replace(",", " ").split() if name.strip("."))


def is_phone(target: Target | None, catalog: Catalog) -> bool:
    """Whether the catalogue says that a target is a model made for the phone agent."""
    model = catalog.model(target.model) if target is not None and target.model is not None else None
    return model is not None and model.phone


def sampling_of(target: Target | None, catalog: Catalog) -> protocol.Sampling:
    """How the served model samples where a client doesn't say: as its makers do."""
    return sampling_defaults.defaults(target.model if target is not None else None, catalog)


class Readiness:
    """Whether a request can be answered now, as far as the model is concerned.

    While the first load runs it can't, unless a request began it (``asked``: whether one has its turn). Once a model
    was there it can: it waits for what is loaded again (another rung, after a death, after the idle unload, by the
    user's wish), or loads what is not loaded. After a load that failed on every rung it can not for RETRY_FAILED_S;
    then the next request tries again.
    """

    def __init__(
        self,
        session: Served,
        clock: Callable[[], float] = time.monotonic,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self._session = session
        self._clock = clock
        self._asked = asked
        self._waits = session.state.phase in ANSWERING  # for a load that runs
        self._phase = session.state.phase
        self._failed_at: float | None = None
        self.forget = session.listen(self._changed)

    @property
    def loading(self) -> bool:
        return self._session.state.phase in LOADING

    def refusal(self) -> Refusal | None:
        """Why a request can't be answered now, and in how many seconds to try again; None when it can."""
        state = self._session.state
        if state.phase in ANSWERING:
            return None
        if state.target is None:
            return EngineError("no_model_loaded"), RETRY_LOADING_S
        if state.phase in LOADING and not self._waits:
            return ServiceError("model_loading"), RETRY_LOADING_S
        if state.phase != "failed" or died(state) or self._failed_at is None:
            return None
        left = RETRY_FAILED_S - (self._clock() - self._failed_at)
        return (state.error or ServiceError("model_failed"), math.ceil(left)) if left > 0 else None

    def _changed(self, state: SessionState) -> None:
        before, self._phase = self._phase, state.phase
        if state.phase in ANSWERING:
            self._waits, self._failed_at = True, None
        elif state.phase in LOADING:
            self._waits = self._waits or self._asked()
        elif state.phase == "failed" and before != "failed":
            self._failed_at = self._clock()


def bind(gate: Gate, session: Served) -> Callable[[], None]:
    """Let the queue know the session: whether it can answer, and how many at once (``width``). Returns how to stop."""
    readiness = Readiness(session, asked=lambda: gate.answering > 0)
    gate.width = lambda: int(getattr(session, "width", 1))
    gate.refusal = readiness.refusal
    gate.loading = lambda: readiness.loading
    forget = session.listen(lambda _state: gate.refresh())

    def stop() -> None:
        forget()
        readiness.forget()

    return stop


def gate_for(session: Served, options: ServeOptions) -> Gate:
    """The queue in front of a session, for as long as that lives."""
    gate = Gate(options.waiting, options.wait_limit_s)
    bind(gate, session)
    return gate


def is_up(state: SessionState, refused: Refusal | None) -> bool:
    """What /health tells: a model is there or comes with the next request. A ladder that failed is not up, also when
    the next request would try it again."""
    return refused is None and (state.phase != "failed" or died(state))


def died(state: SessionState) -> bool:
    """Whether the engine failed while it answered, so that the next request loads the model again at once."""
    return state.error is not None and state.error.code in DEATHS
