"""The images of a request, as the engine that answers it reads them: as large as there is room, several share it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from ..core.errors import AppError, EngineError, ServiceError
from ..core.pictures import MOST_TOKENS, room_left, shares, shown_size
from ..core.protocol import Message, Sampling
from ..store.picture_file import read_picture
from . import pictures
from .chat_pictures import LEAST_TOKENS, LOADED, WISH
from .loading import Wishes
from .phone_step import See
from .pictures import Pictures, Prepare
from .session_state import SessionState
from .targets import Target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Image:
    """The bytes of an image file. ``where``: which part of the request it is."""

    data: bytes
    where: str


Part: TypeAlias = str | Image
"""Of a message whose content is a list; ``shown`` makes the engine's parts of them."""


class Loadable(Protocol):
    """What this needs of a session (usecases.session.Session)."""

    @property
    def state(self) -> SessionState: ...

    @property
    def wishes(self) -> Wishes: ...

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState: ...


@contextlib.asynccontextmanager
async def shown(
    session: Loadable, own: Pictures | None, see: See, messages: Sequence[Message], sampling: Sampling
) -> AsyncIterator[tuple[Message, ...]]:
    """The messages with their images as the engine reads them, which are there until the block ends; the model is
    loaded for it, so that it can look at them, where none is loaded.

    Raises AppError: as ``see``, ``Session.ensure``, ``pictures.limits_of``, ``Pictures.prepare``; no_model_loaded,
    image_needs_projector, pictures_no_room, picture_too_narrow. Those of one image carry its ``where``.
    """
    images = images_of(messages)
    if not images:
        yield tuple(messages)
        return
    if own is None:
        raise ServiceError("image_needs_projector")
    limits = await _limits(session, see)
    room = room_left(limits.context, _text_that_stays(messages), sampling.max_tokens)
    most = min(limits.proven or MOST_TOKENS, MOST_TOKENS)
    async with own.held() as prepare:
        parts = await _prepared(prepare, images, room, most, limits.context)
        yield tuple(_message(message, parts) for message in messages)


def images_of(messages: Sequence[Message]) -> tuple[Image, ...]:
    """The images of messages, in their order."""
    lists = (message.content for message in messages if isinstance(message.content, list))
    return tuple(part for content in lists for part in content if isinstance(part, Image))


async def _limits(session: Loadable, see: See) -> pictures.Limits:
    """Of the loaded model. Where it can't look at pictures, the error says what is missing."""
    state = await _loaded(session, see)
    try:
        return pictures.limits_of(state)
    except EngineError:
        if state.target is not None:
            await asyncio.to_thread(see, state.target)
        raise


async def _loaded(session: Loadable, see: See) -> SessionState:
    """Where there is no room for the vision part the model is loaded as it was before: others ask in words."""
    state, wishes = session.state, session.wishes
    if state.phase in LOADED:
        return state
    if state.target is None:
        raise EngineError("no_model_loaded")
    target = await asyncio.to_thread(see, state.target)
    try:
        return await session.ensure(target, dataclasses.replace(wishes, wish=WISH))
    except EngineError as error:
        if wishes.wish == WISH:
            raise
        log.info("not loaded for images: %s", error.code)
    return await session.ensure(state.target, wishes)


def _text_that_stays(messages: Sequence[Message]) -> str:
    """Of the prompt: the engine may leave out old turns, but no instructions, first question, or newest turn."""
    users = [place for place, message in enumerate(messages) if message.role == "user"]
    stays = (
        message
        for place, message in enumerate(messages)
        if message.role == "system" or place in users[:1] or place >= (users[-1] if users else 0)
    )
    return "".join(_text(message) for message in stays)


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(part for part in message.content if isinstance(part, str))


async def _prepared(
    prepare: Prepare, images: Sequence[Image], room: int, most: int, context: int
) -> dict[Image, dict[str, Any]]:
    """The engine's part of every image. One that surely has room is decoded once, and takes what it wants."""
    if len(images) == 1 and room >= LEAST_TOKENS:
        sizes: tuple[int, ...] = (min(room, most),)
    else:
        wants = [await _want(image, most) for image in images]
        sizes = shares(wants, room)
        if any(size < min(want, LEAST_TOKENS) for size, want in zip(sizes, wants, strict=True)):
            raise AppError("pictures_no_room", count=len(images), tokens=context)
    parts: dict[Image, dict[str, Any]] = {}
    for image, size in zip(images, sizes, strict=True):
        name = await asyncio.to_thread(_name, image.data)
        try:
            parts[image] = (await prepare(image.data, size, name)).part
        except AppError as error:
            raise _placed(error, image) from error
    return parts


async def _want(image: Image, most: int) -> int:
    """The tokens that it takes where there is room for all of it."""
    try:
        bitmap = await asyncio.to_thread(read_picture, image.data)
        return shown_size(bitmap.width, bitmap.height, most).tokens
    except AppError as error:
        raise _placed(error, image) from error


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _placed(error: AppError, image: Image) -> AppError:
    return type(error)(error.code, **{**error.values, "where": image.where})


def _message(message: Message, parts: dict[Image, dict[str, Any]]) -> Message:
    if isinstance(message.content, str):
        return message
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else parts[part] for part in message.content
    ]
    return Message(message.role, content)
