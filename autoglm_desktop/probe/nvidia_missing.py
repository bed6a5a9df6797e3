"""Why NVIDIA's library has no answer: what Linux shows of a card all the same, in containers and under Windows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .adapters import linux as adapters
from .container import in_container
from .files import read_text
from .system import is_wsl

NO_PERMISSION, NOT_LOADED, NO_LIBRARY, UNKNOWN = 4, 9, 12, 999
"""Codes of nvmlReturn_t."""
WSL_LIBRARY = "usr/lib/wsl/lib/libnvidia-ml.so.1"
WSL_DEVICE = "dev/dxg"
"""The way to Windows' driver; there only with a GPU that Windows lends to the Subsystem."""


@dataclass(frozen=True)
class Seen:
    """What can be seen of an NVIDIA card without its library."""

    driver: bool = False  # the kernel's module is loaded, perhaps on the host of a container
    device: bool = False  # /dev/nvidiactl, through which programs talk to it
    card: bool = False  # on the PCI bus
    container: bool = False
    wsl: bool = False
    wsl_device: bool = False
    wsl_library: bool = False


def look(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Seen:
    """Reads a few files of /proc, /dev and /sys; nothing is there on other systems."""
    wsl = is_wsl(read_text(root / "proc/sys/kernel/osrelease", 200) or "", environ)
    return Seen(
        driver=read_text(root / "proc/driver/nvidia/version", 200) is not None,
        device=_exists(root / "dev/nvidiactl"),
        card=any(gpu.vendor == "nvidia" for gpu in adapters(root)),
        container=bool(in_container(root, environ, wsl)),
        wsl=wsl,
        wsl_device=_exists(root / WSL_DEVICE),
        wsl_library=_exists(root / WSL_LIBRARY),
    )


def why(code: int, seen: Seen) -> tuple[str, str | None] | None:
    """(reason, what helps) where the surroundings explain NVML's error; None where they don't."""
    if code not in (NO_PERMISSION, NOT_LOADED, NO_LIBRARY, UNKNOWN):
        return None
    if seen.wsl:
        return _in_wsl(code, seen)
    if seen.container:
        return _in_container(code, seen)
    if code == NO_LIBRARY and seen.driver:
        return "nvidia_library_missing", "install_nvidia_library"
    if code == NO_LIBRARY and seen.card:
        return "nvidia_card_without_driver", "install_nvidia_driver"
    return None


def _in_wsl(code: int, seen: Seen) -> tuple[str, str | None] | None:
    if code != NO_LIBRARY:
        return None
    if seen.wsl_library:
        return "nvidia_wsl_library_not_found", "wsl_library_path"
    if seen.container and seen.wsl_device:
        return "nvidia_not_in_container", "nvidia_container"
    return ("nvidia_wsl_no_driver", "wsl_driver") if seen.wsl_device else None


def _in_container(code: int, seen: Seen) -> tuple[str, str | None] | None:
    """/proc and /sys are the host's, also where the container was started without its card."""
    if seen.driver and (code == NO_LIBRARY or not seen.device):
        return "nvidia_not_in_container", "nvidia_container"
    if seen.card and not seen.driver:
        return "nvidia_host_without_driver", "nvidia_host_driver"
    if code == NOT_LOADED and not seen.driver:
        return "nvidia_host_without_driver", "nvidia_host_driver"
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
