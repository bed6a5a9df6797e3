"""The kind of disk behind a folder, from Windows' storage properties (no administrator needed)."""

from __future__ import annotations

import ctypes
import struct
import sys
from pathlib import Path

# winioctl.h
IOCTL_STORAGE_QUERY_PROPERTY = 0x2D1400
DEVICE_PROPERTY, SEEK_PENALTY_PROPERTY = 0, 7
READ_ONLY_VOLUME = 0x80000  # winnt.h, FILE_READ_ONLY_VOLUME
BUS_ATA, BUS_SATA, BUS_NVME = 3, 11, 17


def kind(folder: Path) -> str:
    drive = folder.drive
    if len(drive) != 2 or not drive.endswith(":"):  # a network share
        return "unknown"
    return from_properties(_query(drive, DEVICE_PROPERTY), _query(drive, SEEK_PENALTY_PROPERTY))


def from_properties(device: bytes, seek_penalty: bytes) -> str:
    """From a STORAGE_DEVICE_DESCRIPTOR (bus type at 28) and a DEVICE_SEEK_PENALTY_DESCRIPTOR (flag at 8)."""
    if len(device) < 32:
        return "unknown"
    (bus,) = struct.unpack_from("<I", device, 28)
    if bus == BUS_NVME:
        return "nvme"
    if bus not in (BUS_ATA, BUS_SATA) or len(seek_penalty) < 9:
        return "unknown"
    return "hdd" if seek_penalty[8] else "sata_ssd"


def volume(folder: Path) -> tuple[str | None, bool | None]:
    """(file system, read-only) of the volume that a folder lies on."""
    if sys.platform != "win32" or not folder.anchor:
        return None, None
    name = ctypes.create_unicode_buffer(64)
    flags = ctypes.c_uint32(0)
    done = ctypes.WinDLL("kernel32").GetVolumeInformationW(
        folder.anchor, None, 0, None, None, ctypes.byref(flags), name, len(name)
    )
    return from_volume(name.value, flags.value) if done else (None, None)


def from_volume(name: str, flags: int) -> tuple[str | None, bool | None]:
    """From GetVolumeInformation's answers."""
    return name or None, bool(flags & READ_ONLY_VOLUME)


def _query(drive: str, what: int) -> bytes:
    if sys.platform != "win32":
        return b""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    read_write_shared, open_existing, invalid = 3, 3, ctypes.c_void_p(-1).value
    handle = kernel.CreateFileW(f"\\\\.\\{drive}", 0, read_write_shared, None, open_existing, 0, None)
    if handle in (None, invalid):
        return b""
    query = struct.pack("<III", what, 0, 0)
    answer = ctypes.create_string_buffer(1024)
    size = ctypes.c_uint32(0)
    try:
        done = kernel.DeviceIoControl(
            ctypes.c_void_p(handle), IOCTL_STORAGE_QUERY_PROPERTY, query, len(query), answer, len(answer),
            ctypes.byref(size), None,
        )  # fmt: skip
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
    return answer.raw[: size.value] if done else b""
