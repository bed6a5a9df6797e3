"""Asks the service what the phone agent would ask it, over HTTP and in the agent's own words, and reads the replies as
it does. Nothing is done on any phone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..core import agent_request as agent
from ..core import phone_actions
from ..core.agent_request import Hearing, Talk
from ..core.errors import AppError, Reason, ServiceError
from ..core.remote import Endpoint, RemoteError
from ..core.remote_stream import error_text, parse, shorten
from ..core.wishes import PHONE_CONTEXT, PHONE_CONTEXT_LEAST
from ..store import paths
from ..store.picture_file import read_picture
from ..store.picture_png import as_png
from ..store.remote_http import Answer, Refused, RemoteHttp
from . import prompts
from .session_state import SessionState

SAMPLES = (("home", "System Home"), ("settings", "Settings"), ("display", "Settings"))
"""Screens that were drawn for this (packaging/sample_screens.py), and the app that the agent is told is in front. They
follow one another whatever the model answers."""
UNKNOWN_APP = "System Home"
"""What the agent says where it doesn't know the app (its phone_agent/adb/device.py)."""
SHOWN_SIDE = 2400
"""Pixels of a screenshot's longer side in the window at most."""
UNREACHABLE = ("remote_unreachable", "remote_no_answer", "remote_hung_up")
CUT = ("remote_cut", "remote_slow")
TASKS = {"zh": "打开系统设置里的深色模式", "en": "Turn on dark mode in the settings"}


class Http(Protocol):
    """What is needed of ``store.remote_http.RemoteHttp``."""

    async def chat(self, body: dict[str, Any]) -> Answer: ...


@dataclass(frozen=True)
class Screen:
    """``png``: a file's content; ``app``: the name of the app in front; ``small``: the picture for the window where it
    is larger than a window needs, b"" where it is not."""

    png: bytes = field(repr=False)
    app: str
    small: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Trial:
    """``url``: the base, with ``/v1``; ``key`` None: none is needed; ``language`` of the prompt: zh | en."""

    url: str
    key: str | None = field(repr=False)
    screens: tuple[Screen, ...]
    task: str
    language: str
    today: datetime.date


@dataclass(frozen=True)
class Greeted:
    """The check before a run was answered. ``late``: the agent would have given up."""

    seconds: float
    late: bool


@dataclass(frozen=True)
class Asked:
    """A step's request goes out: ``size_bytes`` of it. ``number`` from 1."""

    number: int
    screen: Screen
    size_bytes: int


@dataclass(frozen=True)
class Heard:
    """The reply so far; ``first_s``: seconds to its first piece, None before."""

    number: int
    text: str
    pieces: int
    first_s: float | None
    keep_alives: int


@dataclass(frozen=True)
class Stepped:
    """A step is over. ``step``: as the agent takes the reply."""

    number: int
    screen: Screen
    step: phone_actions.Step
    reply: str
    seconds: float
    first_s: float | None
    keep_alives: int


Event: TypeAlias = Greeted | Asked | Heard | Stepped


def obstacle(state: SessionState) -> Reason | None:
    """Why the agent could not work with what is loaded: trial_no_model, trial_demo, trial_no_vision,
    trial_small_context, trial_tight_context (long replies are cut); None where nothing is known to be in the way (a
    model that is not loaded yet is loaded by the request)."""
    if state.target is None:
        return Reason.of("trial_no_model")
    if state.target.is_demo:
        return Reason.of("trial_demo")
    if state.proof is None or state.phase not in ("ready", "generating"):
        return None
    name = state.target.name
    if state.proof.projector is None:
        return Reason.of("trial_no_vision", model=name)
    context = state.proof.context
    if context is None or context >= PHONE_CONTEXT:
        return None
    code = "trial_small_context" if context < PHONE_CONTEXT_LEAST else "trial_tight_context"
    return Reason.of(code, model=name, context=f"{context:,}", needed=f"{PHONE_CONTEXT:,}")


async def samples(language: str, steps: int = len(SAMPLES)) -> tuple[Screen, ...]:
    """The drawn screens with texts in a language: zh | en. Raises AppError(file_unreadable)."""
    return await asyncio.to_thread(
        lambda: tuple(_sample(name, language, app) for name, app in SAMPLES[:steps])
    )


