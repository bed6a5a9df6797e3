"""Files that are longer than what is written of them: the rest reads as zeros and takes no room on the disk.

Linux, macOS (APFS) and most file systems make such holes by themselves; NTFS wants to be told first. Where a file
system has none (exFAT, FAT32) the file takes its whole length.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from ..core.errors import AppError

FSCTL_SET_SPARSE = 0x900C4  # winioctl.h


def mark(file: BinaryIO) -> bool:
    """Tell NTFS that what is passed over in this file is a hole; whether holes can be hoped for."""
    if sys.platform != "win32":
        return True
    import ctypes
    import msvcrt
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.DeviceIoControl.argtypes = [
        wintypes.HANDLE, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD,
        wintypes.LPVOID, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD), wintypes.LPVOID,
    ]  # fmt: skip
    kernel.DeviceIoControl.restype = wintypes.BOOL
    returned = wintypes.DWORD()
    handle = msvcrt.get_osfhandle(file.fileno())
    return bool(
        kernel.DeviceIoControl(handle, FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(returned), None)
    )


def write_head(path: str | os.PathLike[str], head: bytes, size: int) -> None:
    """Write a file of ``size`` bytes of which only ``head`` is there. What an engine's ``dry_run`` needs of a GGUF.

    AppError ``file_unwritable`` (path, detail); then nothing is left behind. ValueError where ``size`` is shorter.
    """
    if size < len(head):
        raise ValueError(f"{len(head)} bytes in a file of {size}")
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            mark(file)
            file.write(head)
            file.truncate(size)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AppError(
            "file_unwritable", path=os.fspath(path), detail=error.strerror or str(error)
        ) from error


def copy_head(source: str | os.PathLike[str], path: str | os.PathLike[str], head_bytes: int) -> None:
    """Write a copy of ``source``, as long, of which only the first ``head_bytes`` are there.

    AppError ``file_unreadable`` or ``file_unwritable`` (path, detail).
    """
    try:
        with Path(source).open("rb") as file:
            head = file.read(head_bytes)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise AppError(
            "file_unreadable", path=os.fspath(source), detail=error.strerror or str(error)
        ) from error
    write_head(path, head, size)
