"""The journal beside an unfinished file: which blocks are safely on disk. Replaced atomically."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .blocks import Blocks, from_ranges
from .values import Wanted, journal_of, part_of

log = logging.getLogger(__name__)

MAX_BLOCKS = 10_000_000
RENAME_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class Unfinished:
    """What a journal says of a file, for lists: bytes."""

    target: Path
    size: int
    done_bytes: int


def load(wanted: Wanted) -> Blocks | None:
    """The blocks that an earlier run left for the same file; None where there is none or it may be another file.

    The same file is one with the same size and hash; without a hash, the same commit.
    """
    found = _read(journal_of(wanted.target))
    if found is None or not _same(found, wanted):
        return None
    try:
        if part_of(wanted.target).stat().st_size != found["size"]:
            return None
    except OSError:
        return None
    return _blocks(found)


def entry(wanted: Wanted, blocks: Blocks, kept: Mapping[int, int]) -> dict[str, object]:
    """What the journal shall say. ``kept``: the bytes of unfinished blocks that were flushed."""
    return {
        "schema": 1,
        "size": blocks.size,
        "sha256": wanted.sha256,
        "git_sha1": wanted.git_sha1,
        "commit": wanted.commit,
        "block_bytes": blocks.block_bytes,
        "done": blocks.ranges(),
        "kept": {str(index): count for index, count in kept.items() if count and index not in blocks.done},
    }


def save(wanted: Wanted, data: dict[str, object]) -> None:
    """Replace the journal; what it calls done must have been flushed before. Raises OSError."""
    path = journal_of(wanted.target)
    with _fresh(path).open("w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    replace(_fresh(path), path)


def replace(source: Path, target: Path) -> None:
    """One rename. Windows refuses it while somebody reads the target, a virus scanner for example: then a few times.
    Raises OSError."""
    for pause in RENAME_PAUSES_S:
        try:
            source.replace(target)
            return
        except PermissionError:
            if os.name == "posix":
                raise
            time.sleep(pause)
    source.replace(target)


def remove(wanted: Wanted) -> None:
    """Journal and unfinished file go. Raises OSError."""
    forget(wanted)
    part_of(wanted.target).unlink(missing_ok=True)


def forget(wanted: Wanted) -> None:
    """The journal goes. Raises OSError."""
    path = journal_of(wanted.target)
    path.unlink(missing_ok=True)
    _fresh(path).unlink(missing_ok=True)


def _fresh(path: Path) -> Path:
    """Where the next journal is written; a process that was killed may leave it."""
    return path.with_name(path.name + ".new")


def unfinished(journal: Path) -> Unfinished | None:
    """What the journal ``NAME.part.json`` says; None where it says nothing that can be used."""
    found = _read(journal)
    blocks = _blocks(found) if found is not None else None
    if blocks is None:
        return None
    target = journal.with_name(journal.name.removesuffix(".part.json"))
    return Unfinished(target, blocks.size, blocks.done_bytes)


def _read(path: Path) -> dict[str, object] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        log.exception("journal unreadable, starting anew: %s", path)
        return None
    return data if isinstance(data, dict) and data.get("schema") == 1 else None


def _same(found: dict[str, object], wanted: Wanted) -> bool:
    if wanted.size is not None and found.get("size") != wanted.size:
        return False
    for key, value in (("sha256", wanted.sha256), ("git_sha1", wanted.git_sha1)):
        if value is not None and found.get(key) is not None:
            return found[key] == value
    return wanted.commit is not None and found.get("commit") == wanted.commit


def _blocks(found: dict[str, object]) -> Blocks | None:
    size, block_bytes, pairs, kept = (found.get(key) for key in ("size", "block_bytes", "done", "kept"))
    if not (isinstance(size, int) and isinstance(block_bytes, int) and size >= 0 and block_bytes > 0):
        return None
    if not isinstance(pairs, list) or not isinstance(kept, dict) or size // block_bytes > MAX_BLOCKS:
        return None
    blocks = Blocks(size, block_bytes)
    try:
        blocks.done = from_ranges(pairs, blocks.count)
        blocks.kept = {
            int(index): int(count)
            for index, count in kept.items()
            if int(index) not in blocks.done and 0 < int(count) < blocks.length(int(index))
        }
    except (TypeError, ValueError, OverflowError):
        return None
    return blocks
