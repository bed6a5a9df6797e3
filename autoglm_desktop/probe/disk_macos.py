"""The kind of disk behind a folder, from macOS' ``diskutil``."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from xml.parsers.expat import ExpatError

from .files import run_text

TIMEOUT_S = 3.0


def kind(folder: Path) -> str:
    point = next((item for item in (folder, *folder.parents) if os.path.ismount(item)), folder)
    return parse_diskutil(run_text(("/usr/sbin/diskutil", "info", "-plist", str(point)), TIMEOUT_S) or "")


def parse_diskutil(text: str) -> str:
    """``diskutil info -plist``: whether it is solid state, and on which bus."""
    try:
        info = plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return "unknown"
    if not isinstance(info, dict):
        return "unknown"
    solid, bus = info.get("SolidState"), str(info.get("BusProtocol", ""))
    if not isinstance(solid, bool) or not bus:
        return "unknown"
    if bus in ("Apple Fabric", "PCI-Express", "PCI"):
        return "nvme" if solid else "unknown"
    if bus in ("SATA", "ATA"):
        return "sata_ssd" if solid else "hdd"
    return "unknown"
