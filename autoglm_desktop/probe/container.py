"""Whether this process runs in a container (docker, podman, kubernetes, LXC …)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .files import read_text

MARKERS = (".dockerenv", "run/.containerenv", "run/systemd/container", "dev/.lxc")
GROUPS = re.compile(r"/docker[/-]|/libpod-|/lxc[./]|/kubepods|/crio-|cri-containerd-|/machine\.slice/")
OWN_NAMESPACES = {"pid": 0xEFFFFFFC, "uts": 0xEFFFFFFE, "ipc": 0xEFFFFFFF}
"""The machine's own, whose numbers are fixed (Linux, include/linux/proc_ns.h)."""


def in_container(root: Path, environ: Mapping[str, str], wsl: bool) -> bool | None:
    """None where /proc can't be read.

    A marker that an image left on a machine's disk does not count where all namespaces are the machine's own, nor one
    in a distribution of the Windows Subsystem for Linux.
    """
    groups = read_text(root / "proc/self/cgroup")
    marked = any(_exists(root / marker) for marker in MARKERS)
    marked = marked or bool(environ.get("container") or environ.get("KUBERNETES_SERVICE_HOST"))
    if not marked and groups is None:
        return None
    if not marked and not GROUPS.search(groups or ""):
        return False
    if wsl and (environ.get("WSL_DISTRO_NAME") or _exists(root / "run/WSL")):
        return False
    return not all(_namespace(root, name) == number for name, number in OWN_NAMESPACES.items())


def _namespace(root: Path, name: str) -> int | None:
    try:
        match = re.fullmatch(rf"{name}:\[(\d+)\]", str((root / "proc/self/ns" / name).readlink()))
    except OSError:
        return None
    return int(match[1]) if match else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
