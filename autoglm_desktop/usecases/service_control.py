"""The service inside the window: switched on and off beside the session, whose model it never touches."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import AppError, ServiceError
from ..core.protocol import Sampling
from .own_answers import OwnAnswers
from .pictures import Pictures, seeing
from .serve import Served, ServeOptions, is_phone, sampling_of
from .serve_gate import Gate, Live
from .service_settings import ServiceSettings
from .services import Services
from .targets import Target

log = logging.getLogger(__name__)

OFF, STARTING, ON, STOPPING = "off", "starting", "on", "stopping"
SHOWN_EVERY_S, AGES_EVERY_S = 0.25, 1.0
"""Changes of requests are told so often at most; while there are some, their ages so often at least."""


class Address(Protocol):
    """Where it listens (``service.run.Address``)."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def url(self) -> str: ...


Serve = Callable[..., Coroutine[Any, Any, None]]
"""As ``service.run.serve``."""


@dataclass(frozen=True)
class ServiceState:
    """``phase``: off | starting | on | stopping. ``error``: why it is off although it was wanted. ``requests``: those
    that wait or are answered now; ``begun`` and ``tokens`` since it was switched on."""

    phase: str = OFF
    address: Address | None = None
    error: AppError | None = None
    requests: tuple[Live, ...] = ()
    begun: int = 0
    tokens: int = 0


Listener = Callable[[ServiceState], None]


class Tally:
    """Counts requests and their tokens from looks at those that are under way."""

    def __init__(self) -> None:
        self.begun, self._ended_tokens = 0, 0
        self._now: dict[int, int] = {}  # tokens by request

    @property
    def tokens(self) -> int:
        return self._ended_tokens + sum(self._now.values())

    def look(self, requests: tuple[Live, ...]) -> None:
        now = {one.id: one.tokens for one in requests}
        self.begun += len(now.keys() - self._now.keys())
        self._ended_tokens += sum(count for name, count in self._now.items() if name not in now)
        self._now = now


def gate_of(options: ServeOptions) -> Gate:
    """The waiting list as the options want it."""
    return Gate(options.waiting, options.wait_limit_s)


class ServiceControl:
    """All on the loop's thread. ``load_serve`` gives ``service.run.serve``; a thread calls it when the service is
    switched on, as importing FastAPI and uvicorn takes a moment. ``make_gate``: the waiting list of one run."""

    def __init__(
        self,
        session: Served,
        services: Services,
        pictures: Pictures | None,
        load_serve: Callable[[], Serve],
        make_gate: Callable[[ServeOptions], Gate] = gate_of,
    ) -> None:
        self._session, self._services, self._pictures = OwnAnswers(session), services, pictures
        self._load_serve, self._make_gate = load_serve, make_gate
        self._changing = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._stopping = False  # it has been told to end
        self._options: ServeOptions | None = None  # what it runs with
        self._gate: Gate | None = None
        self._forget: Callable[[], None] | None = None
        self._tally = Tally()
        self._telling: asyncio.TimerHandle | None = None
        self.state = ServiceState()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` on every change of ``state``; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def start(self, settings: ServiceSettings) -> Address:
        """Serve so from now on; where it is on already, it is switched off first. The model stays as it is.

        Raises ServiceError: key_needed, port_in_use, port_not_allowed, address_unusable.
        """
        async with self._changing:
            await self._stop()
            return await self._start(settings.options())

    async def apply(self, settings: ServiceSettings) -> Address | None:
        """On or off, and with these settings, whatever it was; nothing happens where it is so already. Returns where it
        listens. Raises as ``start``."""
        async with self._changing:
            same = settings.options() == self._options
            if settings.on and self._task is not None and not self._stopping and same:
                return self.state.address
            await self._stop()
            if settings.on:
                return await self._start(settings.options())
            self._show(ServiceState())
            return None

    async def stop(self) -> None:
        """Let nobody in any more, end the answers that are being sent, close every socket. Safe to call twice."""
        async with self._changing:
            await self._stop()
            self._show(ServiceState())

    async def _start(self, options: ServeOptions) -> Address:
        self._show(ServiceState(STARTING))
        ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        task: asyncio.Task[None] | None = None
        try:
            work = await self._work(options, ready)
            task = asyncio.ensure_future(work())
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await task
                raise ServiceError("service_ended")
        except BaseException as error:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
            self._unwatch()
            self._show(ServiceState(error=error if isinstance(error, AppError) else None))
            raise
        self._task = task
        self._options = dataclasses.replace(options, port=ready.result().port)
        task.add_done_callback(self._ended)
        self._show(ServiceState(ON, ready.result()))
        return ready.result()

    async def _work(self, options: ServeOptions, ready: asyncio.Future[Address]) -> Callable[[], Any]:
        serve = await asyncio.to_thread(self._load_serve)
        self._gate = gate = self._make_gate(options)
        self._tally = Tally()
        self._forget = gate.listen(self._changed)
        library = self._services.library

        def phone(target: Target | None) -> bool:
            return is_phone(target, library.catalog)

        def sampling(target: Target | None) -> Sampling:
            return sampling_of(target, library.catalog)

        def on_ready(address: Address) -> None:
            if not ready.done():
                ready.set_result(address)

        return functools.partial(
            serve, self._session, options, on_ready, is_phone=phone, sampling=sampling, pictures=self._pictures,
            see=functools.partial(seeing, library), gate=gate,
        )  # fmt: skip

    async def _stop(self) -> None:
        task = self._task
        if task is None:
            return
        if not self._stopping:  # once: a second cancellation would not let it end in order
            self._stopping = True
            task.remove_done_callback(self._ended)
            self._show(dataclasses.replace(self.state, phase=STOPPING, requests=()))
            task.cancel()
        await asyncio.wait({task})
        self._task, self._stopping = None, False
        self._unwatch()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the service ended with an error", exc_info=error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """It ended by itself."""
        self._task = None
        self._unwatch()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("the service ended by itself", exc_info=error)
        self._show(
            ServiceState(error=error if isinstance(error, AppError) else ServiceError("service_ended"))
        )

    def _unwatch(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._forget is not None:
            self._forget()
            self._forget = None
        self._gate = None

    def _changed(self, requests: tuple[Live, ...]) -> None:
        """A request came, moved on or went."""
        self._tally.look(requests)
        loop = asyncio.get_running_loop()
        if self._telling is not None and self._telling.when() > loop.time() + SHOWN_EVERY_S:
            self._telling.cancel()  # that of the ages
            self._telling = None
        if self._telling is None:
            self._telling = loop.call_later(SHOWN_EVERY_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        if self._gate is None:
            return
        requests, tally = self._gate.live(), self._tally
        tally.look(requests)
        if self.state.phase != ON:
            return
        if requests:
            self._telling = asyncio.get_running_loop().call_later(AGES_EVERY_S, self._tell)
        self._show(dataclasses.replace(self.state, requests=requests, begun=tally.begun, tokens=tally.tokens))

    def _show(self, state: ServiceState) -> None:
        self.state = state
        for listener in list(self._listeners):
            listener(state)
