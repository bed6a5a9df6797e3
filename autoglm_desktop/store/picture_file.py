"""Picture files, decoded to upright RGB without an alpha channel, as every engine gets them.

Pillow decodes them, not Qt: the terminal and the service work without a display and without importing Qt, and the
transformers processor scales with Pillow's bicubic filter, so that the models see here what they were trained on.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..core.errors import AppError, TargetError
from ..core.pictures import MOST_MEGAPIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)
logging.getLogger("PIL").setLevel(logging.INFO)  # below that it writes what stands in a picture's EXIF

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error,
    zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on a file that is cut off or damaged."""
DEEP_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""16 bits of grey, which Pillow would cut to 8 instead of scaling."""


@dataclass(frozen=True)
class Bitmap:
    """A decoded picture, upright, three channels of 8 bits each."""

    _image: Image

    @property
    def width(self) -> int:
        return self._image.width

    @property
    def height(self) -> int:
        return self._image.height

    def pixels(self, width: int, height: int) -> bytes:
        """RGB row by row at a size: stretched, as the Glm4v processor does it (PIL, bicubic), never letterboxed."""
        from PIL import Image

        if (width, height) == self._image.size:
            return self._image.tobytes()
        return self._image.resize((width, height), Image.Resampling.BICUBIC).tobytes()


def read_picture(source: Path | bytes) -> Bitmap:
    """A picture from a file or from bytes; of an animation the first frame. Takes up to a second: for an executor.

    Raises TargetError (file_not_found, file_unreadable, picture_no_file, picture_unknown, picture_damaged,
    picture_too_large).
    """
    name = str(source) if isinstance(source, Path) else ""
    if isinstance(source, bytes):
        return _decoded(io.BytesIO(source), name)
    try:
        if not source.exists():
            raise TargetError("file_not_found", path=name)
        if not source.is_file():  # a folder; or a device, whose end never comes
            raise TargetError("picture_no_file", path=name)
        with source.open("rb") as file:
            return _decoded(file, name)
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise TargetError("file_unreadable", path=name, detail=detail) from error


def _decoded(data: BinaryIO, name: str) -> Bitmap:
    from PIL import Image, UnidentifiedImageError

    warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged EXIF: nothing for a terminal
    Image.MAX_IMAGE_PIXELS = None  # checked below, before a pixel is decoded, with a sentence of our own
    try:
        image: Image.Image = Image.open(data, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise TargetError("picture_unknown", path=name) from error
    except DAMAGE as error:
        raise TargetError("picture_damaged", path=name, detail=str(error)) from error
    megapixels = image.width * image.height / 1e6
    if megapixels > MOST_MEGAPIXELS:
        raise TargetError("picture_too_large", path=name, megapixels=round(megapixels), most=MOST_MEGAPIXELS)
    try:
        image.load()
        return Bitmap(_flat(_upright(image)))
    except DAMAGE as error:
        raise TargetError("picture_damaged", path=name, detail=str(error)) from error
    except MemoryError as error:
        raise AppError("picture_no_memory", path=name, megapixels=round(megapixels)) from error


def _upright(image: Image) -> Image:
    """Turned as its EXIF says. Damaged EXIF says nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except DAMAGE as error:
        log.info("EXIF is not read: %s", error)
        return image


def _flat(image: Image) -> Image:
    """RGB, what is transparent on white. Colour profiles are left out, as the models' own processor does."""
    from PIL import Image as images

    if image.mode in DEEP_GREY:
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    white = images.new("RGBA", above.size, (255, 255, 255, 255))
    return images.alpha_composite(white, above).convert("RGB")
