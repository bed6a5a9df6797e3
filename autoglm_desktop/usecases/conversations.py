"""What can be done with conversations as a whole: search, take along, bring in, keep pictures of."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from ..core.errors import AppError
from ..store import conversation_export, conversation_import, conversation_pictures, conversation_search
from ..store.conversation_import import Imported
from ..store.conversation_search import Found
from ..store.conversations import Conversation, Conversations, Picture, StoredMessage
from .archive import Archive
from .conversation_markdown import markdown


async def search(archive: Archive, query: str) -> Found:
    """Messages and titles that hold all words of the query; the last may be the beginning of one. What is not indexed,
    as behind a damage that was met just now, is from now on."""
    found = await archive.run(conversation_search.search, query)
    if not found.complete:
        archive.index()
    return found


async def keep_picture(archive: Archive, source: Path | bytes) -> Picture:
    """Keep a picture for a message or a draft. Raises AppError, TargetError (see ``conversation_pictures.keep``)."""
    return await asyncio.to_thread(conversation_pictures.keep, archive.pictures, source)


async def export_json(
    archive: Archive, path: Path, conversations: Sequence[int] | None = None, *, pictures: bool = True
) -> int:
    """Write conversations (None: all) into one JSON file, pictures inside; returns how many.

    Raises AppError (file_unreadable, file_unwritable, disk_is_full).
    """
    if conversations is None:
        conversations = [one.id for one in await archive.run(Conversations.all)]
    head = {"format": conversation_export.FORMAT, "version": conversation_export.VERSION}
    count = 0
    async with _written(path) as stream:
        write = stream.write
        await asyncio.to_thread(write, f'{json.dumps(head)[:-1]}, "conversations": [')
        for number in conversations:  # one at a time: an answer that streams meanwhile is saved in between
            found = await archive.run(conversation_export.conversation_json, number, pictures)
            if found is not None:
                text = await asyncio.to_thread(json.dumps, found, ensure_ascii=False, indent=1)
                await asyncio.to_thread(write, ("\n" if not count else ",\n") + text)
                count += 1
        await asyncio.to_thread(write, "]}\n")
    return count


async def export_markdown(archive: Archive, path: Path, conversation: int) -> None:
    """Write a transcript as Markdown; its pictures go into a folder beside it.

    Raises AppError (conversation_gone, file_unreadable, file_unwritable, disk_is_full).
    """
    found = await archive.run(Conversations.get, conversation)
    if found is None:
        raise AppError("conversation_gone")
    messages = await archive.run(Conversations.messages, conversation)
    await asyncio.to_thread(_copy_pictures, archive.pictures, path, messages)
    async with _written(path) as stream:
        await asyncio.to_thread(stream.write, _text(found, messages, path))


async def import_json(archive: Archive, path: Path) -> Imported:
    """Add the conversations of a file that was exported: all of them or none.

    Raises AppError (see ``conversation_import.read`` and ``keep``).
    """
    parsed = await asyncio.to_thread(conversation_import.read, path)
    done = await archive.run(conversation_import.keep, parsed)
    archive.index()
    return done


def _text(conversation: Conversation, messages: Sequence[StoredMessage], path: Path) -> str:
    folder = re.sub(r"[\s!-,:-@\[-^`{-~]", lambda found: quote(found[0]), _pictures_folder(path).name)
    return markdown(conversation, messages, folder)


def _pictures_folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}-pictures")


def _copy_pictures(source: Path, path: Path, messages: Sequence[StoredMessage]) -> None:
    names = {picture.file_name for message in messages for picture in message.pictures}
    folder = _pictures_folder(path)
    try:
        for name in sorted(name for name in names if (source / name).is_file()):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise _unwritable(folder, error) from error


@contextlib.asynccontextmanager
async def _written(path: Path) -> AsyncIterator[TextIO]:
    """A text file that is there whole or, where anything fails, as it was."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        stream = await asyncio.to_thread(_opened, fresh)
        try:
            yield stream
            await asyncio.to_thread(_flushed, stream)
        finally:
            stream.close()
        await asyncio.to_thread(fresh.replace, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8", newline="\n")


def _flushed(stream: TextIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _unwritable(path: Path, error: OSError) -> AppError:
    if error.errno == errno.ENOSPC:
        return AppError("disk_is_full", path=str(path))
    return AppError("file_unwritable", path=str(path), detail=error.strerror or str(error))
