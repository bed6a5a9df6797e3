"""The queue of the service: who waits, who is answered, and how long that may take."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import math
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ..core.errors import AppError, ServiceError

WAITING = 64
WAIT_LIMIT_S = 600.0
RETRY_ENDING_S = 5
RETRY_BUSY_S = (1, 120)  # at least, at most
REMEMBERED = 8
"""So many of the last answers say how long one takes."""
TOLD_EVERY_S = 0.2
"""Tokens are told to listeners so often at most."""

Refusal = tuple[AppError, int]
"""Why nobody is answered now, and in how many seconds to try again."""


class Busy(ServiceError):
    """No room in the list (service_busy), waited too long (queue_timeout), or the service ends (service_ending).
    ``retry_s``: when to try again."""

    def __init__(self, code: str, retry_s: int) -> None:
        super().__init__(code, wait=str(retry_s))
        self.retry_s = retry_s


@dataclass(frozen=True)
class Asking:
    """A request as it is shown: ``route`` is a template, ``client`` an address (never a key)."""

    route: str
    client: str
    stream: bool = False
    pictures: int = 0


@dataclass(frozen=True)
class Live:
    """A request that is not answered to its end. ``state``: waiting | loading | answering; ``position`` 0: its turn;
    ``since_s``: seconds since it came; ``tokens``: written so far."""

    id: int
    asking: Asking
    state: str
    position: int
    since_s: float
    tokens: int


class Ticket:
    """A place in the list. Whoever took it gives it back: by leaving ``Gate.turn``, or with ``cancel``."""

    def __init__(self, gate: Gate, number: int, asking: Asking, came: float) -> None:
        self.id = number
        self.asking = asking
        self.came = came
        self.written = 0
        self.turn: asyncio.Future[None] | None = None  # while somebody waits for it
        self._gate = gate

    @property
    def position(self) -> int:
        """How many turns it is away; 0: its turn, or over."""
        return self._gate.position(self)

    def tokens(self, count: int) -> None:
        """So many tokens are written."""
        self.written = count
        self._gate.wrote()

    def cancel(self) -> None:
        """Give the place back, wherever it is; a second time does nothing."""
        self._gate.leave(self)


class Gate:
    """Strictly first come, first served: up to ``width()`` inside at once, at most ``waiting`` in the list, none of
    them longer than ``wait_limit_s``. Everything on the loop's thread.

    ``refusal``: why no request can be answered now (None: it can); ``loading``: whether a model is being loaded;
    ``serve.bind`` sets both and ``width`` as a session has them.
    """

    def __init__(
        self,
        waiting: int = WAITING,
        wait_limit_s: float = WAIT_LIMIT_S,
        width: Callable[[], int] = lambda: 1,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bound = waiting
        self.width = width
        self.refusal: Callable[[], Refusal | None] = lambda: None
        self.loading: Callable[[], bool] = lambda: False
        self._wait_limit_s = wait_limit_s
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: list[Ticket] = []
        self._inside: dict[Ticket, float] = {}  # since when
        self._lasted: collections.deque[float] = collections.deque(maxlen=REMEMBERED)
        self._listeners: list[Callable[[tuple[Live, ...]], None]] = []
        self._told = 0.0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @property
    def answering(self) -> int:
        """How many have their turn."""
        return len(self._inside)

    def position(self, ticket: Ticket) -> int:
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def live(self) -> tuple[Live, ...]:
        """All requests that are not answered to their end, in the order of their turns."""
        now = self._clock()
        inside = "loading" if self.loading() else "answering"
        places = [(ticket, inside, 0) for ticket in self._inside]
        places += [(ticket, "waiting", place) for place, ticket in enumerate(self._waiting, 1)]
        return tuple(
            Live(one.id, one.asking, state, place, now - one.came, one.written)
            for one, state, place in places
        )

    def listen(self, listener: Callable[[tuple[Live, ...]], None]) -> Callable[[], None]:
        """Call ``listener`` whenever somebody comes, gets a turn, has written or leaves; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def check(self) -> None:
        """Raises Busy: service_ending, or service_busy where the list is full."""
        if self._closed:
            raise Busy("service_ending", RETRY_ENDING_S)
        if len(self._waiting) >= self.bound and not self._room:
            raise Busy("service_busy", self.retry_s(len(self._waiting) + 1))

    def ticket(self, asking: Asking) -> Ticket:
        """The last place in the list. Raises Busy."""
        self.check()
        ticket = Ticket(self, next(self._numbers), asking, self._clock())
        self._waiting.append(ticket)
        self.refresh()
        self._changed()
        return ticket

    @contextlib.asynccontextmanager
    async def turn(self, ticket: Ticket) -> AsyncIterator[None]:
        """Wait for the ticket's turn and hold it. Raises Busy: queue_timeout, service_ending."""
        try:
            if self._closed:
                raise Busy("service_ending", RETRY_ENDING_S)
            if ticket in self._waiting:
                await self._until_its_turn(ticket)
            elif ticket in self._inside:
                await asyncio.sleep(0)  # whose turn came before, but who has not run yet, goes first
            else:
                raise asyncio.CancelledError  # it was given back before anybody waited for it
            yield
        finally:
            self.leave(ticket)

    def leave(self, ticket: Ticket) -> None:
        """The ticket's place is free; the next in the list may take it."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
            if ticket.turn is not None:
                ticket.turn.cancel()  # else who waits for it would do so for ever
        elif ticket in self._inside:
            self._changed()  # its last tokens
            self._lasted.append(self._clock() - self._inside.pop(ticket))
        else:
            return
        self.refresh()
        self._changed()

    def refresh(self) -> None:
        """Let in whom there is room for: somebody left, or the engine answers more at once than before."""
        let_in = False
        while self._waiting and self._room:
            ticket = self._waiting.pop(0)
            self._inside[ticket] = self._clock()
            if ticket.turn is not None and not ticket.turn.done():
                ticket.turn.set_result(None)
            let_in = True
        if let_in:
            self._changed()

    def wrote(self) -> None:
        """Tokens have been written."""
        if self._listeners and self._clock() - self._told >= TOLD_EVERY_S:
            self._changed()

    def close(self) -> None:
        """Let nobody in any more, also not those who wait."""
        self._closed = True
        for ticket in list(self._waiting):
            self._give_up(ticket, Busy("service_ending", RETRY_ENDING_S))

    def retry_s(self, position: int) -> int:
        """Seconds until who stands at ``position`` of the list would have a turn, as the last answers went."""
        lasted = statistics.mean(self._lasted) if self._lasted else 0.0
        if self._inside:  # the one that runs may already take longer than the last ones
            lasted = max(lasted, self._clock() - next(iter(self._inside.values())))
        least, most = RETRY_BUSY_S
        return min(most, max(least, math.ceil(lasted * position / max(1, self.width()))))

    @property
    def _room(self) -> bool:
        return not self._closed and len(self._inside) < max(1, self.width())

    async def _until_its_turn(self, ticket: Ticket) -> None:
        loop = asyncio.get_running_loop()
        ticket.turn = loop.create_future()  # no wait_for: before Python 3.12 it may lose a cancellation
        left = self._wait_limit_s - (self._clock() - ticket.came)
        timer = loop.call_later(max(0.0, left), self._expire, ticket)
        try:
            await ticket.turn
        finally:
            timer.cancel()
            ticket.turn = None

    def _expire(self, ticket: Ticket) -> None:
        if ticket in self._waiting:
            self._give_up(ticket, Busy("queue_timeout", self.retry_s(self.position(ticket))))

    def _give_up(self, ticket: Ticket, error: Busy) -> None:
        if ticket.turn is not None and not ticket.turn.done():
            ticket.turn.set_exception(error)
        self.leave(ticket)

    def _changed(self) -> None:
        if self._listeners:
            self._told = self._clock()
            live = self.live()
            for listener in list(self._listeners):
                listener(live)
