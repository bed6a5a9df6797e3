"""The operating system."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..core.machine import OsInfo
from .container import in_container
from .files import read_text
from .tuning import probe_tuning

FIRST_WINDOWS_11_BUILD = 22000


def probe_os(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> OsInfo:
    """The system, whether it is a container, and its settings. A disk's settings are ``tuning.probe_disk_tuning``'s."""
    if sys.platform == "win32":
        return replace(_windows(), tuning=probe_tuning(root))
    if sys.platform == "darwin":
        return OsInfo("macOS", platform.mac_ver()[0] or None, wsl=False, container=False)
    return replace(linux(root, environ), tuning=probe_tuning(root))


def linux(root: Path, environ: Mapping[str, str]) -> OsInfo:
    """Name and version of a Linux system whose /proc and /etc are under ``root``."""
    kernel = (read_text(root / "proc/sys/kernel/osrelease") or "").strip()
    release = read_text(root / "etc/os-release") or read_text(root / "usr/lib/os-release") or ""
    name = parse_os_release(release)
    if name and kernel:
        version: str | None = f"{name} ({kernel})"
    else:
        version = name or kernel or None
    wsl = is_wsl(kernel, environ)
    return OsInfo("Linux", version, wsl, in_container(root, environ, wsl))


def parse_os_release(text: str) -> str | None:
    """The system's name with its version from os-release, e.g. ``Ubuntu 24.04.1 LTS``."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            try:
                values[key] = " ".join(shlex.split(value))
            except ValueError:  # a quotation without its end
                continue
    pretty = values.get("PRETTY_NAME")
    if pretty:
        return pretty
    return " ".join(filter(None, (values.get("NAME"), values.get("VERSION")))) or None


def is_wsl(kernel: str, environ: Mapping[str, str]) -> bool:
    """Whether this is the Windows Subsystem for Linux, also inside a container on it."""
    return "microsoft" in kernel.lower() or bool(environ.get("WSL_DISTRO_NAME"))


def windows_version(build: int, server: bool) -> str:
    """Windows 10 and 11 share the version number 10.0; only the build tells them apart."""
    if server:
        return f"Server (build {build})"
    return f"{11 if build >= FIRST_WINDOWS_11_BUILD else 10} (build {build})"


def _windows() -> OsInfo:
    if sys.platform != "win32":
        return OsInfo()
    version = sys.getwindowsversion()
    workstation = 1
    return OsInfo("Windows", windows_version(version.build, version.product_type != workstation), wsl=False)
