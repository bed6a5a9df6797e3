"""Memory modules from the firmware's tables, as Windows hands them to every user (what CIM's Win32_PhysicalMemory
reads too)."""

from __future__ import annotations

import ctypes
import struct
import sys

from .ram_modules import Ram, together
from .smbios import parse_modules

PROVIDER = int.from_bytes(b"RSMB", "big")
HEADER_BYTES = 8


def probe() -> Ram:
    return parse(_raw())


def parse(raw: bytes) -> Ram:
    """A RawSMBIOSData of GetSystemFirmwareTable: four bytes of versions, the table's length, the table."""
    if len(raw) < HEADER_BYTES:
        return Ram()
    (length,) = struct.unpack_from("<I", raw, 4)
    return together(parse_modules(raw[HEADER_BYTES : HEADER_BYTES + length]))


def _raw() -> bytes:
    if sys.platform != "win32":
        return b""
    call = ctypes.WinDLL("kernel32", use_last_error=True).GetSystemFirmwareTable
    size = call(PROVIDER, 0, None, 0)
    if size <= 0:
        return b""
    buffer = ctypes.create_string_buffer(size)
    got = call(PROVIDER, 0, buffer, size)
    return buffer.raw[:got] if 0 < got <= size else b""
