"""How much disk the models take."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..store.file_work import COPYING, allocated
from .services import Services


@dataclass(frozen=True)
class DiskUse:
    """Bytes below ``folder``: of models and what belongs to them, of unfinished downloads (as far as they take room);
    ``free_bytes`` of its disk, None where that isn't known."""

    folder: Path
    models_bytes: int
    partial_bytes: int
    free_bytes: int | None


async def disk_use(services: Services) -> DiskUse:
    """Looks at every file of the models folder; reads none."""
    return await asyncio.to_thread(measure, services.models)


def measure(folder: Path) -> DiskUse:
    """The same, on the calling thread. What can't be looked at counts nothing."""
    whole = partial = 0
    seen: set[tuple[int, int]] = set()
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(place) / name).lstat()
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and status.st_ino and key in seen:
                continue
            seen.add(key)
            if name.endswith((".part", ".part.json", COPYING)):
                partial += allocated(status)
            else:
                whole += allocated(status)
    return DiskUse(folder, whole, partial, free_bytes(folder))


def free_bytes(folder: Path) -> int | None:
    """Free on the disk that holds the folder, or will; None where the system doesn't say."""
    while True:
        try:
            return shutil.disk_usage(folder).free
        except FileNotFoundError:
            if folder == folder.parent:
                return None
            folder = folder.parent
        except OSError:
            return None
