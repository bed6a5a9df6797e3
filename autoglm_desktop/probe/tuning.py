"""Settings that guides for local models speak of, as the system writes them. What can't be read is None."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ..core.machine import Tuning
from . import disk_linux
from .disk import nearest_existing
from .files import read_int, read_text, whole_lines

LINUX_FILES = {
    "swappiness": "proc/sys/vm/swappiness",
    "file_max": "proc/sys/fs/file-max",
    "somaxconn": "proc/sys/net/core/somaxconn",
}
MEMORY_KEY = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management"
DISK_LIMIT_S = 1.0
GRAPHICS_KEY = r"SYSTEM\CurrentControlSet\Control\GraphicsDrivers"


def probe_tuning(root: Path = Path("/")) -> tuple[Tuning, ...]:
    """The settings that hold for the whole system or this process."""
    if sys.platform == "win32":
        return windows(_registry(MEMORY_KEY, "PagingFiles"), _registry(GRAPHICS_KEY, "HwSchMode"))
    if sys.platform == "linux":
        return linux(root, _open_files())
    return ()


def probe_disk_tuning(folder: Path, limit_s: float = DISK_LIMIT_S) -> tuple[Tuning, ...]:
    """The settings of the disk that a folder (which need not exist yet) lies on. Linux only; nothing where the disk
    does not answer within ``limit_s`` seconds: a dead network disk must not take the rest with it."""
    if sys.platform != "linux":
        return ()
    found: list[Tuning] = []

    def ask() -> None:
        device = disk_linux.device_of(nearest_existing(folder))
        if device is not None:
            found.extend(disk(device))

    thread = threading.Thread(target=ask, name="probe-disk-settings", daemon=True)
    thread.start()
    thread.join(limit_s)
    return tuple(found)


def linux(root: Path, open_files: str | None) -> tuple[Tuning, ...]:
    """Settings of a Linux system whose /proc and /sys are under ``root``."""
    numbers = [Tuning(name, _number(root / path)) for name, path in LINUX_FILES.items()]
    pages = chosen(read_text(root / "sys/kernel/mm/transparent_hugepage/enabled", 128))
    swaps = swap_device(read_text(root / "proc/swaps"))
    return (
        Tuning("open_files", open_files),
        *numbers,
        Tuning("huge_pages", pages),
        Tuning("swap_device", swaps),
    )


def disk(device: Path) -> tuple[Tuning, ...]:
    """Settings of a block device's folder in /sys, or of the disk that a partition lies on."""
    queue = (device.parent if (device / "partition").exists() else device) / "queue"
    if not queue.is_dir():
        return ()
    return (
        Tuning("io_scheduler", chosen(read_text(queue / "scheduler", 128))),
        Tuning("read_ahead_kb", _number(queue / "read_ahead_kb")),
    )


def chosen(text: str | None) -> str | None:
    """The word in brackets: ``always [madvise] never``. A file with one word alone has that."""
    match = re.search(r"\[([\w.-]{1,32})\]", text or "")
    words = (text or "").split()
    return (
        match[1]
        if match
        else words[0]
        if len(words) == 1 and re.fullmatch(r"[\w.-]{1,32}", words[0])
        else None
    )


def swap_device(text: str | None) -> str | None:
    """From /proc/swaps: ``none``, ``zram`` (compressed RAM alone) or ``disk``."""
    lines = whole_lines(text or "")
    if not lines or not lines[0].startswith("Filename") or not (text or "").endswith("\n"):
        return None
    names = [line.split()[0] for line in lines[1:] if line.split()]
    if not names:
        return "none"
    return "zram" if all(name.startswith("/dev/zram") for name in names) else "disk"


def windows(paging_files: object, scheduling: object) -> tuple[Tuning, ...]:
    """From the registry's PagingFiles (REG_MULTI_SZ) and HwSchMode (REG_DWORD: 2 is on, 1 off)."""
    return (
        Tuning("page_file", page_file(paging_files)),
        Tuning(
            "gpu_scheduling", {1: "off", 2: "on"}.get(scheduling) if isinstance(scheduling, int) else None
        ),
    )


def page_file(value: object) -> str | None:
    r"""``off``, ``automatic`` (``?:\pagefile.sys`` or sizes of 0), or the sizes in MiB: ``C: 1024-4096``."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return None
    lines = [str(line).strip() for line in value if str(line).strip()]
    if not lines:
        return "off"
    parts: list[str] = []
    for line in lines:
        match = re.fullmatch(r"(.):\\.*?(?:\s+(\d+)\s+(\d+))?", line)
        if match is None:
            return None
        if match[1] == "?" or match[2] is None or match[2] == match[3] == "0":
            return "automatic"
        parts.append(f"{match[1]}: {match[2]}-{match[3]}")
    return ", ".join(parts)


def _number(path: Path) -> str | None:
    value = read_int(path)
    return str(value) if value is not None and value >= 0 else None


def _open_files() -> str | None:
    try:
        import resource
    except ImportError:
        return None
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return "unlimited" if soft == resource.RLIM_INFINITY else str(soft)


def _registry(key: str, name: str) -> object:
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            value: object = winreg.QueryValueEx(opened, name)[0]
    except OSError:
        return None
    return value
