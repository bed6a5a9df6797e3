"""Display adapters the system knows of, whether or not anything here can use them.

They let the check say "an AMD GPU is there" or "the NVIDIA card has no driver": a vendor, perhaps a name.
"""

from __future__ import annotations

import ctypes
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.machine import Gpu
from .files import parse_int, read_int, read_text, run_text
from .outcome import GpuFinding

PCI_VENDORS = {0x10DE: "nvidia", 0x1002: "amd", 0x8086: "intel"}
DISPLAY_CLASS = 0x03


def probe_adapters(found: tuple[Gpu, ...] = (), root: Path = Path("/")) -> GpuFinding:
    """Adapters of the vendors that no other probe found."""
    if sys.platform == "darwin":
        adapters = _macos()
    elif sys.platform == "win32":
        adapters = parse_display_devices(_windows_devices())
    else:
        adapters = linux(root)
    more = new_ones(adapters, found)
    return GpuFinding(more) if more else GpuFinding.skipped("no_other_adapters")


def new_ones(adapters: Iterable[Gpu], found: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Adapters of other vendors than those found, numbered after them."""
    known = {gpu.vendor for gpu in found}
    fresh = [gpu for gpu in adapters if gpu.vendor not in known]
    first = max((gpu.index for gpu in found), default=-1) + 1
    return tuple(replace(gpu, index=first + number) for number, gpu in enumerate(fresh))


def linux(root: Path) -> list[Gpu]:
    """Display controllers on the PCI bus, with or without a driver."""
    gpus: list[Gpu] = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        kind, vendor = read_int(device / "class"), read_int(device / "vendor")
        if kind is not None and kind >> 16 == DISPLAY_CLASS and vendor in PCI_VENDORS:
            name = (read_text(device / "product_name", 256) or "").strip()
            gpus.append(Gpu(len(gpus), PCI_VENDORS[vendor], name=name or None))
    return gpus


def parse_display_devices(devices: Iterable[tuple[str, str]]) -> list[Gpu]:
    """From (name, device id) of EnumDisplayDevices, which repeats a card for each of its outputs."""
    gpus: dict[str, Gpu] = {}
    for name, identifier in devices:
        match = re.search(r"VEN_([0-9A-F]{4})", identifier, re.IGNORECASE)
        vendor = PCI_VENDORS.get(parse_int("0x" + match[1]) or 0) if match else None
        if vendor:
            gpus.setdefault(identifier, Gpu(len(gpus), vendor, name=name.strip() or None))
    return list(gpus.values())


def _macos() -> list[Gpu]:
    if platform.machine() != "arm64":
        return []
    name = (run_text(("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"), 3.0) or "").strip()
    return [Gpu(0, "apple", name=name or None)]


class _DisplayDevice(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("device_name", ctypes.c_wchar * 32),
        ("device_string", ctypes.c_wchar * 128),
        ("state_flags", ctypes.c_uint32),
        ("device_id", ctypes.c_wchar * 128),
        ("device_key", ctypes.c_wchar * 128),
    )


def _windows_devices() -> list[tuple[str, str]]:
    if sys.platform != "win32":
        return []
    enumerate_devices = ctypes.WinDLL("user32").EnumDisplayDevicesW
    devices: list[tuple[str, str]] = []
    while True:
        device = _DisplayDevice(size=ctypes.sizeof(_DisplayDevice))
        if not enumerate_devices(None, len(devices), ctypes.byref(device), 0):
            return devices
        devices.append((device.device_string, device.device_id))
