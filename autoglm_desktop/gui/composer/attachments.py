"""The pictures of the question that is being written: read and kept one after another, off the GUI's thread."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from ...core import picture_cost
from ...core.errors import AppError
from ...core.picture_cost import PictureCost
from ...core.pictures import MOST_TOKENS, PictureSize
from ...core.rungs import RungPlan
from ...store.conversation_values import Picture
from ...usecases import picture_thumbs
from ...usecases.archive import Archive
from ...usecases.picture_thumbs import Thumbnail
from ..bridge import Bridge, Job
from ..widgets.picture_sources import Source, as_png
from .attachment_values import Choice, Fit, Item, Refused, as_image, fit, is_same, most_for

T = TypeVar("T")

MOST = 20
"""Pictures of one question. Each takes some hundred tokens, and a strip of more is of no use to anyone."""
THUMBNAIL_SIDE = 144
"""Pixels: twice what the strip shows, for screens of high resolution."""


class Attachments(QObject):
    """``changed`` whenever something of it is another one. ``items`` in the order in which they were given."""

    changed = Signal()

    def __init__(self, bridge: Bridge, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._archive = bridge, archive
        self._keys = itertools.count()
        self._jobs: dict[int, Job] = {}
        self._one_at_a_time = asyncio.Lock()
        self._plan: RungPlan | None = None
        self._image_s: float | None = None
        self.room: int | None = None
        self.fit = Fit()
        self.items: tuple[Item, ...] = ()
        self.refused: tuple[Refused, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is being read any more."""
        return all(item.picture is not None for item in self.items)

    @property
    def tokens(self) -> int:
        """Of all that are read, as they would be shown now."""
        return sum(item.cost.tokens for item in self.items if item.cost is not None)

    def pictures(self) -> tuple[Picture, ...]:
        """Those that are read."""
        return tuple(item.picture for item in self.items if item.picture is not None)

    def choices(self, index: int) -> tuple[Choice, ...]:
        """The sizes that a picture may be shown at, largest first."""
        picture = self.items[index].picture
        if picture is None or self.items[index].size is None:
            return ()
        whole = dataclasses.replace(picture, most_tokens=None)
        others = [item.picture for item in self.items]
        largest = fit([*others[:index], whole, *others[index + 1 :]], self._most(), self.room).sizes[index]
        if largest is None:
            return ()
        sizes = picture_cost.choices(picture.width, picture.height, most_for(picture, largest))
        mosts = [None, *(most_for(picture, size) for size in sizes[1:])]
        return tuple(Choice(size, self._cost(size), most) for size, most in zip(sizes, mosts, strict=True))

    def give(self, sources: Sequence[Source]) -> None:
        """Add pictures; what cannot be used is in ``refused`` afterwards."""
        self.refused = ()
        self.items = tuple(dataclasses.replace(item, again=False) for item in self.items)
        fitting = max(0, MOST - len(self.items))
        for source in sources[:fitting]:
            self._read(Item(next(self._keys), source.name if isinstance(source, Path) else ""), source)
        if len(sources) > fitting:
            self._refuse(next(self._keys), "", AppError("pictures_too_many", most=MOST))
        self._tell()

    def remove(self, index: int) -> None:
        """Take a picture out of the question."""
        item = self.items[index]
        self.items = (*self.items[:index], *self.items[index + 1 :])
        job = self._jobs.pop(item.key, None)
        if job is not None:
            job.cancel()
        self._tell()

    def dismiss(self, index: int) -> None:
        """Say nothing more of something that was refused."""
        self.refused = (*self.refused[:index], *self.refused[index + 1 :])
        self._tell()

    def set_scale(self, index: int, most_tokens: int | None) -> None:
        """Show a picture in no more tokens; None: as large as there is room."""
        item = self.items[index]
        if item.picture is not None and item.picture.most_tokens != most_tokens:
            self._replace(
                dataclasses.replace(item, picture=dataclasses.replace(item.picture, most_tokens=most_tokens))
            )
            self._tell()

    def set_pictures(self, pictures: Sequence[Picture]) -> None:
        """These instead, which are kept already: those of a draft, or of a question that is edited."""
        self._forget()
        for picture in pictures:
            item = Item(next(self._keys), picture.name, picture)
            self.items = (*self.items, item)
            path = self._archive.pictures / picture.file_name
            read = functools.partial(picture_thumbs.thumbnail, path, THUMBNAIL_SIDE)
            self._submit(item, read, self._show_thumbnail)
        self._tell()

    def clear(self) -> None:
        """No pictures any more."""
        self._forget()
        self._tell()

    def set_plan(self, plan: RungPlan | None, room: int | None, image_s: float | None = None) -> None:
        """What pictures cost with. ``room``: tokens that all of them together may take (``core.pictures.room_left``),
        None: not known; ``image_s``: seconds that the engine measured for one (``Proof.image_s``)."""
        if (plan, room, image_s) == (self._plan, self.room, self._image_s):
            return
        self._plan, self.room, self._image_s = plan, room, image_s
        self._tell()

    def _forget(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        self._jobs.clear()
        self.items, self.refused = (), ()

    def _read(self, item: Item, source: Source) -> None:
        async def read() -> tuple[Picture, Thumbnail]:
            content = await asyncio.to_thread(as_png, source) if isinstance(source, QImage) else source
            return await picture_thumbs.keep(self._archive, content, THUMBNAIL_SIDE)

        self.items = (*self.items, item)
        self._submit(item, read, self._kept)

    def _submit(
        self, item: Item, work: Callable[[], Coroutine[Any, Any, T]], on_result: Callable[[int, T], None]
    ) -> None:
        async def alone(_report: object) -> T:
            async with self._one_at_a_time:  # one decoded picture is up to 300 MB
                return await work()

        key = item.key
        job = self._jobs[key] = self._bridge.submit(
            alone, lambda found: self._arrived(key, found, on_result), lambda error: self._failed(key, error)
        )
        job.ended.connect(lambda: self._ended(key))

    def _arrived(self, key: int, found: T, on_result: Callable[[int, T], None]) -> None:
        if self._jobs.pop(key, None) is not None:
            on_result(key, found)
            self._tell()

    def _failed(self, key: int, error: AppError) -> None:
        if self._jobs.pop(key, None) is not None:
            self._refuse(key, self._item(key).name, error)
            self._tell()

    def _ended(self, key: int) -> None:
        """Neither a result nor an expected failure: what is not read will never be."""
        if self._jobs.pop(key, None) is not None and self._item(key).picture is None:
            self._drop(key)
            self._tell()

    def _kept(self, key: int, found: tuple[Picture, Thumbnail]) -> None:
        picture, small = found
        same = next(
            (item for item in self.items if item.picture is not None and is_same(item, picture)), None
        )
        if same is not None:
            self._drop(key)
            self._replace(dataclasses.replace(same, again=True))
            return
        self._replace(dataclasses.replace(self._item(key), picture=picture))
        self._show_thumbnail(key, small)

    def _show_thumbnail(self, key: int, small: Thumbnail) -> None:
        self._replace(
            dataclasses.replace(self._item(key), thumbnail=as_image(small), animated=small.animated)
        )

    def _refuse(self, key: int, name: str, error: AppError) -> None:
        self._drop(key)
        self.refused = (*self.refused, Refused(key, name, error))

    def _item(self, key: int) -> Item:
        return next(item for item in self.items if item.key == key)

    def _drop(self, key: int) -> None:
        self.items = tuple(item for item in self.items if item.key != key)

    def _replace(self, changed: Item) -> None:
        self.items = tuple(changed if item.key == changed.key else item for item in self.items)

    def _most(self) -> int:
        """Tokens of the largest picture that loading has proven."""
        step = self._plan.phone_step if self._plan is not None else None
        return min(MOST_TOKENS, step.image_tokens) if step is not None else MOST_TOKENS

    def _tell(self) -> None:
        """Look how all of them fit now, as each takes of what others may have."""
        self.fit = fit([item.picture for item in self.items], self._most(), self.room)
        self.items = tuple(
            dataclasses.replace(item, size=size, cost=self._cost(size) if size is not None else None)
            for item, size in zip(self.items, self.fit.sizes, strict=True)
        )
        self.changed.emit()

    def _cost(self, size: PictureSize) -> PictureCost:
        return picture_cost.cost(size, self._plan, image_s=self._image_s)
