"""The disk a folder lies on: free bytes, and whether it turns."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ..core.machine import Disk
from . import disk_linux, disk_macos, disk_windows

KINDS = ("nvme", "sata_ssd", "hdd")


def probe_disk(folder: Path) -> Disk:
    """``folder`` need not exist yet: the nearest folder above it that does is asked.

    Free bytes are those this user may write (without what the system reserves for root).
    """
    existing = nearest_existing(folder)
    return Disk(str(folder), _kind(existing), free_bytes(existing))


def nearest_existing(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    for candidate in (folder, *folder.parents):
        try:
            if candidate.is_dir():
                return candidate
        except OSError:  # no permission, or a path the system cannot express: look further up
            continue
    return folder


def free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _kind(folder: Path) -> str:
    if sys.platform == "win32":
        return disk_windows.kind(folder)
    if sys.platform == "darwin":
        return disk_macos.kind(folder)
    return disk_linux.kind(folder)
