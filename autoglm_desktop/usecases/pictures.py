"""Pictures for a model: made ready off the loop, kept in a private folder while engines may read them.

An engine gets raw RGB (``protocol.Message``), scaled here to what the loaded plan can hold; the same bytes go to every
backend and, after a death, to the next engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import AppError, EngineError, Reason, TargetError
from ..core.gguf_names import parse
from ..core.gguf_vision import GLM4V, vision_refusal
from ..core.pictures import MOST_TOKENS, PictureSize, room_for_picture, shown_size
from ..store import gguf
from ..store.library import Library
from ..store.local_models import LocalModel
from ..store.picture_file import read_picture
from ..store.picture_folder import OwnFolder, own_folder
from .services import Services
from .session_state import SessionState
from .targets import Target

log = logging.getLogger(__name__)

KEPT_BYTES = 128 * 1024 * 1024
"""Of pictures that no request uses now: about sixteen screenshots of 1080 × 2400."""


@dataclass(frozen=True)
class Prepared:
    """A picture that an engine can read. ``width``, ``height``: of the original, upright; ``size``: as shown."""

    file: Path
    width: int
    height: int
    size: PictureSize

    @property
    def part(self) -> dict[str, Any]:
        """Its part of a message."""
        return {
            "type": "image", "file": str(self.file), "width": self.size.width, "height": self.size.height,
        }  # fmt: skip


@dataclass
class _Used:
    """A file, and how many requests may read it now."""

    file: Path
    size_bytes: int
    users: int = 0


@dataclass(frozen=True)
class Limits:
    """``context`` in tokens; ``proven``: tokens of the largest picture that loading has encoded (None: any)."""

    context: int
    proven: int | None


class Prepare(Protocol):
    """``Pictures.prepare`` for as long as a block lasts. ``name``: of the content; a picture that was prepared under it
    is not decoded again."""

    def __call__(
        self, source: Path | bytes, most_tokens: int = MOST_TOKENS, name: str | None = None
    ) -> Awaitable[Prepared]: ...


class Pictures:
    """The pictures of this process; the folder is made with the first. ``close`` removes them all.

    Those of ``prepare`` stay until then. Those of ``held`` stay at least until the block ends, and after it as long as
    they are among the last ``kept_bytes``: the next question shows the same ones again."""

    def __init__(self, services: Services, kept_bytes: int = KEPT_BYTES) -> None:
        self._base, self._kept_bytes = services.pictures, kept_bytes
        self._folder: OwnFolder | None = None
        self._making = asyncio.Lock()
        self._used: dict[Path, _Used] = {}  # the one that was used last is the last
        self._known: dict[tuple[str, int], Prepared] = {}

    async def prepare(self, source: Path | bytes, most_tokens: int = MOST_TOKENS) -> Prepared:
        """A picture as an engine reads it, in no more tokens. The same one twice is one file.

        Raises TargetError, AppError (see ``store.picture_file``, ``core.pictures``; disk_full, file_unwritable).
        """
        return await self._prepare(source, most_tokens, None, [])

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Prepare]:
        """For one request: what is prepared within the block is there until it ends."""
        used: list[_Used] = []

        def prepare(
            source: Path | bytes, most_tokens: int = MOST_TOKENS, name: str | None = None
        ) -> Awaitable[Prepared]:
            return self._prepare(source, most_tokens, name, used)

        try:
            yield prepare
        finally:
            for one in used:
                one.users -= 1
            self._remove_old()

    async def close(self) -> None:
        """Remove the folder; only when no engine is to read from it any more."""
        async with self._making:
            folder, self._folder = self._folder, None
            if folder is not None:
                await asyncio.to_thread(folder.remove)

    async def _prepare(
        self, source: Path | bytes, most_tokens: int, name: str | None, used: list[_Used]
    ) -> Prepared:
        known = self._known.get((name, most_tokens)) if name is not None else None
        if known is not None and known.file.is_file():
            self._use(known, used)
            return known
        async with self._making:
            if self._folder is None:
                self._folder = await asyncio.to_thread(own_folder, self._base)
        prepared, data = await asyncio.to_thread(_scaled, source, most_tokens, self._folder.path)
        self._use(prepared, used)
        await asyncio.to_thread(_put, prepared.file, data)
        if name is not None:
            self._known[name, most_tokens] = prepared
        return prepared

    def _use(self, prepared: Prepared, used: list[_Used]) -> None:
        size_bytes = 3 * prepared.size.width * prepared.size.height
        one = self._used.pop(prepared.file, None) or _Used(prepared.file, size_bytes)
        self._used[prepared.file] = one
        one.users += 1
        used.append(one)

    def _remove_old(self) -> None:
        """Remove what nobody uses, the one that was used first before the others, until the rest is small enough."""
        idle = [one for one in self._used.values() if not one.users]
        held = sum(one.size_bytes for one in idle)
        for one in idle:
            if held <= self._kept_bytes:
                return
            held -= one.size_bytes
            del self._used[one.file]
            self._known = {key: known for key, known in self._known.items() if known.file != one.file}
            try:
                one.file.unlink(missing_ok=True)
            except OSError as error:
                log.warning("a picture that nobody needs stays until the end: %s", error)


async def check(source: Path | bytes) -> None:
    """Decode a picture for nothing but to know, before a model is loaded for it, that it can be shown. Raises as
    ``Pictures.prepare``."""
    bitmap = await asyncio.to_thread(read_picture, source)
    shown_size(bitmap.width, bitmap.height)


def room(state: SessionState, prompt: str, reply_tokens: int) -> int:
    """Tokens that a picture may take with the loaded model. Raises EngineError (no_vision_loaded), AppError
    (picture_no_room)."""
    limits = limits_of(state)
    found = room_for_picture(limits.context, limits.proven, prompt, reply_tokens)
    if found < 1:
        raise AppError("picture_no_room", tokens=limits.context)
    return found


def limits_of(state: SessionState) -> Limits:
    """Of the loaded model. Raises EngineError (no_vision_loaded)."""
    plan, proof = state.plan, state.proof
    if plan is None or proof is None or proof.projector is None:
        raise EngineError("no_vision_loaded", rung=plan.rung if plan is not None else "")
    proven = plan.phone_step.image_tokens if plan.phone_step is not None else None
    return Limits(proof.context or plan.context or 0, proven)


def seeing(library: Library, target: Target) -> Target:
    """The target narrowed to its files that can look at pictures, as far as headers and configurations tell. Reads
    them: for an executor.

    Raises TargetError where none can: what the first one lacks, and how to get it.
    """
    able: list[Path] = []
    error: TargetError | None = None
    for path in target.files:
        try:
            _require_vision(library, library.at(path))
            able.append(path)
        except TargetError as problem:
            error = error or problem
    if error is not None and not able:
        raise error
    return target if error is None else replace(target, file=able[0], others=tuple(able[1:]))


def _require_vision(library: Library, local: LocalModel) -> None:
    """Raises TargetError where a model on this machine can look at no pictures."""
    none = TargetError("vision_none", name=local.name)
    if local.is_folder:
        if not local.architecture.startswith(GLM4V):
            raise none
        return
    header = local.header
    if header is None:  # damaged: the error says how
        raise TargetError("file_refused", path=str(local.path), detail=local.refusal)
    known = library.catalog.model(local.model) if local.model is not None else None
    made_for_it = known is not None and known.vision
    if not header.has_mrope:
        raise TargetError("vision_no_sections", path=str(local.path)) if made_for_it else none
    if local.projector is None:
        raise _missing(local, made_for_it=made_for_it)
    reason = vision_refusal(header, gguf.read_header(local.projector))
    if reason is not None:
        raise TargetError(reason.code, path=str(local.projector), **reason.as_dict())


def _missing(local: LocalModel, *, made_for_it: bool) -> TargetError:
    """No vision part beside the model: which one is damaged, or by what name it can be fetched."""
    for path in sorted(local.path.parent.glob("*.gguf")):
        if parse(path.name).projector:
            try:
                gguf.read_header(path)
            except TargetError as error:
                why = Reason.of(error.code, **error.values)
                return TargetError("vision_part_damaged", name=local.name, path=str(path), detail=why)
    names = [local.repo, local.model if made_for_it else None]
    name = next((name for name in names if name), None)
    if name is None:
        return TargetError("vision_part_missing", name=local.name, folder=str(local.path.parent))
    variant = f":{local.file_type}" if local.file_type else ""
    return TargetError("vision_part_to_pull", name=local.name, model=name + variant)


def _scaled(source: Path | bytes, most_tokens: int, folder: Path) -> tuple[Prepared, bytes]:
    bitmap = read_picture(source)
    size = shown_size(bitmap.width, bitmap.height, most_tokens)
    data = bitmap.pixels(size.width, size.height)
    file = folder / f"{size.width}x{size.height}-{hashlib.sha256(data).hexdigest()[:24]}.rgb"
    return Prepared(file, bitmap.width, bitmap.height, size), data


def _put(file: Path, data: bytes) -> None:
    """Write a file whole; one that is there is left alone, since an engine may be reading it. Raises AppError
    (file_unwritable)."""
    fresh = file.with_name(f"{file.stem}-{uuid.uuid4().hex}.part")
    try:
        if file.is_file():
            return
        fresh.write_bytes(data)
        fresh.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise AppError("file_unwritable", path=str(file), detail=error.strerror or str(error)) from error