async def own_screen(source: Path | bytes) -> Screen:
    """A screenshot of the user's, written as a PNG again as the agent does. Raises as ``read_picture``."""
    return await asyncio.to_thread(_own, source)


async def run(
    trial: Trial, http: Http | None = None, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Event, None]:
    """The check, then a step for each screen until the model says that it is finished, or says something that the
    agent can't read. Closing the iterator ends the request.

    Raises AppError(file_unreadable), ServiceError: trial_refused, trial_empty, trial_failed, trial_unreachable,
    trial_cut.
    """
    try:
        async with contextlib.aclosing(_run(trial, http, clock)) as events:
            async for event in events:
                yield event
    except RemoteError as error:
        raise _as_service(error, trial.url) from None


def _as_service(error: RemoteError, url: str) -> ServiceError:
    """Sentences about servers elsewhere don't fit the one of this window."""
    if error.code in UNREACHABLE:
        return ServiceError("trial_unreachable", address=url)
    if error.code in CUT:
        return ServiceError("trial_cut")
    detail = error.values.get("detail") or error.code
    return ServiceError("trial_failed", detail=str(detail))


async def _run(trial: Trial, http: Http | None, clock: Callable[[], float]) -> AsyncGenerator[Event, None]:
    asks = http or RemoteHttp(Endpoint("service", trial.url, trial.url), trial.key or agent.NO_KEY)
    begun = clock()
    await _greet(asks)
    yield Greeted(clock() - begun, clock() - begun > agent.GREETING_LIMIT_S)
    talk = Talk(await asyncio.to_thread(prompts.phone_agent, trial.language, trial.today), trial.task)
    for number, screen in enumerate(trial.screens, 1):
        talk.look(base64.b64encode(screen.png).decode(), screen.app)
        body = talk.body()
        yield Asked(number, screen, len(screen.png) * 4 // 3)
        done: Stepped | None = None
        async with contextlib.aclosing(_step(asks, body, number, screen, clock)) as events:
            async for event in events:
                done = event if isinstance(event, Stepped) else None
                yield event
        if done is None or done.step.action is None or isinstance(done.step.action, phone_actions.Finish):
            return
        talk.answered(done.reply)


async def _greet(http: Http) -> None:
    """Raises ServiceError(trial_empty) where the agent would find no choice in the answer."""
    data = bytearray()
    async with _asked(http, agent.greeting()) as answer:
        while more := await answer.next():
            data += more
    if not parse(data.decode("utf-8", errors="replace")).get("choices"):
        raise ServiceError("trial_empty")


async def _step(
    http: Http, body: dict[str, Any], number: int, screen: Screen, clock: Callable[[], float]
) -> AsyncGenerator[Heard | Stepped, None]:
    hearing, begun, first = Hearing(), clock(), None
    async with _asked(http, body) as answer:
        while data := await answer.next():
            more = hearing.feed(data)
            if more and first is None:
                first = clock() - begun
            yield Heard(number, hearing.text, hearing.pieces, first, hearing.keep_alives)
    if not hearing.ended:
        raise ServiceError("trial_cut")
    step = phone_actions.read_step(hearing.text)
    yield Stepped(number, screen, step, hearing.text, clock() - begun, first, hearing.keep_alives)


@contextlib.asynccontextmanager
async def _asked(http: Http, body: dict[str, Any]) -> AsyncIterator[Answer]:
    try:
        answer = await http.chat(body)
    except Refused as refused:
        raise ServiceError(
            "trial_refused", status=str(refused.status), detail=_detail(refused.body)
        ) from None
    try:
        yield answer
    finally:
        await answer.close()


def _detail(body: object) -> str:
    """What the service says, and its code."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    said = shorten(error_text(body))
    return f"{said} ({code})" if isinstance(code, str) and code else said


def _sample(name: str, language: str, app: str) -> Screen:
    path = paths.resources() / "samples" / f"made_phone_{name}.{language}.png"
    try:
        return Screen(path.read_bytes(), app)
    except OSError as error:
        raise AppError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error


def _own(source: Path | bytes) -> Screen:
    picture = read_picture(source)
    large = max(picture.width, picture.height) > SHOWN_SIDE
    return Screen(as_png(picture), UNKNOWN_APP, as_png(picture, SHOWN_SIDE) if large else b"")
