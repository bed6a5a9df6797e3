"""A prepared picture as an address that holds it, for servers."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import AppError

if TYPE_CHECKING:
    from PIL.Image import Image


def data_uri(file: Path, width: int, height: int) -> str:
    """A file of RGB, 8 bits each, row by row, as a PNG in a ``data:`` address. Takes up to a second: for an executor.

    Raises AppError(file_unreadable).
    """
    from PIL.Image import frombytes

    try:
        image = frombytes("RGB", (width, height), file.read_bytes())
    except (OSError, ValueError) as error:
        raise AppError("file_unreadable", path=str(file), detail=str(error)) from error
    return _uri(image)


def made_picture(side: int = 224) -> str:
    """A small picture to try a server with: a blue square on white."""
    from PIL.Image import new

    image = new("RGB", (side, side), "white")
    image.paste((34, 87, 214), (side // 4, side // 4, 3 * side // 4, 3 * side // 4))
    return _uri(image)


def _uri(image: Image) -> str:
    kept = io.BytesIO()
    image.save(kept, "PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(kept.getvalue()).decode("ascii")
