"""The disk a folder lies on: free bytes, kind, file system, and whether it can be written."""

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
    kind, file_system, read_only = _volume(existing)
    return Disk(str(folder), kind, free_bytes(existing), file_system=file_system, read_only=read_only)


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


def _volume(folder: Path) -> tuple[str, str | None, bool | None]:
    """(kind, file system, read-only); what the system does not tell is unknown."""
    if sys.platform == "win32":
        return disk_windows.kind(folder), *disk_windows.volume(folder)
    if sys.platform == "darwin":
        return disk_macos.probe(folder)
    return disk_linux.kind(folder), *disk_linux.mount_of(folder)
