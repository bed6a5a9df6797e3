"""One generation for one client: waits for its turn, streams, and stops when the client hangs up."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..core.errors import AppError, EngineError
from ..core.phone import ReplyFilter
from ..core.protocol import Delta, Done
from ..usecases.serve_gate import Asking, Ticket
from ..usecases.serve_pictures import shown
from . import answers
from .answers import Shape
from .errors import ApiError, as_api_error, from_app_error, unexpected
from .parts import Parts
from .reading import Asked

log = logging.getLogger(__name__)
DROPPED_HEADER = "X-AutoGLM-Dropped-Messages"
IMAGES_HEADER = "X-AutoGLM-Dropped-Images"


class Running:
    """A generation in a task of its own, so that keep-alives can be sent while it is silent."""

    def __init__(self, source: AsyncGenerator[Delta | Done, None]) -> None:
        self._events: collections.deque[Delta | Done | Exception] = collections.deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closing = False
        self._task = asyncio.create_task(self._run(source))

    async def _run(self, source: AsyncGenerator[Delta | Done, None]) -> None:
        try:
            async with contextlib.aclosing(source) as events:
                async for event in events:
                    self._put(event)
        except Exception as error:  # noqa: BLE001 - raised again where the events are taken
            self._put(error)
        except asyncio.CancelledError:
            if self._closing:
                raise
            self._put(EngineError("engine_freed"))  # whose load it waited for was cancelled

    def _put(self, event: Delta | Done | Exception) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, timeout_s: float | None) -> Delta | Done | None:
        """The next event; None after ``timeout_s`` without one. Raises what the generation raised."""
        if not self._events:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()  # no wait_for, which makes a task for every token
            timer = loop.call_later(timeout_s, self._wake) if timeout_s is not None else None
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
            if not self._events:
                return None
        event = self._events.popleft()
        if isinstance(event, Exception):
            raise event
        return event

    async def close(self) -> None:
        """Stop generating, if it still does, and wait until that is done."""
        self._closing = True
        self._task.cancel()
        await asyncio.wait({self._task})


class Generation(Response):
    """The response to a request that generates. Refusals before the first token are plain HTTP errors, later ones an
    event of the stream."""

    def __init__(self, parts: Parts, route: str, asked: Asked, shape: Shape, *, phone: bool) -> None:
        super().__init__()
        self._parts = parts
        self._route = route
        self._asked = asked
        self._shape = shape
        self._filter = ReplyFilter() if phone else None
        self._ticket: Ticket | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await unless_hung_up(receive, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        asked = self._asked
        asking = Asking(self._route, str(client[0]) if client else "", asked.stream, len(asked.images))
        running = Running(self._events(asking))
        try:
            if asked.stream:
                first = await running.next(self._parts.options.keep_alive_s)
                await self._stream(running, first, send)
            else:
                await (await self._whole(running))(scope, receive, send)
        except (AppError, ApiError) as error:
            _log_refusal(error)
            await as_api_error(error).response()(scope, receive, send)
        finally:
            await running.close()

    async def _events(self, asking: Asking) -> AsyncGenerator[Delta | Done, None]:
        self._check()
        parts, asked = self._parts, self._asked
        self._ticket = ticket = parts.gate.ticket(asking)
        async with parts.gate.turn(ticket):
            self._check()
            async with shown(
                parts.session, parts.pictures, parts.see, asked.messages, asked.sampling
            ) as messages:
                generation = parts.session.generate(messages, asked.sampling)
                async with contextlib.aclosing(generation) as events:
                    async for event in events:
                        if isinstance(event, Delta):
                            ticket.tokens(event.tokens)
                        yield event

    def _check(self) -> None:
        refused = self._parts.gate.refusal()
        if refused is not None:
            raise from_app_error(*refused)

    async def _whole(self, running: Running) -> JSONResponse:
        text = ""
        while not isinstance(event := await running.next(None), Done):
            text += self._shown(event)
        self._note(event)
        headers = self._dropped()
        if event.usage.dropped_messages:
            headers[DROPPED_HEADER] = str(event.usage.dropped_messages)
        return JSONResponse(self._shape.whole(text + self._rest(), event), headers=headers)

    async def _stream(self, running: Running, first: Delta | Done | None, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"),
                   (b"x-accel-buffering", b"no")]  # fmt: skip
        headers += [(name.lower().encode(), value.encode()) for name, value in self._dropped().items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with contextlib.aclosing(self._pieces(running, first)) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self, running: Running, first: Delta | Done | None) -> AsyncGenerator[bytes, None]:
        """Role, text, finish reason, usage where asked for, end; comment lines in between while nothing comes."""
        shape, event, ahead = self._shape, first, self._shape.opening()
        try:
            while not isinstance(event, Done):
                text = self._shown(event)
                if text:
                    ahead += shape.piece(text)
                elif event is None:
                    ahead += self._still_there()
                if ahead:
                    yield ahead
                    ahead = b""
                event = await running.next(self._parts.options.keep_alive_s)
        except (AppError, ApiError) as error:
            _log_refusal(error)
            yield ahead + answers.event(as_api_error(error).body())
        except Exception:  # a bug; the client is told that there was one, since its stream has begun
            log.exception("a stream failed")
            yield ahead + answers.event(unexpected().body())
        else:
            self._note(event)
            rest = self._rest()
            yield ahead + (shape.piece(rest) if rest else b"") + shape.ending(event)
        yield answers.END

    def _still_there(self) -> bytes:
        """A comment, which clients skip: the place in the queue, or just a sign of life."""
        place = self._ticket.position if self._ticket is not None else 0
        return b": waiting, %d before you\n\n" % place if place else answers.KEEP_ALIVE

    def _shown(self, event: Delta | None) -> str:
        if event is None:
            return ""
        return self._filter.feed(event.text) if self._filter is not None else event.text

    def _rest(self) -> str:
        return self._filter.rest() if self._filter is not None else ""

    def _dropped(self) -> dict[str, str]:
        return {IMAGES_HEADER: str(self._asked.dropped)} if self._asked.dropped else {}

    def _note(self, done: Done) -> None:
        self._parts.metrics.answered(done)
        usage, reason = done.usage, done.finish_reason
        log.info(
            "answered: %d prompt tokens, %d tokens, %s", usage.prompt_tokens, usage.completion_tokens, reason
        )
        if usage.dropped_messages:
            log.info("%d old messages no longer fitted the context", usage.dropped_messages)


async def unless_hung_up(receive: Receive, work: Awaitable[None]) -> None:
    """Do ``work`` unless the client hangs up; then it is cancelled, and that is waited for."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            log.info("a client hung up")
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.wait({working, gone})
    if not working.cancelled():
        working.result()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _log_refusal(error: AppError | ApiError) -> None:
    """The code alone: a prompt or a path may be among the values."""
    log.info("refused: %s", error.code)
