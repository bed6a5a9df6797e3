"""The session as a service uses it: beside the chat of the window, for clients that may leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from ..core import protocol
from ..core.errors import ServiceError
from .loading import Wishes
from .serve import Served
from .session_state import Listener, SessionState
from .targets import Target

log = logging.getLogger(__name__)
NOT_LOADED = ("idle", "failed")


class OwnAnswers:
    """Everything is the session's, but ``stop`` ends the answers that were asked for here alone: one of the chat goes
    on when the service is switched off. An answer that is ended so raises ServiceError(service_ending); one that is
    stopped in the window, as another model is loaded there, answer_stopped: half an action is no answer.

    A load goes on when who wanted it has left: a client that waits 30 seconds and asks again would else never see the
    end of a load that takes 40."""

    def __init__(self, session: Served) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loads: set[asyncio.Task[SessionState]] = set()

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
            if self.state.phase in NOT_LOADED and self.state.target is not None:
                await self.ensure(self.state.target, self.wishes)
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

    @property
    def wishes(self) -> Wishes:
        return self._session.wishes

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState:
        load = asyncio.ensure_future(self._session.ensure(target, wishes))
        self._loads.add(load)
        load.add_done_callback(self._loaded)
        return await asyncio.shield(load)

    def _loaded(self, load: asyncio.Task[SessionState]) -> None:
        self._loads.discard(load)
        if not load.cancelled() and (error := load.exception()) is not None:
            log.info("a load that a request wanted failed: %r", error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
