"""What is known of the things that go with a question. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtGui import QImage

from ...core.errors import AppError
from ...core.picture_cost import PictureCost
from ...core.pictures import MOST_TOKENS, PictureSize, shares, shown_size
from ...store.conversation_values import Picture
from ...usecases.chat_pictures import LEAST_TOKENS
from ...usecases.picture_thumbs import Thumbnail


@dataclass(frozen=True)
class Item:
    """One picture. ``picture`` None: it is still being read. ``size``, ``cost``: as it would be shown now.
    ``again``: it was just given once more, and is there only once."""

    key: int
    name: str
    picture: Picture | None = None
    thumbnail: QImage | None = None
    animated: bool = False
    size: PictureSize | None = None
    cost: PictureCost | None = None
    again: bool = False


@dataclass(frozen=True)
class Refused:
    """What was given and is no picture that could be used. ``name``: of its file, "" where it had none."""

    key: int
    name: str
    error: AppError


@dataclass(frozen=True)
class Choice:
    """A size to choose. ``most_tokens``: what asks for it; None: as large as there is room."""

    size: PictureSize
    cost: PictureCost
    most_tokens: int | None


@dataclass(frozen=True)
class Fit:
    """``sizes`` of the pictures, None of one that no model can be shown. ``shrunk``: some are smaller than they could
    be, since they share the room; ``too_little``: there is too little room for them, so that the question will fail
    (then ``sizes`` are those that they would have)."""

    sizes: tuple[PictureSize | None, ...] = ()
    shrunk: bool = False
    too_little: bool = False


def fit(pictures: Sequence[Picture | None], most: int, room: int | None) -> Fit:
    """How a question's pictures will be shown, as ``usecases.chat_pictures.sizes`` does it. ``most``: tokens of one;
    ``room``: of all of them together, None: not known."""
    full = [_size(picture, most) for picture in pictures]
    if room is None:
        return Fit(tuple(full))
    wants = [size.tokens if size is not None else 0 for size in full]
    got = shares(wants, room)
    if any(share < min(want, LEAST_TOKENS) for share, want in zip(got, wants, strict=True)):
        return Fit(tuple(full), too_little=True)
    sizes = [
        _size(picture, share) if size is not None and share < size.tokens else size
        for picture, size, share in zip(pictures, full, got, strict=True)
    ]
    return Fit(tuple(sizes), shrunk=got != tuple(wants))


def _size(picture: Picture | None, most: int) -> PictureSize | None:
    if picture is None:
        return None
    try:
        return shown_size(picture.width, picture.height, min(most, picture.most_tokens or most))
    except AppError:  # too narrow for any model; of a draft that another version wrote
        return None


def most_for(picture: Picture, size: PictureSize) -> int:
    """The fewest tokens that lead to this very size: rounding to whole cells may leave some of them unused."""
    most = size.tokens
    while most < MOST_TOKENS and shown_size(picture.width, picture.height, most).tokens < size.tokens:
        most += 1
    return most


def is_same(item: Item, picture: Picture) -> bool:
    """Whether the item is this picture, by its content."""
    return item.picture is not None and item.picture.sha256 == picture.sha256


def as_image(small: Thumbnail) -> QImage:
    """A small picture for Qt."""
    data = QImage(small.pixels, small.width, small.height, 3 * small.width, QImage.Format.Format_RGB888)
    return data.copy()  # its own bytes, as Qt keeps none of Python's
