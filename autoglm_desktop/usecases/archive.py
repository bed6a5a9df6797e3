"""The conversations on a thread of their own: SQLite has one writer and never blocks the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ..core.errors import AppError
from ..store import conversation_search
from ..store.conversation_file import Opening
from ..store.conversations import Conversations

log = logging.getLogger(__name__)
T = TypeVar("T")


class Archive:
    """``open`` it before use and ``close`` it on the same loop."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="conversations")
        self._indexing: asyncio.Task[None] | None = None
        self.is_open = False
        self._unfinished: set[asyncio.Task[Any]] = set()

    @property
    def pictures(self) -> Path:
        """The folder of the messages' pictures (see ``Picture.file_name``)."""
        return self._conversations.pictures

    async def open(self) -> Opening:
        """Open the file; what is not indexed yet is indexed from now on, between other work."""
        opening = await self.run(Conversations.open)
        self.is_open = True
        self.index()
        return opening

    def index(self) -> None:
        """Index what is not indexed yet, if that isn't going on already."""
        if self._indexing is None or self._indexing.done():
            self._indexing = asyncio.get_running_loop().create_task(self._index())

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Call a method of Conversations, or a function that takes them first:
        ``await archive.run(Conversations.rename, 7, "title")``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, call, self._conversations, *arguments)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Work of several calls. It comes to its end also where who waits for it is cancelled, and then its failure is
        logged; ``close`` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_failed_unseen)
            raise

    async def close(self) -> None:
        """Write what is pending and close the file."""
        while self._unfinished:
            await asyncio.wait(set(self._unfinished))
        if self._indexing is not None:
            self._indexing.cancel()
            await asyncio.wait({self._indexing})
        await self.run(Conversations.close)
        self._thread.shutdown(wait=False)

    async def _index(self) -> None:
        try:
            while not await self.run(conversation_search.index_some):
                pass
        except AppError as error:  # a full disk; the next start goes on
            log.warning("not every text is indexed: %s", error)


def _failed_unseen(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("what was left to be kept could not be: %s", error)
