"""Pictures of a conversation as the context sees them: cells, positions and a hash that tells two apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ..core.gguf_vision import CELL_PIXELS
from .server import JobFailed

CHANNELS = 3


@dataclass(frozen=True)
class Picture:
    """Raw RGB of ``width`` × ``height`` pixels in ``file``; two with the same bytes are one."""

    digest: str
    width: int
    height: int
    file: str = field(compare=False)

    @property
    def columns(self) -> int:
        return self.width // CELL_PIXELS

    @property
    def cells(self) -> int:
        """Cells of the context that it takes."""
        return self.columns * (self.height // CELL_PIXELS)

    @property
    def positions(self) -> int:
        """By how much it moves the position of what follows (M-RoPE: ``mtmd_image_tokens_get_n_pos``)."""
        return max(self.columns, self.height // CELL_PIXELS)

    def pixels(self) -> bytes:
        """Its bytes. Raises JobFailed(unsupported)."""
        try:
            data = Path(self.file).read_bytes()
        except OSError as error:
            raise JobFailed("unsupported", f"bad_picture: {error}") from error
        wanted = self.width * self.height * CHANNELS
        if len(data) != wanted:
            raise JobFailed("unsupported", f"bad_picture: {len(data)} bytes instead of {wanted}")
        return data


Item: TypeAlias = int | Picture
"""What a prompt consists of: tokens and pictures."""


def cells_of(items: list[Item]) -> int:
    return sum(item.cells if isinstance(item, Picture) else 1 for item in items)


def positions_of(items: list[Item]) -> int:
    return sum(item.positions if isinstance(item, Picture) else 1 for item in items)


def pictures_of(items: list[Item]) -> int:
    """Cells of the pictures alone."""
    return sum(item.cells for item in items if isinstance(item, Picture))


def read_part(part: dict[str, Any]) -> Picture:
    """The picture of a message part (``protocol.Message``). Raises JobFailed(unsupported)."""
    width, height, file = part.get("width"), part.get("height"), part.get("file")
    if not isinstance(file, str) or not isinstance(width, int) or not isinstance(height, int):
        raise JobFailed("unsupported", "bad_picture: a picture needs file, width and height")
    if width <= 0 or height <= 0 or width % CELL_PIXELS or height % CELL_PIXELS:
        raise JobFailed("unsupported", f"bad_picture: {width} × {height} is no multiple of {CELL_PIXELS}")
    data = Picture("", width, height, file).pixels()
    return Picture(hashlib.sha256(data).hexdigest(), width, height, file)
