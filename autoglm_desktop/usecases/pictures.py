"""Pictures for a model: made ready off the loop, kept in a private folder while engines may read them.

An engine gets raw RGB (``protocol.Message``), scaled here to what the loaded plan can hold; the same bytes go to every
backend and, after a death, to the next engine.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


class Pictures:
    """The pictures of this process; the folder is made with the first. ``close`` removes them all."""

    def __init__(self, services: Services) -> None:
        self._base = services.pictures
        self._folder: OwnFolder | None = None
        self._making = asyncio.Lock()

    async def prepare(self, source: Path | bytes, most_tokens: int = MOST_TOKENS) -> Prepared:
        """A picture as an engine reads it, in no more tokens. The same one twice is one file.

        Raises TargetError, AppError (see ``store.picture_file``, ``core.pictures``; disk_full, file_unwritable).
        """
        async with self._making:
            if self._folder is None:
                self._folder = await asyncio.to_thread(own_folder, self._base)
        return await asyncio.to_thread(_prepared, source, most_tokens, self._folder.path)

    async def close(self) -> None:
        """Remove the folder; only when no engine is to read from it any more."""
        async with self._making:
            folder, self._folder = self._folder, None
            if folder is not None:
                await asyncio.to_thread(folder.remove)


async def check(source: Path | bytes) -> None:
    """Decode a picture for nothing but to know, before a model is loaded for it, that it can be shown. Raises as
    ``Pictures.prepare``."""
    bitmap = await asyncio.to_thread(read_picture, source)
    shown_size(bitmap.width, bitmap.height)


def room(state: SessionState, prompt: str, reply_tokens: int) -> int:
    """Tokens that a picture may take with the loaded model. Raises EngineError (no_vision_loaded), AppError
    (picture_no_room)."""
    plan, proof = state.plan, state.proof
    if plan is None or proof is None or proof.projector is None:
        raise EngineError("no_vision_loaded", rung=plan.rung if plan is not None else "")
    context = proof.context or plan.context or 0
    proven = plan.phone_step.image_tokens if plan.phone_step is not None else None
    found = room_for_picture(context, proven, prompt, reply_tokens)
    if found < 1:
        raise AppError("picture_no_room", tokens=context)
    return found


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


def _prepared(source: Path | bytes, most_tokens: int, folder: Path) -> Prepared:
    bitmap = read_picture(source)
    size = shown_size(bitmap.width, bitmap.height, most_tokens)
    data = bitmap.pixels(size.width, size.height)
    file = folder / f"{size.width}x{size.height}-{hashlib.sha256(data).hexdigest()[:24]}.rgb"
    try:
        file.write_bytes(data)
    except OSError as error:
        raise AppError("file_unwritable", path=str(file), detail=error.strerror or str(error)) from error
    return Prepared(file, bitmap.width, bitmap.height, size)
