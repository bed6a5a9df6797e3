"""The disk behind a folder: its kind from Linux's /sys, its file system from /proc."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from .cgroup import unescape
from .files import read_int, read_text

UNKNOWN = "unknown"
# Slowest first: of several disks under one volume the slowest counts.
SLOWEST_FIRST = ("hdd", "sata_ssd", "nvme")
MAX_DEPTH = 8
# Virtual disks say "rotational" whatever is below them.
VIRTUAL = re.compile(r"qemu|vbox|virtual|vmware|msft|xen|bochs|google|iscsi|lio-org", re.IGNORECASE)


def kind(folder: Path, root: Path = Path("/")) -> str:
    """nvme | sata_ssd | hdd | unknown (virtual, network, memory, USB and card-reader disks are unknown)."""
    found = device_of(folder, root)
    return device_kind(found) if found else UNKNOWN


def device_of(folder: Path, root: Path = Path("/")) -> Path | None:
    """The folder in /sys of the block device under an existing folder; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        device = folder.stat().st_dev
    except OSError:
        return None
    found = block_device(root, os.major(device), os.minor(device))
    if found is None:
        found = mounted_device(read_text(root / "proc/self/mountinfo") or "", folder, root)
    return found


def mount_of(folder: Path, root: Path = Path("/")) -> tuple[str | None, bool | None]:
    """(file system, read-only) of the innermost mount above a folder."""
    return parse_mount(read_text(root / "proc/self/mountinfo") or "", folder.resolve())


def parse_mount(mountinfo: str, folder: Path) -> tuple[str | None, bool | None]:
    """From /proc/self/mountinfo. Read-only is the mount itself or the file system below it."""
    best: tuple[int, str, bool] | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not dash or len(fields) < 6 or len(tail) < 3:
            continue
        point = Path(unescape(fields[4]))
        if folder.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            options = (*fields[5].split(","), *tail[2].split(","))
            best = (len(point.parts), tail[0], "ro" in options)
    return best[1:] if best else (None, None)


def block_device(root: Path, major: int, minor: int) -> Path | None:
    link = root / f"sys/dev/block/{major}:{minor}"
    return link.resolve() if link.exists() else None


def mounted_device(mountinfo: str, folder: Path, root: Path) -> Path | None:
    """For file systems with device numbers of their own (btrfs): the block device named as mount source."""
    source = parse_source(mountinfo, folder.resolve())
    if source is None:
        return None
    try:
        # /dev/mapper/… is a link to ../dm-N.
        name = Path(os.path.realpath(root / source.lstrip("/"))).name
        found = (root / "sys/class/block" / name).resolve(strict=True)
    except OSError:
        return None
    return found


def parse_source(mountinfo: str, folder: Path) -> str | None:
    """The source of the innermost mount above a folder, if that is a device."""
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not dash or len(fields) < 5 or len(tail) < 2:
            continue
        point = Path(unescape(fields[4]))
        if folder.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), unescape(tail[1]))
    return best[1] if best and best[1].startswith("/dev/") else None


def device_kind(device: Path, depth: int = 0) -> str:
    """The kind of a block device's folder in /sys; through partitions, dm-crypt, LVM and RAID."""
    if (device / "partition").exists():
        device = device.parent
    below = sorted((device / "slaves").glob("*"))
    if below and depth < MAX_DEPTH:
        kinds = {device_kind(item.resolve(), depth + 1) for item in below}
        return UNKNOWN if UNKNOWN in kinds else next(item for item in SLOWEST_FIRST if item in kinds)
    return disk_kind(device)


def disk_kind(disk: Path) -> str:
    """The kind of a whole disk by its name, model, bus and whether it turns."""
    if disk.name.startswith("nvme"):
        return "nvme"
    words = " ".join(read_text(disk / "device" / item, 256) or "" for item in ("vendor", "model"))
    if not re.match(r"[sh]d[a-z]+$", disk.name) or VIRTUAL.search(words) or "/usb" in disk.as_posix():
        return UNKNOWN
    return {0: "sata_ssd", 1: "hdd"}.get(read_int(disk / "queue/rotational"), UNKNOWN)  # type: ignore[arg-type]
