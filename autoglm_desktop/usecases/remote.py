"""A server that speaks OpenAI's protocol answers, in the events of ``session.Session.generate``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.protocol import Delta, Done, Message, Sampling
from ..core.remote import Endpoint, RemoteError
from ..core.remote_models import RemoteModel, models_of
from ..core.remote_request import body_of, refusal, without_unknown
from ..core.remote_stream import Lines, Piece, Reader
from ..store.keys import Keys
from ..store.web import Web
from .remote_tally import Tally

if TYPE_CHECKING:
    from ..store.remote_http import Answer, Refused, RemoteHttp

log = logging.getLogger(__name__)
T = TypeVar("T")

SILENCE_S = 120.0
"""Without a byte after the first one, an answer counts as lost."""
AFTER_END_S = 5.0
"""How long the counts are waited for once the answer has ended."""
MOST_TRIES = 4


@dataclass(frozen=True)
class Patience:
    """Seconds without a byte: before the first one, and after it."""

    first_s: float = 600.0
    silence_s: float = SILENCE_S
    after_end_s: float = AFTER_END_S


class _Stopped(Exception):
    """The user has stopped the answer."""


async def key_of(keys: Keys, endpoint: Endpoint) -> str | None:
    """The key that was kept for a server; None for one without. Raises RemoteError(remote_key_gone)."""
    if not endpoint.has_key:
        return None
    key = await asyncio.to_thread(keys.get, endpoint.key_name)
    if key is None:
        raise RemoteError("remote_key_gone", name=endpoint.name)
    return key


class Remote:
    """An Answerer. ``key``: instead of the one that is kept. ``left_out``: parameters that the server refused, which
    it is no longer sent. ``stream`` False: answers are asked for in one piece."""

    def __init__(
        self,
        web: Web,
        endpoint: Endpoint,
        *,
        key: str | None = None,
        patience: Patience | None = None,
        stream: bool = True,
    ) -> None:
        self.endpoint = endpoint
        self._stream = stream
        self.left_out: tuple[str, ...] = ()
        self._web, self._key, self._patience = web, key, patience or Patience()
        self._stops: set[asyncio.Future[None]] = set()

    def stop(self) -> None:
        """Close the connection of the answer that is streaming; it ends with ``done``, finish reason ``cancelled``."""
        for stop in self._stops:
            if not stop.done():
                stop.set_result(None)

    def in_one_piece(self) -> Remote:
        """The same server; its answers come whole. Some count tokens only then."""
        made = Remote(self._web, self.endpoint, key=self._key, patience=self._patience, stream=False)
        made.left_out = self.left_out
        return made

    async def models(self) -> tuple[RemoteModel, ...]:
        """What the server offers. Raises RemoteError."""
        from ..store.remote_http import Refused

        http = await self._http()
        try:
            found = await http.get("/models")
        except Refused as refused:
            raise self._refusal(refused, http.key) from None
        return models_of(found, self.endpoint)

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Done, None]:
        """Stream an answer: deltas, then ``done``. Raises RemoteError, AppError(file_unreadable)."""
        stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stops.add(stop)
        tally = Tally()
        opened: list[Answer] = []
        try:
            await _until(self._open(messages, sampling, opened), stop, self._patience.first_s)
            answer = opened[0]
            async with contextlib.aclosing(_Events(answer, self._patience).pieces(stop, tally)) as pieces:
                async for piece in pieces:
                    if piece.text:
                        yield Delta(tally.id, piece.text, tally.pieces)
            yield tally.done(streamed=not answer.whole)
        except _Stopped:
            yield tally.done(streamed=True, reason="cancelled")
        except RemoteError as error:
            log.info("%s: %s", self.endpoint.id, error.code)
            raise self._named(error, opened) from None
        finally:
            self._stops.discard(stop)
            stop.cancel()
            for left in opened:
                await left.close()

    async def _open(self, messages: Sequence[Message], sampling: Sampling, opened: list[Answer]) -> None:
        """Puts the answer into ``opened``, where it is found and closed even if nobody waits for it any more. What the
        server doesn't know is left out of the request."""
        from ..store.remote_http import Refused

        http = await self._http()
        body = await asyncio.to_thread(
            body_of, self.endpoint, messages, sampling, picture_uri, stream=self._stream
        )
        body = {key: value for key, value in body.items() if key not in self.left_out}
        for attempt in range(MOST_TRIES):
            try:
                opened.append(await http.chat(body))
                return
            except Refused as refused:
                less = without_unknown(body, str(refused.body)) if refused.status in (400, 422) else None
                if less is None or attempt == MOST_TRIES - 1:
                    raise self._refusal(refused, http.key, pictures=has_pictures(messages)) from None
                body, named = less
                self.left_out += named
                log.info("%s does not know %s", self.endpoint.id, named)

    async def _http(self) -> RemoteHttp:
        from ..store.remote_http import RemoteHttp

        key = self._key if self._key is not None else await key_of(self._web.keys, self.endpoint)
        return RemoteHttp(self.endpoint, key, self._web.limits)

    def _refusal(self, refused: Refused, key: str | None, *, pictures: bool = False) -> RemoteError:
        return refusal(
            self.endpoint,
            refused.status,
            refused.body,
            with_key=key is not None,
            pictures=pictures,
            wait_s=refused.wait_s,
        )

    def _named(self, error: RemoteError, opened: Sequence[Answer]) -> RemoteError:
        """With the server's name, and without the key, neither of which pure parts know."""
        told = {
            name: opened[0].hide(value) if opened and isinstance(value, str) else value
            for name, value in error.values.items()
        }
        return RemoteError(error.code, **{"name": self.endpoint.name, "address": self.endpoint.url, **told})


