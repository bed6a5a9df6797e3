"""The kind of disk behind a folder, from macOS' ``diskutil``."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

from .files import run_text

TIMEOUT_S = 3.0


def probe(folder: Path) -> tuple[str, str | None, bool | None]:
    """(kind, file system, read-only) of the volume that a folder lies on."""
    point = next((item for item in (folder, *folder.parents) if os.path.ismount(item)), folder)
    text = run_text(("/usr/sbin/diskutil", "info", "-plist", str(point)), TIMEOUT_S) or ""
    return parse_diskutil(text), *parse_volume(text)


def parse_diskutil(text: str) -> str:
    """``diskutil info -plist``: whether it is solid state, and on which bus."""
    info = _plist(text)
    solid, bus = info.get("SolidState"), str(info.get("BusProtocol", ""))
    if not isinstance(solid, bool) or not bus:
        return "unknown"
    if bus in ("Apple Fabric", "PCI-Express", "PCI"):
        return "nvme" if solid else "unknown"
    if bus in ("SATA", "ATA"):
        return "sata_ssd" if solid else "hdd"
    return "unknown"


def parse_volume(text: str) -> tuple[str | None, bool | None]:
    """(file system, read-only) from the same; unknown where it does not say."""
    info = _plist(text)
    name, writable = info.get("FilesystemType"), info.get("WritableVolume")
    return (
        name if isinstance(name, str) and name else None,
        not writable if isinstance(writable, bool) else None,
    )


def _plist(text: str) -> dict[str, object]:
    try:
        info = plistlib.loads(text.encode())
    except Exception:  # noqa: BLE001 - plistlib raises anything for what is no property list
        return {}
    return info if isinstance(info, dict) else {}
