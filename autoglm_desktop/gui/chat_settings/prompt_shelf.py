"""The prompts that the user keeps, as Qt sees them; files are read and written off the GUI's thread."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from ...store.own_prompts import Kept, OwnPrompts, Prompt
from ..bridge import Bridge


class PromptShelf(QObject):
    """``changed`` when the list was read or has become another one; ``set_aside(path)`` when a damaged file was;
    ``failed(AppError)``: it is as before."""

    changed = Signal()
    set_aside = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: Bridge, own: OwnPrompts, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._own = bridge, own
        self.prompts: tuple[Prompt, ...] = ()

    def read(self) -> None:
        self._submit(self._own.read)

    def keep(self, name: str, text: str) -> None:
        self._submit(functools.partial(self._own.keep, name, text))

    def rename(self, prompt_id: str, name: str) -> None:
        self._submit(functools.partial(self._own.rename, prompt_id, name))

    def remove(self, prompt_id: str) -> None:
        self._submit(functools.partial(self._own.remove, prompt_id))

    def put_back(self, prompt: Prompt) -> None:
        self._submit(functools.partial(self._own.put_back, prompt))

    def _submit(self, call: Callable[[], Kept]) -> None:
        self._bridge.submit(lambda _report: asyncio.to_thread(call), self._done, self.failed.emit)

    def _done(self, kept: Kept) -> None:
        self.prompts = kept.prompts
        self.changed.emit()
        if kept.set_aside is not None:
            self.set_aside.emit(kept.set_aside)
