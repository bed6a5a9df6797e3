"""The disk behind a folder: its kind from Linux's /sys, its file system from /proc."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo. ``read_only``: the mount itself, or the file system below it."""

    point: Path
    file_system: str
    source: str
    read_only: bool


def mount_of(folder: Path, root: Path = Path("/")) -> tuple[str | None, bool | None]:
    """(file system, read-only) of the innermost mount above a folder."""
    return parse_mount(read_text(root / "proc/self/mountinfo") or "", folder.resolve())


def parse_mount(mountinfo: str, folder: Path) -> tuple[str | None, bool | None]:
    """(file system, read-only), from /proc/self/mountinfo."""
    found = innermost(mountinfo, folder)
    return (found.file_system, found.read_only) if found is not None else (None, None)


def parse_source(mountinfo: str, folder: Path) -> str | None:
    """The source of the innermost mount above a folder, if that is a device."""
    found = innermost(mountinfo, folder)
    return found.source if found is not None and found.source.startswith("/dev/") else None


def innermost(mountinfo: str, folder: Path) -> Mount | None:
    """The mount that a folder lies on: of those above it the longest, of equal ones the last."""
    found = None
    for mount in mounts(mountinfo):
        deeper = found is None or len(mount.point.parts) >= len(found.point.parts)
        if deeper and folder.is_relative_to(mount.point):
            found = mount
    return found


def mounts(mountinfo: str) -> Iterator[Mount]:
    """Of /proc/self/mountinfo (proc_pid_mountinfo(5)); lines that are none are passed over."""
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if dash and len(fields) >= 6 and len(tail) >= 3:
            options = (*fields[5].split(","), *tail[2].split(","))
            yield Mount(Path(unescape(fields[4])), tail[0], unescape(tail[1]), "ro" in options)


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
