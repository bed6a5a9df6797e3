"""A conversation with the loaded model, kept while it is written: at most one second of an answer can be lost."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from ..core.conversation import AS_THE_MODEL_HAS_IT, ConversationSettings
from ..core.errors import AppError
from ..core.protocol import Delta, Done, Sampling
from ..core.remote import Endpoint
from ..store.conversations import Conversation, Conversations, Facts, Picture, StoredMessage
from .answerer import Answerer
from .archive import Archive as Archive
from .chat_messages import Show, as_messages, parts_of
from .chat_messages import title_of as title_of
from .session_state import SessionState

log = logging.getLogger(__name__)

SAVE_EVERY_S = 0.8
"""How often an answer that is being written goes to disk."""


@dataclass(frozen=True)
class Asked:
    """The question is kept; its answer begins, still empty."""

    conversation: Conversation
    question: StoredMessage
    answer: StoredMessage


@dataclass(frozen=True)
class Answered:
    """The last state of an answer, as kept."""

    answer: StoredMessage


@dataclass(frozen=True)
class Asking:
    """Who keeps and who answers. ``sampling``: the model's own; a conversation's settings go before it. ``show`` None:
    pictures are left out of what the engine gets."""

    archive: Archive
    answerer: Answerer
    sampling: Sampling
    show: Show | None = None


async def ask(
    archive: Archive,
    answerer: Answerer,
    conversation: Conversation | None,
    text: str,
    sampling: Sampling,
    *,
    pictures: Sequence[Picture] = (),
    settings: ConversationSettings = AS_THE_MODEL_HAS_IT,
    show: Show | None = None,
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    """Keep a question (in a new conversation with ``settings`` where none is given), stream its answer and keep that
    too.

    What was streamed is kept however it ends: stopped, cancelled, or by the AppError that is raised.
    """
    if conversation is None:
        conversation = await archive.run(Conversations.create, title_of(text), settings)
    question = await archive.run(Conversations.append, conversation.id, "user", text, Facts(), pictures)
    asking = Asking(archive, answerer, sampling, show)
    async with contextlib.aclosing(_answer(asking, conversation, question)) as events:
        async for event in events:
            yield event


async def ask_again(
    archive: Archive,
    answerer: Answerer,
    conversation: Conversation,
    question: StoredMessage,
    sampling: Sampling,
    *,
    show: Show | None = None,
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    """Answer a question again: another version of its answer."""
    asking = Asking(archive, answerer, sampling, show)
    async with contextlib.aclosing(_answer(asking, conversation, question)) as events:
        async for event in events:
            yield event


async def ask_edited(
    archive: Archive,
    answerer: Answerer,
    conversation: Conversation,
    question: StoredMessage,
    text: str,
    sampling: Sampling,
    *,
    pictures: Sequence[Picture] | None = None,
    show: Show | None = None,
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    """Ask a question in other words: another version of it, with the same pictures where none are given."""
    shown = question.pictures if pictures is None else pictures
    edited = await archive.run(
        Conversations.add, conversation.id, question.parent, "user", text, Facts(), shown
    )
    asking = Asking(archive, answerer, sampling, show)
    async with contextlib.aclosing(_answer(asking, conversation, edited)) as events:
        async for event in events:
            yield event


async def _answer(
    asking: Asking, conversation: Conversation, question: StoredMessage
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    archive, answerer = asking.archive, asking.answerer
    fresh = await archive.run(Conversations.get, conversation.id)
    conversation = fresh or conversation
    history = await archive.run(Conversations.transcript, conversation.id, question.id)
    answer = await _begin(archive, answerer, conversation, question)
    yield Asked(conversation, question, answer)
    writer = _Writer(archive, answer)
    try:
        parts = await parts_of(history, asking.show)
        messages = as_messages(history, conversation.settings.system, parts)
        sampling = conversation.settings.sampling(asking.sampling)
        async with contextlib.aclosing(answerer.generate(messages, sampling)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    writer.add(event)
                    yield event
                else:
                    writer.done(event, answerer)
    except AppError:
        writer.end("failed", answerer)
        raise
    finally:
        await writer.close(answerer)
    yield Answered(writer.answer)


async def _begin(
    archive: Archive, answerer: Answerer, conversation: Conversation, question: StoredMessage
) -> StoredMessage:
    """The empty answer, on disk. Cancelled while it is written, it is kept as cancelled rather than as unfinished."""
    call = archive.run(Conversations.add, conversation.id, question.id, "assistant", "")
    written = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(written)
    except asyncio.CancelledError:
        await _Writer(archive, await written).close(answerer)
        raise


class _Writer:
    """Collects an answer and writes it every SAVE_EVERY_S and at its end."""

    def __init__(self, archive: Archive, answer: StoredMessage) -> None:
        self._archive = archive
        self._parts: list[str] = []
        self._saved = time.monotonic()
        self._saving: asyncio.Future[None] | None = None
        self._tokens = 0
        self.answer = answer

    def add(self, delta: Delta) -> None:
        self._parts.append(delta.text)
        self._tokens = delta.tokens
        now = time.monotonic()
        if now - self._saved >= SAVE_EVERY_S and (self._saving is None or self._saving.done()):
            self._report()
            self._saved = now
            work = self._archive.run(Conversations.update_text, self.answer.id, "".join(self._parts))
            self._saving = asyncio.ensure_future(work)

    def done(self, done: Done, answerer: Answerer) -> None:
        facts = dataclasses.replace(
            _facts(answerer),
            tokens=done.usage.completion_tokens,
            tokens_per_s=done.timings.tokens_per_s,
            first_token_s=done.timings.first_token_s,
            dropped=done.usage.dropped_messages or None,
            prompt_tokens=done.usage.prompt_tokens,
        )
        self._set(done.finish_reason, facts)

    def end(self, reason: str, answerer: Answerer) -> None:
        if self.answer.finish_reason is None:
            self._set(reason, dataclasses.replace(_facts(answerer), tokens=self._tokens))

    async def close(self, answerer: Answerer) -> None:
        """Write the last state. An answer that is cancelled ends here as well."""
        self.end("cancelled", answerer)
        if self._saving is not None:
            await asyncio.wait({self._saving})
            self._report()
        answer = self.answer
        reason = answer.finish_reason or "cancelled"
        await self._archive.run(Conversations.finish, answer.id, answer.text, reason, answer.facts)

    def _set(self, reason: str, facts: Facts) -> None:
        text = "".join(self._parts)
        self.answer = dataclasses.replace(self.answer, text=text, finish_reason=reason, facts=facts)

    def _report(self) -> None:
        """A save that failed is logged; the last one of an answer raises."""
        if self._saving is not None and self._saving.done():
            error = self._saving.exception()
            if error is not None:
                log.error("an answer could not be saved: %s", error)
            self._saving = None


def _facts(answerer: Answerer) -> Facts:
    """What answers now, as it knows itself."""
    state, endpoint = getattr(answerer, "state", None), getattr(answerer, "endpoint", None)
    if isinstance(state, SessionState):
        return Facts(
            model=state.target.name if state.target is not None else None,
            rung=state.plan.rung if state.plan is not None else None,
        )
    return (
        Facts(model=endpoint.model or None, endpoint=endpoint.name)
        if isinstance(endpoint, Endpoint)
        else Facts()
    )
