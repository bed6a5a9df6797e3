"""The pictures of messages: files below the data folder, named by their content, as they were given.

A file is there before the row that names it and goes after the last one; what a crash leaves over is swept at a start.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.errors import AppError
from .conversation_rows import clean, kept_value
from .conversation_schema import PICTURE_COLUMNS
from .conversation_values import Picture

log = logging.getLogger(__name__)

MOST_BYTES = 200_000_000
"""Of one file: more than any screenshot or photograph has."""
UNSENT_KEPT_S = 86_400.0
"""A file that nobody refers to may belong to a question that is being written; a day later it doesn't."""


def keep(folder: Path, source: Path | bytes) -> Picture:
    """Keep a picture; the same one twice is one file. Decodes it to be sure: for an executor.

    Raises AppError, TargetError as ``picture_file.read_picture``; AppError (file_unwritable, disk_is_full).
    """
    from .picture_file import read_picture

    bitmap = read_picture(source)
    data = source if isinstance(source, bytes) else _read(source)
    extension = _extension(data)
    picture = Picture(
        hashlib.sha256(data).hexdigest(), extension, bitmap.width, bitmap.height, len(data),
        "" if isinstance(source, bytes) else clean(source.name),
    )  # fmt: skip
    put(folder, picture.file_name, data)
    return picture


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all. Raises AppError (file_unwritable, disk_is_full)."""
    target = folder / name
    fresh = folder / f"{name}.{os.getpid()}.part"
    try:
        if target.is_file() and target.stat().st_size == len(data):
            with contextlib.suppress(OSError):  # it can be read all the same
                os.utime(target)  # young again: a sweep leaves it
            return
        folder.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise AppError("disk_is_full", path=str(target)) from error
        raise AppError("file_unwritable", path=str(target), detail=error.strerror or str(error)) from error


def add_rows(database: sqlite3.Connection, message: int, pictures: Iterable[Picture]) -> None:
    columns = ("message", "position", *PICTURE_COLUMNS)
    database.executemany(
        f"INSERT INTO pictures ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        [(message, place, *row_of(picture)) for place, picture in enumerate(pictures)],
    )


def row_of(picture: Picture) -> tuple[object, ...]:
    return tuple(kept_value(getattr(picture, column)) for column in PICTURE_COLUMNS)


def of_conversation(
    rows: Iterable[tuple[Any, ...]],
) -> dict[int, tuple[Picture, ...]]:
    """Pictures by message, of rows in the order of their positions."""
    found: dict[int, list[Picture]] = {}
    for message, *values in rows:
        found.setdefault(message, []).append(Picture(*values))
    return {message: tuple(pictures) for message, pictures in found.items()}


def to_json(pictures: Iterable[Picture]) -> str:
    return json.dumps([row_of(picture) for picture in pictures])


def from_json(text: str) -> tuple[Picture, ...]:
    """Of a draft; what cannot be read is no picture."""
    try:
        return tuple(Picture(*values) for values in json.loads(text))
    except (ValueError, TypeError) as error:
        log.warning("a draft's pictures cannot be read: %s", error)
        return ()


def referred(database: sqlite3.Connection) -> set[str]:
    """The sha256 of every picture that a message or a draft refers to."""
    found = {str(row[0]) for row in database.execute("SELECT DISTINCT sha256 FROM pictures")}
    for (text,) in database.execute("SELECT pictures FROM drafts"):
        found.update(picture.sha256 for picture in from_json(text))
    return found


def remove_unreferred(folder: Path, wanted: set[str], candidates: Iterable[str]) -> None:
    """Remove the files of ``candidates`` (file names) that nobody refers to."""
    for name in candidates:
        if name.partition(".")[0] not in wanted:
            try:
                (folder / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning("a picture that nobody needs stays: %s", error)


def sweep(folder: Path, wanted: set[str], now: float) -> None:
    """Remove what nobody refers to and is older than a day."""
    old: list[str] = []
    try:
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False) and now - entry.stat().st_mtime > UNSENT_KEPT_S:
                old.append(entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("the pictures cannot be listed: %s", error)
        return
    remove_unreferred(folder, wanted, old)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AppError("file_refused", path=str(path), detail=f"{MOST_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise AppError("file_unreadable", path=str(path), detail=error.strerror or str(error)) from error


def _extension(data: bytes) -> str:
    """By the first bytes: ``read_picture`` has read it, so it is one of these."""
    if data.startswith(b"\x89PNG"):
        return "png"
    if data.startswith(b"\xff\xd8"):
        return "jpg"
    if data.startswith(b"GIF8"):
        return "gif"
    return "webp" if data.startswith(b"RIFF") else "bmp"
