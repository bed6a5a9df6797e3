"""Small reads and calls that every probe needs. What isn't there is ``None``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MAX_READ = 1 << 20


def read_text(path: Path, limit: int = MAX_READ) -> str | None:
    """The beginning of a text file (``limit`` bytes), or None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def read_int(path: Path) -> int | None:
    """A whole number from a file of /proc or /sys, or None."""
    return parse_int(read_text(path, 64))


def parse_int(text: str | None) -> int | None:
    """A whole number, decimal or with 0x; None for anything else."""
    try:
        return int((text or "").strip(), 0)
    except ValueError:
        return None


def parse_cpu_list(text: str | None) -> frozenset[int]:
    """CPU numbers from the kernel's list format: ``0-3,8``. Malformed items are left out."""
    cpus: set[int] = set()
    for item in (text or "").replace("\0", "").strip().split(","):
        first, dash, last = item.strip().partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash):
            low, high = int(first), int(last or first)
            if high < 1 << 16:
                cpus.update(range(low, high + 1))
    return frozenset(cpus)


def run_text(command: Sequence[str], timeout_s: float) -> str | None:
    """What a system tool prints, or None where it is missing, fails or takes longer than ``timeout_s``."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            creationflags=flags,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
