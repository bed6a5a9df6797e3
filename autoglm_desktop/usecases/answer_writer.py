"""An answer on its way to the disk: written every SAVE_EVERY_S and at its end, with what is known of it then."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable

from ..core.protocol import Delta, Done
from ..core.remote import Endpoint
from ..core.thinking import ReplyParser
from ..store.conversations import Conversations, Facts, StoredMessage
from .answerer import Answerer
from .archive import Archive
from .remote_tally import RemoteDone
from .session_state import SessionState

log = logging.getLogger(__name__)

SAVE_EVERY_S = 0.8
"""How often an answer that is being written goes to disk."""


class Writer:
    """Collects an answer. ``before``: what it was, where it is written on; then that stays in front of all that comes,
    and is left alone where nothing does. ``answerer`` and ``unseen`` are set as soon as they are known."""

    def __init__(
        self,
        archive: Archive,
        answer: StoredMessage,
        before: StoredMessage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive, self._before, self._clock = archive, before, clock
        self._parts: list[str] = [before.text] if before is not None and before.text else []
        self._held = len(self._parts)
        self._parser = ReplyParser()
        self._thought_from: float | None = None
        self._saved = clock()
        self._saving: asyncio.Future[None] | None = None
        self._tokens = 0
        self._ended = False
        self.answer = answer
        self.answerer: Answerer | None = None
        self.unseen = 0
        if self._parts:
            self._parser.feed(self._parts[0], 0.0)

    def add(self, delta: Delta) -> None:
        now = self._clock()
        self._thought_from = now if self._thought_from is None else self._thought_from
        self._parser.feed(delta.text, now - self._thought_from)
        self._parts.append(delta.text)
        self._tokens = delta.tokens
        if now - self._saved >= SAVE_EVERY_S and (self._saving is None or self._saving.done()):
            self._report()
            self._saved = now
            work = self._archive.run(Conversations.update_text, self.answer.id, "".join(self._parts))
            self._saving = asyncio.ensure_future(work)

    def done(self, done: Done) -> None:
        """The engine has ended the answer."""
        if done.finish_reason == "cancelled" and self._unchanged():
            self.end("cancelled")
            return
        usage, counted = done.usage, not isinstance(done, RemoteDone) or done.counted
        facts = dataclasses.replace(
            self._facts(),
            tokens=usage.completion_tokens if counted else None,
            tokens_per_s=done.timings.tokens_per_s,
            first_token_s=done.timings.first_token_s,
            dropped=usage.dropped_messages or None,
            prompt_tokens=usage.prompt_tokens or None if counted else None,
        )
        self._set(done.finish_reason, facts)

    def end(self, reason: str) -> None:
        """It ends here; nothing, where it has ended already."""
        if self._ended:
            return
        if self._before is not None and self._unchanged():
            self.answer, self._ended = self._before, True
        else:
            pieces = _endpoint(self.answerer) is not None  # a server's deltas count those, not tokens
            self._set(reason, dataclasses.replace(self._facts(), tokens=None if pieces else self._tokens))

    async def close(self) -> None:
        """Write the last state, also where this is cancelled. An answer that is cancelled ends here as well."""
        self.end("cancelled")
        await self._archive.finish(self._finish())

    async def _finish(self) -> None:
        if self._saving is not None:
            await asyncio.wait({self._saving})
            self._report()
        answer = self.answer
        await self._archive.run(
            Conversations.finish, answer.id, answer.text, answer.finish_reason, answer.facts
        )

    def _unchanged(self) -> bool:
        """Whether it was to be written on, and nothing came."""
        return self._before is not None and len(self._parts) == self._held

    def _set(self, reason: str, facts: Facts) -> None:
        if self._before is not None:
            facts = added_up(self._before.facts, facts)
        self._ended, text = True, "".join(self._parts)
        self.answer = dataclasses.replace(self.answer, text=text, finish_reason=reason, facts=facts)

    def _facts(self) -> Facts:
        """Who answers now, as it knows itself, and what only this side can tell."""
        return dataclasses.replace(
            _who(self.answerer), unseen=self.unseen or None, thinking_s=self._thinking_s()
        )

    def _thinking_s(self) -> float | None:
        """How long it has thought since its first word; None where it didn't, or that came in one piece."""
        now = self._clock()
        self._parser.end(now - self._thought_from if self._thought_from is not None else 0.0)
        return sum(part.seconds or 0.0 for part in self._parser.parts if part.kind == "thinking") or None

    def _report(self) -> None:
        """A save that failed is logged; the last one of an answer raises."""
        if self._saving is not None and self._saving.done():
            error = self._saving.exception()
            if error is not None:
                log.error("an answer could not be saved: %s", error)
            self._saving = None


def added_up(before: Facts, last: Facts) -> Facts:
    """The facts of an answer that was written on: ``last`` of that run alone, whose prompt held what was there before.
    What can't be told any more is None."""
    known = before.tokens is not None and last.tokens is not None
    prompt = None
    if before.tokens is not None and last.prompt_tokens is not None:
        prompt = max(0, last.prompt_tokens - before.tokens) or None
    times = [one for one in (before.thinking_s, last.thinking_s) if one is not None]
    return dataclasses.replace(
        last,
        tokens=(before.tokens or 0) + (last.tokens or 0) if known else None,
        prompt_tokens=prompt,
        tokens_per_s=last.tokens_per_s
        if last.tokens_per_s is not None or last.tokens
        else before.tokens_per_s,
        first_token_s=before.first_token_s if before.first_token_s is not None else last.first_token_s,
        thinking_s=sum(times) if times else None,
    )


def _who(answerer: Answerer | None) -> Facts:
    state, endpoint = getattr(answerer, "state", None), _endpoint(answerer)
    if isinstance(state, SessionState):
        return Facts(
            model=state.target.name if state.target is not None else None,
            rung=state.plan.rung if state.plan is not None else None,
        )
    return Facts(model=endpoint.model or None, endpoint=endpoint.name) if endpoint is not None else Facts()


def _endpoint(answerer: Answerer | None) -> Endpoint | None:
    endpoint = getattr(answerer, "endpoint", None)
    return endpoint if isinstance(endpoint, Endpoint) else None
