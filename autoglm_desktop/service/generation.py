"""One generation for one client: waits for its turn, streams, and stops when the client hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..core.errors import AppError
from ..core.phone import ReplyFilter
from ..core.protocol import Delta, Done, Message, Sampling
from ..usecases.serve import Gate, Served, refusal
from . import answers
from .errors import ApiError, as_api_error, from_app_error

log = logging.getLogger(__name__)
DROPPED_HEADER = "X-AutoGLM-Dropped-Messages"


@dataclass(frozen=True)
class Asked:
    """A request as far as generating is concerned."""

    messages: tuple[Message, ...]
    sampling: Sampling
    stream: bool
    include_usage: bool


class Running:
    """A generation in a task of its own, so that keep-alives can be sent while it is silent."""

    def __init__(self, source: AsyncGenerator[Delta | Done, None]) -> None:
        self._queue: asyncio.Queue[Delta | Done | Exception] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(source))

    async def _run(self, source: AsyncGenerator[Delta | Done, None]) -> None:
        try:
            async with contextlib.aclosing(source) as events:
                async for event in events:
                    self._queue.put_nowait(event)
        except Exception as error:  # noqa: BLE001 - raised again where the events are taken
            self._queue.put_nowait(error)

    async def next(self, timeout_s: float | None) -> Delta | Done | None:
        """The next event; None after ``timeout_s`` without one. Raises what the generation raised."""
        try:
            event = (
                self._queue.get_nowait()
                if not self._queue.empty()
                else await asyncio.wait_for(self._queue.get(), timeout_s)
            )
        except asyncio.TimeoutError:
            return None
        if isinstance(event, Exception):
            raise event
        return event

    async def close(self) -> None:
        """Stop generating, if it still does, and wait until that is done."""
        self._task.cancel()
        await asyncio.wait({self._task})


class Generation(Response):
    """The response to a chat request. Refusals before the first token are plain HTTP errors, later ones an event."""

    def __init__(
        self,
        session: Served,
        gate: Gate,
        asked: Asked,
        labels: answers.Labels,
        *,
        phone: bool,
        keep_alive_s: float,
    ) -> None:
        super().__init__()
        self._session = session
        self._gate = gate
        self._asked = asked
        self._labels = labels
        self._filter = ReplyFilter() if phone else None
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await unless_hung_up(receive, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        running = Running(self._events())
        try:
            if self._asked.stream:
                first = await running.next(self._keep_alive_s)
                await self._stream(running, first, send)
            else:
                await (await self._whole(running))(scope, receive, send)
        except (AppError, ApiError) as error:
            await as_api_error(error).response()(scope, receive, send)
        finally:
            await running.close()

    async def _events(self) -> AsyncGenerator[Delta | Done, None]:
        self._check()
        async with self._gate.turn():
            self._check()
            generation = self._session.generate(self._asked.messages, self._asked.sampling)
            async with contextlib.aclosing(generation) as events:
                async for event in events:
                    yield event

    def _check(self) -> None:
        refused = refusal(self._session.state)
        if refused is not None:
            raise from_app_error(*refused)

    async def _whole(self, running: Running) -> JSONResponse:
        text = ""
        while not isinstance(event := await running.next(None), Done):
            text += self._shown(event)
        _log(event)
        dropped = event.usage.dropped_messages
        headers = {DROPPED_HEADER: str(dropped)} if dropped else None
        return JSONResponse(answers.completion(self._labels, text + self._rest(), event), headers=headers)

    async def _stream(self, running: Running, first: Delta | Done | None, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"),
                   (b"x-accel-buffering", b"no")]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with contextlib.aclosing(self._pieces(running, first)) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self, running: Running, first: Delta | Done | None) -> AsyncGenerator[bytes, None]:
        """Role, text, finish reason, usage where asked for, end; comment lines in between while nothing comes."""
        yield answers.chunk(self._labels, {"role": "assistant", "content": ""})
        event = first
        try:
            while not isinstance(event, Done):
                text = self._shown(event)
                if text:
                    yield answers.chunk(self._labels, {"content": text})
                elif event is None:
                    yield answers.KEEP_ALIVE
                event = await running.next(self._keep_alive_s)
        except (AppError, ApiError) as error:
            yield answers.event(as_api_error(error).body())
        else:
            _log(event)
            if rest := self._rest():
                yield answers.chunk(self._labels, {"content": rest})
            yield answers.chunk(self._labels, {}, answers.finish_reason(event))
            if self._asked.include_usage:
                yield answers.chunk(self._labels, None, usage=event.usage)
        yield answers.END

    def _shown(self, event: Delta | None) -> str:
        if event is None:
            return ""
        return self._filter.feed(event.text) if self._filter is not None else event.text

    def _rest(self) -> str:
        return self._filter.rest() if self._filter is not None else ""


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


def _log(done: Done) -> None:
    usage, reason = done.usage, done.finish_reason
    log.info(
        "answered: %d prompt tokens, %d tokens, %s", usage.prompt_tokens, usage.completion_tokens, reason
    )
    if usage.dropped_messages:
        log.info("%d old messages no longer fitted the context", usage.dropped_messages)
