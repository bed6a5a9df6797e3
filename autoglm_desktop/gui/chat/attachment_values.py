"""What is known of the things that go with a question. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QImage

from ...core.errors import AppError
from ...core.picture_cost import PictureCost
from ...core.pictures import MOST_TOKENS, PictureSize, shown_size
from ...store.conversation_values import Picture
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
