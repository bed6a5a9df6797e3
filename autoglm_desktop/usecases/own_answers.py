"""The session as the window's service uses it, beside the chat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from ..core import protocol
from ..core.errors import ServiceError
from .serve import Served
from .session_state import Listener, SessionState


class OwnAnswers:
    """Everything is the session's, but ``stop`` ends the answers that were asked for here alone: one of the chat goes
    on when the service is switched off. An answer that is ended so raises ServiceError(service_ending); one that is
    stopped in the window, as another model is loaded there, answer_stopped: half an action is no answer."""

    def __init__(self, session: Served) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> SessionState:
        return self._session.state

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._session.listen(listener)

    async def generate(
        self, messages: Sequence[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]:
        """In the task of who asks: that is what ``stop`` cancels."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with contextlib.aclosing(self._session.generate(messages, sampling)) as events:
                async for event in events:
                    if isinstance(event, protocol.Done) and event.finish_reason == "cancelled":
                        raise ServiceError("answer_stopped")
                    yield event
        except asyncio.CancelledError:
            if task in self._tasks:
                raise  # not ours
            raise ServiceError("service_ending") from None
        finally:
            self._tasks.discard(task)

    def stop(self) -> None:
        """End all answers that were asked for here."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
