"""A conversation with the loaded model, kept while it is written: at most one second of an answer can be lost."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ..core.errors import AppError
from ..core.protocol import Delta, Done, Message, Sampling
from ..store.conversation_file import Opening
from ..store.conversations import Conversation, Conversations, Facts, StoredMessage
from .session import Session

log = logging.getLogger(__name__)
T = TypeVar("T")

SAVE_EVERY_S = 0.8
"""How often an answer that is being written goes to disk."""

TITLE_LENGTH = 60


class Archive:
    """The conversations on a thread of their own: SQLite has one writer and never blocks the loop."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="conversations")

    async def open(self) -> Opening:
        return await self.run(Conversations.open)

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Call a method of Conversations: ``await archive.run(Conversations.rename, 7, "title")``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, call, self._conversations, *arguments)

    async def close(self) -> None:
        """Write what is pending and close the file."""
        await self.run(Conversations.close)
        self._thread.shutdown(wait=False)


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


async def ask(
    archive: Archive, session: Session, conversation: Conversation | None, text: str, sampling: Sampling
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    """Keep a question (in a new conversation where none is given), stream its answer and keep that too.

    What was streamed is kept however it ends: stopped, cancelled, or by the AppError that is raised.
    """
    if conversation is None:
        conversation = await archive.run(Conversations.create, title_of(text))
    question = await archive.run(Conversations.append, conversation.id, "user", text)
    async with contextlib.aclosing(_answer(archive, session, conversation, question, sampling)) as events:
        async for event in events:
            yield event


async def ask_again(
    archive: Archive,
    session: Session,
    conversation: Conversation,
    question: StoredMessage,
    sampling: Sampling,
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    """Answer a question again: everything after it is deleted first."""
    await archive.run(Conversations.delete_from, conversation.id, question.id + 1)
    async with contextlib.aclosing(_answer(archive, session, conversation, question, sampling)) as events:
        async for event in events:
            yield event


async def _answer(
    archive: Archive,
    session: Session,
    conversation: Conversation,
    question: StoredMessage,
    sampling: Sampling,
) -> AsyncGenerator[Asked | Delta | Answered, None]:
    history = await archive.run(Conversations.messages, conversation.id)
    answer = await _begin(archive, session, conversation)
    yield Asked(conversation, question, answer)
    writer = _Writer(archive, answer)
    try:
        async with contextlib.aclosing(session.generate(as_messages(history), sampling)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    writer.add(event)
                    yield event
                else:
                    writer.done(event, session)
    except AppError:
        writer.end("failed", session)
        raise
    finally:
        await writer.close(session)
    yield Answered(writer.answer)


async def _begin(archive: Archive, session: Session, conversation: Conversation) -> StoredMessage:
    """The empty answer, on disk. Cancelled while it is written, it is kept as cancelled rather than as unfinished."""
    written = asyncio.ensure_future(archive.run(Conversations.append, conversation.id, "assistant", ""))
    try:
        return await asyncio.shield(written)
    except asyncio.CancelledError:
        await _Writer(archive, await written).close(session)
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

    def done(self, done: Done, session: Session) -> None:
        facts = dataclasses.replace(
            _facts(session),
            tokens=done.usage.completion_tokens,
            tokens_per_s=done.timings.tokens_per_s,
            first_token_s=done.timings.first_token_s,
            dropped=done.usage.dropped_messages or None,
        )
        self._set(done.finish_reason, facts)

    def end(self, reason: str, session: Session) -> None:
        if self.answer.finish_reason is None:
            self._set(reason, dataclasses.replace(_facts(session), tokens=self._tokens))

    async def close(self, session: Session) -> None:
        """Write the last state. An answer that is cancelled ends here as well."""
        self.end("cancelled", session)
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


def as_messages(history: Sequence[StoredMessage]) -> tuple[Message, ...]:
    """What the engine gets: questions and answers in turn; answers that stayed empty are left out with nothing put
    in their place, and questions in a row become one."""
    messages: list[Message] = []
    for stored in history:
        if not stored.text:
            continue
        if messages and messages[-1].role == stored.role:
            joined = f"{messages[-1].content}\n\n{stored.text}"
            messages[-1] = Message(stored.role, joined)
        else:
            messages.append(Message(stored.role, stored.text))
    return tuple(messages)


def title_of(text: str) -> str:
    """A conversation's first title: the first line of its first question, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    head, space, _tail = cut.rpartition(" ")
    return (head if space and len(head) > TITLE_LENGTH // 2 else cut).rstrip(" ,.;:，。；：") + "…"


def _facts(session: Session) -> Facts:
    """What answers now, as the session knows it."""
    state = session.state
    return Facts(
        model=state.target.name if state.target is not None else None,
        rung=state.plan.rung if state.plan is not None else None,
    )
