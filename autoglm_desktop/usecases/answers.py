"""The answers that a session's engine writes now: one, or several at once."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import AsyncGenerator, Sequence

from ..core import protocol
from ..host.supervisor import Running
from .aftermath import Aftermath
from .deaths import Broken
from .run_watch import RunWatch
from .session_state import Board

Events = AsyncGenerator[protocol.Delta | protocol.Done, None]


def needs_all(messages: Sequence[protocol.Message], sampling: protocol.Sampling) -> bool:
    """Whether a request is written alone also where several are written at once: it has pictures, or a grammar."""
    return sampling.json_schema is not None or any(
        isinstance(message.content, list) and any(part.get("type") != "text" for part in message.content)
        for message in messages
    )


class Answers:
    """Tells the board of them. On the loop's thread."""

    def __init__(self, board: Board, after: Aftermath) -> None:
        self._board, self._after = board, after
        self._running: dict[str, Running] = {}
        self._blamed: tuple[Running, protocol.Failed] | None = None

    def stop(self) -> None:
        """Stop all that run; they end with ``done``, finish reason ``cancelled``."""
        for request, running in self._running.items():
            running.process.cancel(request)

    def blame(self, running: Running, event: protocol.Failed) -> None:
        """``running`` is about to be ended for what one of its answers met: the others met it, too."""
        self._blamed = running, event

    async def answer(
        self,
        running: Running,
        watch: RunWatch,
        messages: Sequence[protocol.Message],
        sampling: protocol.Sampling,
    ) -> Events:
        """One try of an answer. Raises Broken."""
        request = protocol.Generate(uuid.uuid4().hex, tuple(messages), sampling)
        self._running[request.id], spoken = running, False
        self._board.answering()
        watch.asked(request.id)
        try:
            async with contextlib.aclosing(running.process.generate(request)) as events:
                async for event in events:
                    if isinstance(event, protocol.Failed):
                        raise self._broken(running, event, spoken=spoken)
                    if isinstance(event, protocol.Delta):
                        spoken = True
                        watch.token(event)
                    else:
                        self._after.answered()
                        watch.answered()
                        speed = event.timings.tokens_per_s or self._board.state.tokens_per_s
                        self._board.change(tokens_per_s=speed)
                    yield event
        finally:
            del self._running[request.id]
            watch.left(request.id)
            if running.process.exit is None:
                others = any(one is running for one in self._running.values())
                self._board.change(phase="generating" if others else "ready", memory=running.process.memory)

    def _broken(self, running: Running, event: protocol.Failed, *, spoken: bool) -> Broken:
        end, freed = running.process.exit, running.process.closed
        if self._blamed is not None and self._blamed[0] is running:
            event = dataclasses.replace(self._blamed[1], id=event.id) if end is not None else event
            freed = False
        return Broken(event, end, spoken=spoken, freed=freed)
