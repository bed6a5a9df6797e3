"""Reading a file on Windows past its cache, by the system's own calls."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path

GENERIC_READ, SHARE_ALL, OPEN_EXISTING = 0x80000000, 0x7, 3
NO_BUFFERING = 0x20000000
"""FILE_FLAG_NO_BUFFERING: offsets, sizes and the buffer must be multiples of the sector (winbase.h)."""
BUFFER_BYTES = 1 << 20


class UnbufferedReader:
    """As ``measure_disk.Reader``. Raises OSError."""

    def __init__(self, path: Path) -> None:
        if sys.platform != "win32":
            raise OSError("Windows only")
        self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        self._kernel.CreateFileW.restype = ctypes.c_void_p
        handle = self._kernel.CreateFileW(
            str(path), GENERIC_READ, SHARE_ALL, None, OPEN_EXISTING, NO_BUFFERING, None
        )
        if handle in (None, ctypes.c_void_p(-1).value):
            raise ctypes.WinError(ctypes.get_last_error())
        self._handle = ctypes.c_void_p(handle)
        self._buffer = mmap.mmap(-1, BUFFER_BYTES)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))

    def read(self, offset: int, size: int) -> int:
        if sys.platform != "win32":
            return 0
        place, got = ctypes.c_longlong(offset), ctypes.c_ulong(0)
        moved = self._kernel.SetFilePointerEx(self._handle, place, None, 0)
        read = moved and self._kernel.ReadFile(
            self._handle, ctypes.c_void_p(self._address), ctypes.c_ulong(size), ctypes.byref(got), None
        )
        if not read:
            raise ctypes.WinError(ctypes.get_last_error())
        return int(got.value)

    def close(self) -> None:
        if sys.platform == "win32":
            self._kernel.CloseHandle(self._handle)
