"""Pictures that are put beside a question: kept, and small ones of them to look at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ..core.pictures import shown_size
from ..store.conversation_values import Picture
from ..store.picture_file import read_picture
from ..store.picture_frames import is_animated
from . import conversations
from .archive import Archive


@dataclass(frozen=True)
class Thumbnail:
    """Upright RGB, row by row. ``animated``: the first frame of several."""

    width: int
    height: int
    pixels: bytes
    animated: bool = False


async def keep(archive: Archive, source: Path | bytes, side: int) -> tuple[Picture, Thumbnail]:
    """Keep a picture for a question that is being written, with a small one of it.

    Raises AppError, TargetError as ``conversations.keep_picture``; AppError (picture_too_narrow) where no model could
    be shown it.
    """
    picture = await conversations.keep_picture(archive, source)
    shown_size(picture.width, picture.height)
    return picture, await thumbnail(archive.pictures / picture.file_name, side)


async def thumbnail(path: Path, side: int) -> Thumbnail:
    """A picture whose longer side has ``side`` pixels at most. Raises TargetError as ``picture_file.read_picture``."""
    return await asyncio.to_thread(_thumbnail, path, side)


def _thumbnail(path: Path, side: int) -> Thumbnail:
    bitmap = read_picture(path)
    scale = min(side / max(bitmap.width, bitmap.height), 1.0)
    width, height = (max(1, round(length * scale)) for length in (bitmap.width, bitmap.height))
    return Thumbnail(width, height, bitmap.pixels(width, height), is_animated(path))
