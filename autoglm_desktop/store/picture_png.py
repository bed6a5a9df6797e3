"""A decoded picture as a PNG file's content."""

from __future__ import annotations

import io

from .picture_file import Bitmap


def as_png(picture: Bitmap) -> bytes:
    """Upright RGB, as it was decoded. Takes up to a second: for an executor."""
    from PIL import Image

    made, size = io.BytesIO(), (picture.width, picture.height)
    Image.frombytes("RGB", size, picture.pixels(*size)).save(made, "PNG")
    return made.getvalue()
