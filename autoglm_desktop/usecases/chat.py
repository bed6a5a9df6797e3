"""A conversation with whoever answers it, kept while it is written: at most one second of an answer can be lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..core.conversation import AS_THE_MODEL_HAS_IT, ConversationSettings
from ..core.errors import AppError
from ..core.protocol import Delta
from ..store.conversations import Conversation, Conversations, Facts, Picture, StoredMessage
from .answer_writer import Writer
from .answering import Always, Chooser
from .archive import Archive as Archive
from .chat_messages import as_messages, none_shown
from .chat_messages import title_of as title_of
from .remote import Remote


@dataclass(frozen=True)
class Asked:
    """The question is kept; its answer begins, empty or with what it has already."""

    conversation: Conversation
    question: StoredMessage
    answer: StoredMessage


@dataclass(frozen=True)
class Answered:
    """The last state of an answer, as kept. ``left_out``: what is set for the conversation and the server
    who answered does not know."""

    answer: StoredMessage
    left_out: tuple[str, ...] = ()


Events: TypeAlias = AsyncGenerator[Asked | Delta | Answered, None]


async def ask(
    archive: Archive,
    chooser: Chooser,
    conversation: Conversation | None,
    text: str,
    *,
    pictures: Sequence[Picture] = (),
    settings: ConversationSettings = AS_THE_MODEL_HAS_IT,
) -> Events:
    """Keep a question (in a new conversation with ``settings`` where none is given), stream its answer and keep that
    too.

    The question is kept also where this is cancelled before ``Asked``; what was streamed is kept however it ends:
    stopped, cancelled, or by the AppError that is raised.
    """
    where, question = await archive.finish(archive.run(_kept, conversation, text, pictures, settings))
    async with contextlib.aclosing(_answer(archive, chooser, where, question)) as events:
        async for event in events:
            yield event


async def ask_again(
    archive: Archive, chooser: Chooser, conversation: Conversation, question: StoredMessage
) -> Events:
    """Answer a question again: another version of its answer."""
    async with contextlib.aclosing(_answer(archive, chooser, conversation, question)) as events:
        async for event in events:
            yield event


async def ask_edited(
    archive: Archive,
    chooser: Chooser,
    conversation: Conversation,
    question: StoredMessage,
    text: str,
    *,
    pictures: Sequence[Picture] | None = None,
) -> Events:
    """Ask a question in other words: another version of it, with the same pictures where none are given."""
    shown = question.pictures if pictures is None else pictures
    edited = await archive.finish(archive.run(_edited, conversation, question.parent, text, shown))
    async with contextlib.aclosing(_answer(archive, chooser, conversation, edited)) as events:
        async for event in events:
            yield event


async def go_on(
    archive: Archive, chooser: Chooser, conversation: Conversation, answer: StoredMessage
) -> Events:
    """Write an answer on, in the same message; what it has stays whatever happens. ``Asked.answer`` has it, deltas
    only what is new, ``Answered`` all.

    Raises AppError (conversation_gone, as ``ask``); ValueError where a remote server answers: few of them write on, so
    the caller asks a question instead.
    """
    conversation = await _fresh(archive, conversation)
    chosen = await chooser.choose(conversation.settings)
    if chosen.remote is not None:
        raise ValueError("a remote server is to write an answer on")
    history = await archive.run(Conversations.transcript, conversation.id, answer.id)
    if len(history) < 2:
        raise AppError("conversation_gone")
    before = await _begun(archive, archive.run(_reopened, answer.id), written_on=True)
    asked, writer = Asked(conversation, history[-2], before), Writer(archive, before, before)
    same = Always(chosen.answerer, chosen.sampling, chosen.show)
    async with contextlib.aclosing(_written(same, asked, history, writer)) as events:
        async for event in events:
            yield event


async def _answer(
    archive: Archive, chooser: Chooser, conversation: Conversation, question: StoredMessage
) -> Events:
    conversation = await _fresh(archive, conversation)
    history = await archive.run(Conversations.transcript, conversation.id, question.id)
    call = archive.run(Conversations.add, conversation.id, question.id, "assistant", "")
    answer = await _begun(archive, call)
    asked, writer = Asked(conversation, question, answer), Writer(archive, answer)
    async with contextlib.aclosing(_written(chooser, asked, history, writer)) as events:
        async for event in events:
            yield event


async def _written(
    chooser: Chooser, asked: Asked, history: Sequence[StoredMessage], writer: Writer
) -> Events:
    """Ask with ``history`` and stream what comes into ``writer``."""
    settings = asked.conversation.settings
    try:
        yield asked
        chosen = await chooser.choose(settings)
        writer.answerer, sampling = chosen.answerer, settings.sampling(chosen.sampling)
        show = chosen.show or none_shown
        async with show(history, settings.system, sampling) as shown:
            writer.unseen = shown.unseen
            messages = as_messages(history, settings.system, shown.parts)
            async with contextlib.aclosing(chosen.answerer.generate(messages, sampling)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        writer.add(event)
                        yield event
                    else:
                        writer.done(event)
    except AppError:
        writer.end("failed")
        raise
    finally:
        await writer.close()
    left_out = writer.answerer.left_out if isinstance(writer.answerer, Remote) else ()
    yield Answered(
        writer.answer, tuple(name for name in left_out if getattr(settings, name, None) is not None)
    )


def _kept(
    store: Conversations,
    conversation: Conversation | None,
    text: str,
    pictures: Sequence[Picture],
    settings: ConversationSettings,
) -> tuple[Conversation, StoredMessage]:
    begun = store.create(title_of(text), settings) if conversation is None else _present(store, conversation)
    return begun, store.append(begun.id, "user", text, Facts(), pictures)


def _edited(
    store: Conversations,
    conversation: Conversation,
    parent: int | None,
    text: str,
    pictures: Sequence[Picture],
) -> StoredMessage:
    return store.add(_present(store, conversation).id, parent, "user", text, Facts(), pictures)


async def _fresh(archive: Archive, conversation: Conversation) -> Conversation:
    """As it is now, not as the window last saw it. Raises AppError(conversation_gone)."""
    return await archive.run(_present, conversation)


def _present(store: Conversations, conversation: Conversation) -> Conversation:
    found = store.get(conversation.id)
    if found is None:
        raise AppError("conversation_gone")
    return found


def _reopened(store: Conversations, message: int) -> StoredMessage:
    found = store.reopen(message)
    if found is None:
        raise AppError("conversation_gone")
    return found


async def _begun(
    archive: Archive, call: Awaitable[StoredMessage], *, written_on: bool = False
) -> StoredMessage:
    """The answer that begins, on disk. Cancelled meanwhile, it is kept as cancelled rather than as unfinished, or as it
    was."""
    written = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(written)
    except asyncio.CancelledError:
        await archive.finish(_taken_back(archive, written, written_on=written_on))
        raise


async def _taken_back(archive: Archive, written: Awaitable[StoredMessage], *, written_on: bool) -> None:
    answer = await written
    await Writer(archive, answer, answer if written_on else None).close()
