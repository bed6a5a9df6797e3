"""Limits that control groups (containers, systemd slices) put on this process. Linux only.

A limit on any level between the process's own group and the root of what is mounted counts; the lowest wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .files import parse_int, read_int, read_text, whole_lines

# cgroup v1 writes "no limit" as the largest multiple of the page size.
UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Mount:
    version: int
    controllers: frozenset[str]  # empty for version 2
    root: str
    mount_point: str


@dataclass(frozen=True)
class MemoryLimit:
    """Bytes. ``available_bytes`` = limit - (used - idle file cache) of the tightest level."""

    total_bytes: int | None = None
    available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The cgroup mounts of a /proc/self/mountinfo."""
    mounts: list[Mount] = []
    for line in whole_lines(mountinfo):
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not dash or len(fields) < 5 or not tail or tail[0] not in ("cgroup", "cgroup2"):
            continue
        version = 2 if tail[0] == "cgroup2" else 1
        controllers = frozenset(tail[2].split(",")) if version == 1 and len(tail) > 2 else frozenset()
        mounts.append(Mount(version, controllers, unescape(fields[3]), unescape(fields[4])))
    return mounts


def unescape(text: str) -> str:
    """A path as mountinfo writes it: blanks and backslashes are octal."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text


def parse_membership(text: str) -> list[tuple[frozenset[str], str]]:
    """(controllers, path) of a /proc/self/cgroup; version 2 has no controllers."""
    groups: list[tuple[frozenset[str], str]] = []
    for line in whole_lines(text):
        parts = line.split(":", 2)
        if len(parts) == 3:
            groups.append((frozenset(filter(None, parts[1].split(","))), parts[2]))
    return groups


def levels(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """(version, folder) of this process's groups for a controller, from its own up to the mount's root."""
    mounts = parse_mounts(read_text(root / "proc/self/mountinfo") or "")
    for controllers, path in parse_membership(read_text(root / "proc/self/cgroup") or ""):
        for mount in mounts:
            mine = controller in controllers & mount.controllers if mount.version == 1 else not controllers
            if mine:
                for folder in _chain(mount, path):
                    yield mount.version, root / folder.lstrip("/")
                break


def _chain(mount: Mount, path: str) -> list[str]:
    """The folders from a group's own up to the mount point; only that one where the group lies outside it."""
    inside = PurePosixPath(path)
    base = PurePosixPath(mount.root)
    parts = inside.relative_to(base).parts if inside.is_relative_to(base) else ()
    if ".." in parts:
        parts = ()
    point = PurePosixPath(mount.mount_point)
    return [str(point.joinpath(*parts[:count])) for count in range(len(parts), -1, -1)]


def memory_limit(root: Path = Path("/")) -> MemoryLimit:
    """The lowest limits on the path; every field is None where there is none."""
    found = [
        _memory_v2(folder) if version == 2 else _memory_v1(folder)
        for version, folder in levels(root, "memory")
    ]
    return MemoryLimit(
        _lowest(item.total_bytes for item in found),
        _lowest(item.available_bytes for item in found),
        _lowest(item.swap_total_bytes for item in found),
        next((item.swap_used_bytes for item in found if item.swap_used_bytes is not None), None),
    )


def _memory_v2(folder: Path) -> MemoryLimit:
    # Above memory.high the kernel slows the group down until it shrinks: for a model that is a limit, too.
    limit = _lowest((read_limit(folder / "memory.max"), read_limit(folder / "memory.high")))
    used = read_int(folder / "memory.current")
    idle = parse_stat(read_text(folder / "memory.stat") or "").get("inactive_file", 0)
    return MemoryLimit(
        limit,
        _left(limit, used, idle),
        read_limit(folder / "memory.swap.max"),
        read_int(folder / "memory.swap.current"),
    )


def _memory_v1(folder: Path) -> MemoryLimit:
    limit = read_limit(folder / "memory.limit_in_bytes")
    both = read_limit(folder / "memory.memsw.limit_in_bytes")
    used = read_int(folder / "memory.usage_in_bytes")
    idle = parse_stat(read_text(folder / "memory.stat") or "").get("total_inactive_file", 0)
    swap = max(0, both - limit) if both is not None and limit is not None else None
    return MemoryLimit(limit, _left(limit, used, idle), swap, None)


def _left(limit: int | None, used: int | None, idle: int) -> int | None:
    if limit is None or used is None:
        return None
    return max(0, limit - max(0, used - idle))


def read_limit(path: Path) -> int | None:
    """A byte limit; None for "max", for version 1's huge number and for a missing file."""
    value = parse_int(read_text(path, 64))
    return value if value is not None and 0 <= value < UNLIMITED else None


def parse_stat(text: str) -> dict[str, int]:
    """memory.stat: one ``name value`` per line."""
    values: dict[str, int] = {}
    for line in whole_lines(text):
        name, _, value = line.partition(" ")
        number = parse_int(value)
        if number is not None:
            values[name] = number
    return values


def cpu_quota(root: Path = Path("/")) -> float | None:
    """How many CPUs' worth of time this process may use, by the tightest level; None without a limit."""
    quotas: list[float] = []
    for version, folder in levels(root, "cpu"):
        if version == 2:
            quota = parse_cpu_max(read_text(folder / "cpu.max") or "")
        else:
            quota = _ratio(read_int(folder / "cpu.cfs_quota_us"), read_int(folder / "cpu.cfs_period_us"))
        if quota is not None:
            quotas.append(quota)
    return min(quotas, default=None)


def parse_cpu_max(text: str) -> float | None:
    """cpu.max: ``200000 100000`` is two CPUs, ``max 100000`` no limit."""
    parts = text.split()
    if len(parts) != 2:
        return None
    return _ratio(parse_int(parts[0]), parse_int(parts[1]))


def _ratio(quota: int | None, period: int | None) -> float | None:
    return quota / period if quota and period and quota > 0 and period > 0 else None


def _lowest(values: Iterator[int | None] | tuple[int | None, ...]) -> int | None:
    return min((value for value in values if value is not None), default=None)
