"""Whether a picture file holds more than one picture. Read from its structure; nothing is decoded."""

from __future__ import annotations

from pathlib import Path

from .picture_file import DAMAGE, FORMATS


def is_animated(path: Path) -> bool:
    """Whether it is an animation, of which only the first frame is shown. False where that cannot be told."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            return bool(getattr(image, "is_animated", False))
    except DAMAGE:
        return False
