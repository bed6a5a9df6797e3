"""A decoded picture as a PNG file's content."""

from __future__ import annotations

import io

from .picture_file import Bitmap


def as_png(picture: Bitmap, most_side: int | None = None) -> bytes:
    """Upright RGB, as it was decoded, or made smaller until no side is longer than ``most_side``. Takes seconds for a
    large one: for an executor."""
    from PIL import Image

    made, size = io.BytesIO(), (picture.width, picture.height)
    if most_side is not None and max(size) > most_side:
        size = tuple(max(1, side * most_side // max(size)) for side in size)  # type: ignore[assignment]
    Image.frombytes("RGB", size, picture.pixels(*size)).save(made, "PNG")
    return made.getvalue()
