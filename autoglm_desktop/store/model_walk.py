"""Looks for models below a folder: GGUF files, and folders with ``config.json`` and safetensors. Bounded and tolerant:
what can't be read is left out with a line in the log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .safetensors import CONFIG, SUFFIX

log = logging.getLogger(__name__)

DEPTH = 8
MAX_ENTRIES = 20_000
QUANTISED_MARK = "autoglm-quantised.json"
"""What the transformers engine leaves in a folder that it has quantised: it belongs to another, and is no model."""
Key = tuple[int, int]


@dataclass
class Budget:
    """How much of a disk one search may look at; ``seen``: folders that were visited (links may go round)."""

    entries: int = MAX_ENTRIES
    seen: set[Key] = field(default_factory=set)

    def spend(self, count: int, folder: Path) -> bool:
        """Whether these ``count`` entries may still be looked at."""
        if self.entries <= 0:
            return False
        self.entries -= count
        if self.entries <= 0:
            log.warning("the search for models ends in %s: too many files", folder)
        return True


def models_below(
    folder: Path, *, depth: int = DEPTH, links: bool = False, budget: Budget | None = None
) -> Iterator[Path]:
    """GGUF files and safetensors folders, by name. ``links``: go into folders that are links, too. Hidden folders are
    left out, and what the engine has quantised or is just writing (``NAME.part``)."""
    budget = budget or Budget()
    entries = _entries(folder)
    if not budget.spend(len(entries), folder):
        return
    names = {entry.name.lower() for entry in entries}
    if QUANTISED_MARK in names:
        return
    if CONFIG in names and any(name.endswith(SUFFIX) for name in names):
        yield folder
    for entry in entries:
        path = folder / entry.name
        try:
            if entry.name.startswith(".") or (entry.name.endswith(".part") and entry.is_dir()):
                continue
            if entry.name.lower().endswith(".gguf") and entry.is_file():
                yield path
            elif depth > 0 and entry.is_dir(follow_symlinks=links) and _first_time(entry, budget, links):
                yield from models_below(path, depth=depth - 1, links=links, budget=budget)
        except OSError as error:
            log.info("left out: %s: %s", path, error)


def folders(folder: Path) -> list[Path]:
    """The folders directly in a folder, by name; none where it can't be read."""
    found = []
    for entry in _entries(folder):
        try:
            if entry.is_dir():
                found.append(folder / entry.name)
        except OSError as error:
            log.info("left out: %s: %s", folder / entry.name, error)
    return found


def file_key(path: Path) -> Key | None:
    """What is the same for two names of one file; None where it is not there or the system can't say."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.info("left out: %s: %s", folder, error)
        return []


def _first_time(entry: os.DirEntry[str], budget: Budget, links: bool) -> bool:
    if not links:
        return True
    status = entry.stat()
    key = (status.st_dev, status.st_ino)
    if status.st_ino and key in budget.seen:
        return False
    budget.seen.add(key)
    return True
