"""Tries out a server: is it there, does it take the key, has it the model, does it stream, does it look at pictures?

Two short questions are asked of the model, nothing else is sent. Nothing is chosen by it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from ..core.errors import AppError
from ..core.protocol import Delta, Message, Sampling
from ..core.remote_check import (
    KEY,
    KEY_REFUSED,
    MODEL,
    PICTURES,
    REACHED,
    STREAMS,
    UNREACHABLE,
    Finding,
    kind_of,
)
from ..core.remote_models import RemoteModel
from .remote import Remote
from .remote_tally import RemoteDone

QUESTION = "Hi"
SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=16)
"""No more: a server may cost money, and a model of reasoning needs a few tokens to say anything."""


@dataclass(frozen=True)
class Listed:
    """The models of the server, as soon as they are known."""

    models: tuple[RemoteModel, ...]


@dataclass(frozen=True)
class _Said:
    deltas: int
    first_token_s: float | None
    prompt_tokens: int | None


async def try_out(remote: Remote, with_key: bool) -> AsyncGenerator[Finding | Listed, None]:
    """One finding for each question, in the order of QUESTIONS; what can't be known any more is ``unknown``."""
    models: tuple[RemoteModel, ...] | None = None
    try:
        models = await remote.models()
    except AppError as error:
        for finding in _no_list(error):
            yield finding
        if not _goes_on(error):
            return
    else:
        yield Listed(models)
        yield Finding(REACHED, "ok", "reached", {"host": remote.endpoint.host, "count": len(models)})
    if not remote.endpoint.model:
        yield Finding(KEY, "unknown", "key_not_asked")
        yield Finding(MODEL, "warn", "model_not_chosen")
        yield Finding(STREAMS, "unknown", "not_tried")
        yield Finding(PICTURES, "unknown", "not_tried")
        return
    async for finding in _talk(remote, models, with_key=with_key):
        yield finding


def _goes_on(error: AppError) -> bool:
    """Whether a server that gives no list may still answer: not every one has one, and that of transformers fails
    while its cache is empty."""
    return error.code in ("remote_no_route", "remote_trouble", "remote_refused")


def _no_list(error: AppError) -> list[Finding]:
    if _goes_on(error):
        return [Finding(REACHED, "warn", "reached_no_list")]
    unknown = "not_tried"
    if kind_of(error) == KEY_REFUSED:
        found = [Finding(REACHED, "ok", "reached_only"), Finding(KEY, "fail", error=error)]
    else:
        found = [Finding(REACHED, "fail", error=error), Finding(KEY, "unknown", unknown)]
    return [*found, *(Finding(question, "unknown", unknown) for question in (MODEL, STREAMS, PICTURES))]


async def _talk(
    remote: Remote, models: tuple[RemoteModel, ...] | None, *, with_key: bool
) -> AsyncGenerator[Finding, None]:
    """What only an answer tells."""
    try:
        said = await _ask(remote, QUESTION)
    except AppError as error:
        for finding in _no_answer(error):
            yield finding
        return
    yield Finding(KEY, "ok", "key_taken" if with_key else "key_not_needed")
    name = remote.endpoint.model
    listed = models is None or any(one.name == name for one in models)
    yield (
        Finding(MODEL, "ok", "model_there", {"model": name})
        if listed
        else Finding(MODEL, "warn", "model_not_listed", {"model": name})
    )
    if said.first_token_s is None:
        yield Finding(STREAMS, "warn", "in_one_piece")
    else:
        yield Finding(STREAMS, "ok", "streams", {"first_s": said.first_token_s})
    yield await _pictures(remote, said)


def _no_answer(error: AppError) -> list[Finding]:
    unknown = "not_tried"
    rest = [Finding(STREAMS, "unknown", unknown), Finding(PICTURES, "unknown", unknown)]
    if kind_of(error) == KEY_REFUSED:
        return [Finding(KEY, "fail", error=error), Finding(MODEL, "unknown", unknown), *rest]
    key = Finding(KEY, "unknown", "key_not_asked")
    if error.code == "remote_model_gone" or kind_of(error) == UNREACHABLE:
        return [key, Finding(MODEL, "fail", error=error), *rest]
    return [key, Finding(MODEL, "unknown", unknown), Finding(STREAMS, "fail", error=error), rest[1]]


async def _pictures(remote: Remote, text: _Said) -> Finding:
    """Some servers leave pictures out without a word: then the prompt is no longer than without one."""
    from ..store.picture_data import made_picture

    part = {"type": "image", "url": await asyncio.to_thread(made_picture)}
    try:
        if text.prompt_tokens is None:
            remote = remote.in_one_piece()
            text = await _ask(remote, QUESTION)
        said = await _ask(remote, [part, {"type": "text", "text": QUESTION}])
    except AppError as error:
        return Finding(PICTURES, "warn", "pictures_no", error=error)
    if said.prompt_tokens is None or text.prompt_tokens is None:
        return Finding(PICTURES, "unknown", "pictures_taken")
    more = said.prompt_tokens - text.prompt_tokens
    if more < 4:
        return Finding(PICTURES, "warn", "pictures_left_out")
    return Finding(PICTURES, "ok", "pictures_seen", {"tokens": more})


async def _ask(remote: Remote, content: object) -> _Said:
    """Raises AppError."""
    deltas, done = 0, None
    async with contextlib.aclosing(remote.generate([Message("user", content)], SAMPLING)) as events:
        async for event in events:
            if isinstance(event, Delta):
                deltas += 1
            else:
                done = event
    assert isinstance(done, RemoteDone)
    return _Said(deltas, done.timings.first_token_s, done.usage.prompt_tokens if done.counted else None)
