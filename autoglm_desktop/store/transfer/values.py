"""What a transfer is asked for, what it reports and what it returns. Bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Reason


@dataclass(frozen=True)
class Wanted:
    """A file. ``target``: its final path. ``size``, hashes (lower-case hex) and ``commit`` as the listing says."""

    target: Path
    size: int | None
    sha256: str | None = None
    git_sha1: str | None = None
    commit: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A file that is complete. ``verified``: ``sha256``, ``git_sha1`` or ``size`` (no hash was known).

    ``fetched_bytes``: what came over the network in this run; ``already``: it was there, nothing was fetched.
    """

    verified: str
    size: int
    fetched_bytes: int
    sources: tuple[str, ...]
    restarts: int = 0
    already: bool = False


@dataclass(frozen=True)
class TransferProgress:
    """``phase``: ``waiting`` (another instance has the file), ``fetch``, ``verify``, ``done``.

    ``done_bytes`` are on disk; they go back only when ``restarts`` goes up. ``received_bytes`` came over the
    network in this run, ``checked_bytes`` are hashed. ``sources`` bytes come from now; ``notice``: what stands in the
    way just now.
    """

    phase: str
    done_bytes: int
    size: int | None
    received_bytes: int = 0
    sources: tuple[str, ...] = ()
    restarts: int = 0
    notice: Reason | None = None
    checked_bytes: int = 0


Report = Callable[[TransferProgress], None]


def part_of(target: Path) -> Path:
    """Where a file grows until it is complete."""
    return target.with_name(target.name + ".part")


def journal_of(target: Path) -> Path:
    """The journal of an unfinished file."""
    return target.with_name(target.name + ".part.json")


def lock_of(target: Path) -> Path:
    return target.with_name(target.name + ".part.lock")
