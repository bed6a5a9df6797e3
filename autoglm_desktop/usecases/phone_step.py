"""One step of the phone agent, as the agent itself would have it: its prompt, a screenshot and a task go in, an action
comes out. Nothing is done on any phone."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from ..core import phone_actions, protocol
from ..core.errors import AppError, Reason
from ..core.pictures import MOST_TOKENS
from ..core.remote import Endpoint
from ..core.thinking import ReplyParser
from . import pictures, prompts
from .loading import Wishes
from .pictures import Pictures, Prepared
from .remote import Remote
from .remote_servers import RemoteServers
from .remote_tally import RemoteDone
from .session_state import SessionState
from .targets import Target

SAMPLING = protocol.Sampling(temperature=0.0, top_p=0.85, frequency_penalty=0.2, max_tokens=3000)
"""What the agent sends (zai-org/Open-AutoGLM, phone_agent/model/client.py)."""
WISH = "phone"
See: TypeAlias = Callable[[Target], Target]
"""What of a target can look at pictures (``pictures.seeing``); raises TargetError where nothing can. Reads files."""


class Model(Protocol):
    """What a step needs of a session (usecases.session.Session)."""

    @property
    def state(self) -> SessionState: ...

    @property
    def wishes(self) -> Wishes: ...

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState: ...

    def generate(
        self, messages: list[protocol.Message], sampling: protocol.Sampling
    ) -> AsyncGenerator[protocol.Delta | protocol.Done, None]: ...


@dataclass(frozen=True)
class Question:
    """``language`` of the prompt: zh | en."""

    picture: Path | bytes
    task: str
    language: str
    today: datetime.date


@dataclass(frozen=True)
class Preview:
    """A picture to look at, as large as a model would see it at most: ``pixels`` are RGB, row by row."""

    prepared: Prepared
    pixels: bytes


@dataclass(frozen=True)
class Written:
    """The reply so far. ``tokens`` of it; ``thinking``: whether it still thinks."""

    text: str
    tokens: int
    thinking: bool


@dataclass(frozen=True)
class Result:
    """``seconds`` from the question to the reply's end, loading not included; ``thinking_s`` of them it thought, None
    where it didn't say; ``reply`` as it was written; ``usage`` None: a server counted nothing."""

    step: phone_actions.Step
    reply: str
    seconds: float
    first_token_s: float | None
    thinking_s: float | None
    usage: protocol.Usage | None
    finish_reason: str


async def run(
    model: Model | Remote,
    own: Pictures,
    see: See,
    question: Question,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Prepared | Written | Result, None]:
    """Load the session's model where it isn't loaded, or take a remote server; prepare the picture, ask, and read the
    action.

    Raises AppError as ``see``, ``Session.ensure``, ``Pictures.prepare`` and ``generate`` do.
    """
    system = await prompt(question.language, question.today)
    room = await _room(model, see, system + question.task)
    async with own.held() as prepare:
        picture = await prepare(question.picture, room)
        yield picture
        async with contextlib.aclosing(_asked(model, system, picture, question.task, clock)) as events:
            async for event in events:
                yield event


async def run_there(
    servers: RemoteServers,
    endpoint: Endpoint,
    own: Pictures,
    question: Question,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Prepared | Written | Result, None]:
    """The same by a remote server that the user has chosen. Raises RemoteError(remote_gone) besides."""
    remote = await servers.answerer(endpoint.id, endpoint.model or None)
    async with contextlib.aclosing(run(remote, own, _as_it_is, question, clock)) as events:
        async for event in events:
            yield event


def _as_it_is(target: Target) -> Target:
    return target


async def _asked(
    model: Model | Remote, system: str, picture: Prepared, task: str, clock: Callable[[], float]
) -> AsyncGenerator[Written | Result, None]:
    begun, parser, parts = clock(), ReplyParser(), list[str]()
    first: float | None = None
    async with contextlib.aclosing(model.generate(messages(system, picture, task), SAMPLING)) as events:
        async for event in events:
            now = clock()
            if isinstance(event, protocol.Delta):
                first = first if first is not None else now - begun
                parts.append(event.text)
                parser.feed(event.text, now - begun)
                yield Written("".join(parts), event.tokens, parser.thinking)
            else:
                parser.end(now - begun)
                yield _result("".join(parts), parser, event, now - begun, first)


async def prompt(language: str, today: datetime.date) -> str:
    """The agent's prompt. Raises AppError(file_unreadable)."""
    return await asyncio.to_thread(prompts.phone_agent, language, today)


async def preview(own: Pictures, source: Path | bytes) -> Preview:
    """Raises as ``Pictures.prepare``."""
    async with own.held() as prepare:
        prepared = await prepare(source)
        try:
            pixels = await asyncio.to_thread(prepared.file.read_bytes)
        except OSError as error:
            raise AppError(
                "file_unreadable", path=str(prepared.file), detail=error.strerror or str(error)
            ) from error
    return Preview(prepared, pixels)


def messages(system: str, picture: Prepared, task: str) -> list[protocol.Message]:
    """In the agent's order: the picture before the text."""
    content = [picture.part, {"type": "text", "text": task}]
    return [protocol.Message("system", system), protocol.Message("user", content)]


async def _room(model: Model | Remote, see: See, prompt: str) -> int:
    """Tokens for the picture; of a remote server nobody knows them."""
    if isinstance(model, Remote):
        return MOST_TOKENS
    await _loaded(model, see)
    return pictures.room(model.state, prompt, SAMPLING.max_tokens)


async def _loaded(session: Model, see: See) -> None:
    state = session.state
    if state.target is not None and state.phase not in ("ready", "generating"):
        target = await asyncio.to_thread(see, state.target)
        await session.ensure(target, dataclasses.replace(session.wishes, wish=WISH))


def _result(
    reply: str, parser: ReplyParser, done: protocol.Done, seconds: float, first: float | None
) -> Result:
    step = phone_actions.read_step(reply)
    if done.finish_reason == "cancelled":
        step = dataclasses.replace(step, action=None, reason=Reason.of("action_stopped"))
    elif step.action is None and done.finish_reason == "length":
        step = dataclasses.replace(step, reason=Reason.of("action_too_long", tokens=SAMPLING.max_tokens))
    thought = next((part for part in parser.parts if part.kind == "thinking" and part.closed), None)
    return Result(
        step,
        reply,
        seconds,
        first,
        thought.seconds if thought is not None else None,
        done.usage if not isinstance(done, RemoteDone) or done.counted else None,
        done.finish_reason,
    )