class _Events:
    """Reads an answer to its end."""

    def __init__(self, answer: Answer, patience: Patience) -> None:
        self._answer, self._patience = answer, patience
        self._reader, self._lines, self._whole = Reader(), Lines(), bytearray()

    async def pieces(self, stop: asyncio.Future[None], tally: Tally) -> AsyncGenerator[Piece, None]:
        """Raises _Stopped; RemoteError where it doesn't come to its end."""
        while True:
            try:
                data = await _until(self._answer.next(), stop, self._wait(tally))
            except RemoteError:
                if tally.finish is None:
                    raise
                return  # it was complete; nobody needs what did not follow
            for event in self._cut(data, tally):
                if stop.done():
                    raise _Stopped
                piece = self._read(event, last=not data)
                tally.note(piece)
                yield piece
                if piece.done:
                    return
            if not data:
                if tally.finish is None:
                    raise RemoteError(self._why_cut(tally))
                return

    def _why_cut(self, tally: Tally) -> str:
        """The code for an answer that ended before its end."""
        if tally.pieces or self._lines.seen or self._answer.whole:
            return "remote_cut"
        return "remote_empty" if self._answer.events else "remote_not_openai"

    def _wait(self, tally: Tally) -> float:
        if tally.finish is not None:
            return self._patience.after_end_s
        return self._patience.silence_s if tally.pieces else self._patience.first_s

    def _cut(self, data: bytes, tally: Tally) -> list[str]:
        """The events that are complete with ``data`` (b"": the end). Raises RemoteError(remote_too_long)."""
        if not self._answer.whole:
            return self._lines.feed(data) if data else self._lines.end()
        self._whole += data
        tally.check(len(self._whole))
        return [] if data else [self._whole.decode("utf-8", errors="replace")]

    def _read(self, event: str, *, last: bool) -> Piece:
        try:
            return self._reader.read(event)
        except RemoteError as error:
            if last and error.code == "remote_garbled" and not self._answer.whole:
                raise RemoteError("remote_cut") from None
            raise


def has_pictures(messages: Sequence[Message]) -> bool:
    return any(
        not isinstance(one.content, str) and any(p["type"] == "image" for p in one.content)
        for one in messages
    )


def picture_uri(part: dict[str, Any]) -> str:
    """The address of a picture's part: its ``url`` if it has one, else its RGB (``usecases.pictures``) as PNG."""
    if "url" in part:
        return str(part["url"])
    from ..store.picture_data import data_uri

    return data_uri(Path(part["file"]), int(part["width"]), int(part["height"]))


async def _until(work: Awaitable[T], stop: asyncio.Future[None], patience_s: float | None) -> T:
    """The result of ``work``, which is cancelled when ``stop`` or the time comes first. Raises _Stopped,
    RemoteError(remote_slow)."""
    task = asyncio.ensure_future(work)
    try:
        waiting: set[asyncio.Future[Any]] = {task, stop}
        await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _Stopped if stop.done() else RemoteError("remote_slow")
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
