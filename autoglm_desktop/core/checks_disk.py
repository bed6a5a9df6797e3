"""The checks of the disk that holds the models. Pure."""

from __future__ import annotations

from .check_values import FAIL, OK, UNKNOWN, WARN, Check, Quantity, in_bytes
from .machine import Disk, Machine
from .rungs import RungPlan
from .units import GIB, format_seconds

IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs"))
FAT = frozenset(("vfat", "msdos", "fat", "fat16", "fat32"))
FAT_LARGEST = 4 * GIB - 1
"""Bytes: no file on FAT is larger."""
NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "ceph", "fuse.sshfs", "fuse.glusterfs",
    "fuse.rclone", "9p", "drvfs", "virtiofs", "vboxsf", "fuse.vmhgfs-fuse", "prl_fs",
))  # fmt: skip
"""Behind a network, or shared by the machine around this one."""
WINDOWS_DRIVES = frozenset(("9p", "drvfs"))
"""How the Subsystem for Linux shows the disks of Windows."""
SLOW_BYTES_PER_S = 100_000_000
"""Less than a hard disk reads in order."""
MEGA = 1_000_000


def free(machine: Machine, plan: RungPlan | None) -> Check:
    disk = machine.disks[0] if machine.disks else None
    needed = plan.download_bytes if plan is not None else None
    required = in_bytes(needed)
    if disk is None:
        return Check("disk.free", UNKNOWN, "disk_silent", required=required)
    value = in_bytes(disk.free_bytes)
    values: dict[str, object] = {
        "free_bytes": disk.free_bytes,
        "path": disk.path,
        "file_system": disk.file_system,
    }
    if disk.read_only:
        status = FAIL if needed else WARN
        return Check("disk.free", status, "disk_read_only", value, required, "disk_read_only", values)
    if disk.free_bytes is None:
        return Check("disk.free", UNKNOWN, "disk_silent", required=required)
    if needed is not None and needed > disk.free_bytes:
        values["short_bytes"] = needed - disk.free_bytes
        return Check("disk.free", FAIL, "disk_short", value, required, "free_disk", values)
    name = (disk.file_system or "").lower()
    if name in IN_MEMORY:
        return Check("disk.free", WARN, "disk_in_memory", value, required, "other_disk", values)
    if name in FAT:
        status = FAIL if needed is not None and needed > FAT_LARGEST else WARN
        return Check("disk.free", status, "disk_fat", value, required, "other_disk", values)
    return Check("disk.free", OK, "disk_free", value, required, values=values)


def speed(machine: Machine, plan: RungPlan | None) -> Check:
    disk = machine.disks[0] if machine.disks else None
    if disk is None:
        return Check("disk.speed", UNKNOWN, "disk_silent")
    if disk.sequential_read_bytes_per_s:
        return _measured(disk, disk.sequential_read_bytes_per_s, plan)
    name = (disk.file_system or "").lower()
    if machine.os.wsl and name in WINDOWS_DRIVES:
        return Check("disk.speed", WARN, "disk_of_windows", advice="disk_of_windows")
    if name in NETWORK:
        return Check("disk.speed", WARN, "disk_network", advice="other_disk")
    if disk.kind == "hdd":
        return Check("disk.speed", WARN, "disk_turns", advice="other_disk")
    code = {"nvme": "disk_nvme", "sata_ssd": "disk_sata_ssd"}.get(disk.kind)
    if code is not None:
        return Check("disk.speed", OK, code, advice="measure")
    if name in IN_MEMORY:
        return Check("disk.speed", OK, "disk_is_ram")
    return Check("disk.speed", UNKNOWN, "disk_speed_unknown", advice="measure")


def _measured(disk: Disk, bytes_per_s: int, plan: RungPlan | None) -> Check:
    value = Quantity(bytes_per_s, "bytes/s")
    values: dict[str, object] = {"megabytes": max(1, round(bytes_per_s / MEGA))}
    load_s = plan.load_s if plan is not None else None
    if load_s is not None and plan is not None and plan.variant is not None:
        values |= {"variant": plan.variant, "load": format_seconds(load_s)}
    if bytes_per_s < SLOW_BYTES_PER_S or disk.kind == "hdd":
        code = "disk_slow_loads" if "load" in values else "disk_slow"
        return Check("disk.speed", WARN, code, value, advice="other_disk", values=values)
    if disk.random_read_iops and disk.random_read_latency_s:
        values |= {
            "iops": disk.random_read_iops,
            "microseconds": max(1, round(disk.random_read_latency_s * 1e6)),
        }
        code = "disk_random_loads" if "load" in values else "disk_random"
    else:
        code = "disk_speed_loads" if "load" in values else "disk_speed"
    return Check("disk.speed", OK, code, value, advice="disk_published", values=values)
