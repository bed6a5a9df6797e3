"""The pictures of a conversation for whoever answers it: as large as there is room, the newest question's first."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import AppError, EngineError
from ..core.pictures import MOST_TOKENS, room_left, shares, shown_size
from ..core.protocol import Sampling
from ..store.conversation_values import Picture, StoredMessage
from ..store.library import Library
from . import pictures
from .chat_messages import Shown
from .loading import Wishes
from .pictures import Limits, Pictures, Prepare
from .session_state import SessionState
from .targets import Target

log = logging.getLogger(__name__)

WISH = "phone"
"""What a model is loaded for where it is to look at pictures."""
LEAST_TOKENS = 64
"""A picture that wants more is not shown in less: 8 × 8 cells, 224 × 224 pixels, of which nobody can read anything."""
LOADED = ("ready", "generating")


class Loadable(Protocol):
    """What this needs of a session (usecases.session.Session)."""

    @property
    def state(self) -> SessionState: ...

    @property
    def wishes(self) -> Wishes: ...

    async def ensure(self, target: Target, wishes: Wishes) -> SessionState: ...


class SessionShow:
    """A ``chat_messages.Show`` for the model of this machine, which is loaded for it where nothing is. ``kept``: the
    folder of the messages' pictures."""

    def __init__(self, session: Loadable, library: Library, own: Pictures, kept: Path) -> None:
        self._session, self._library, self._own, self._kept = session, library, own, kept

    @contextlib.asynccontextmanager
    async def __call__(
        self, history: Sequence[StoredMessage], system: str, sampling: Sampling
    ) -> AsyncIterator[Shown]:
        """Raises AppError: as ``pictures.seeing``, ``Session.ensure``, ``pictures.limits_of``, ``sizes``,
        ``Pictures.prepare``; no_model_loaded, picture_gone."""
        count = sum(len(message.pictures) for message in history)
        limits = await self._limits(must=bool(_newest(history))) if count else None
        if limits is None:
            yield Shown(unseen=count)
            return
        wanted = sizes(history, system, sampling.max_tokens, limits)
        async with self._own.held() as prepare:
            yield await _made(prepare, self._kept, history, wanted)

    async def _limits(self, *, must: bool) -> Limits | None:
        """Of the model, loaded; None: it can't look at pictures. ``must``: then that is an error."""
        state = await self._loaded(must=must)
        try:
            return pictures.limits_of(state)
        except EngineError:
            if not must:
                return None
            if state.target is not None:
                await asyncio.to_thread(pictures.seeing, self._library, state.target)  # says what is missing
            raise

    async def _loaded(self, *, must: bool) -> SessionState:
        state, wishes = self._session.state, self._session.wishes
        if state.phase in LOADED:
            return state
        if state.target is None:
            raise EngineError("no_model_loaded")
        try:
            target = await asyncio.to_thread(pictures.seeing, self._library, state.target)
            return await self._session.ensure(target, dataclasses.replace(wishes, wish=WISH))
        except AppError as error:
            if must:
                raise
            log.info("not loaded for the pictures of earlier turns: %s", error)
        return await self._session.ensure(state.target, wishes)


class RemoteShow:
    """A ``chat_messages.Show`` for remote servers, whose room nobody knows."""

    def __init__(self, own: Pictures, kept: Path) -> None:
        self._own, self._kept = own, kept

    @contextlib.asynccontextmanager
    async def __call__(
        self, history: Sequence[StoredMessage], system: str, sampling: Sampling
    ) -> AsyncIterator[Shown]:
        """Raises AppError as ``Pictures.prepare``; picture_gone."""
        found = (picture for message in history for picture in message.pictures)
        wanted = {picture: picture.most_tokens or MOST_TOKENS for picture in found}
        async with self._own.held() as prepare:
            yield await _made(prepare, self._kept, history, wanted)


def sizes(
    history: Sequence[StoredMessage], system: str, reply_tokens: int, limits: Limits
) -> dict[Picture, int]:
    """In how many tokens each picture is shown at most. Those of the newest question come first; then older ones, as
    large as they were when they were new (so that a prompt begins as the last one did), while there is room.

    Raises AppError (pictures_no_room, picture_too_narrow) of the newest question.
    """
    newest = next((one for one in reversed(history) if one.role == "user"), None)
    found: dict[Picture, int] = {}
    left = room_left(limits.context, "".join([system, *(one.text for one in history)]), reply_tokens)
    for message in (message for message in reversed(history) if message.pictures):
        must = message is newest
        room = room_left(limits.context, system + message.text, reply_tokens)
        wants = [_want(picture, limits, must=must) for picture in message.pictures]
        for picture, want, share in zip(message.pictures, wants, shares(wants, room), strict=True):
            small = share < min(want, LEAST_TOKENS)
            if must and small:
                raise AppError("pictures_no_room", count=len(wants), tokens=limits.context)
            if must or (want and not small and share <= left):
                found.setdefault(picture, share if share < want else _most(picture, limits))
                left -= share
            elif want:
                left = 0  # nor is any before it shown
    return found


def _newest(history: Sequence[StoredMessage]) -> tuple[Picture, ...]:
    """The pictures of the newest question."""
    return next((message.pictures for message in reversed(history) if message.role == "user"), ())


def _want(picture: Picture, limits: Limits, *, must: bool) -> int:
    """The tokens that it takes where there is room for all of it; 0: it can't be shown."""
    try:
        return shown_size(picture.width, picture.height, _most(picture, limits)).tokens
    except AppError:
        if must:
            raise
        return 0


def _most(picture: Picture, limits: Limits) -> int:
    return min(picture.most_tokens or MOST_TOKENS, limits.proven or MOST_TOKENS)


async def _made(
    prepare: Prepare, kept: Path, history: Sequence[StoredMessage], wanted: Mapping[Picture, int]
) -> Shown:
    """The parts of the pictures that are ``wanted``. Raises AppError where one of the newest question can't be."""
    newest, parts = _newest(history), dict[Picture, dict[str, Any]]()
    for picture, most in wanted.items():
        try:
            parts[picture] = (await prepare(kept / picture.file_name, most, picture.sha256)).part
        except AppError as error:
            if picture in newest:
                raise _named(error, picture, kept) from error
            log.warning("a picture of an earlier turn is left out: %s", error)
    every = (picture for message in history for picture in message.pictures)
    return Shown(parts, sum(picture not in parts for picture in every))


def _named(error: AppError, picture: Picture, kept: Path) -> AppError:
    """The error with the name that the user knows the picture by, in the place of its file's."""
    if error.values.get("path") != str(kept / picture.file_name):
        return error
    code = "picture_gone" if error.code == "file_not_found" else error.code
    return type(error)(code, **{**error.values, "path": picture.name})
