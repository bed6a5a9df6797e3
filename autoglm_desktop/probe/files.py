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


def whole_lines(text: str) -> list[str]:
    """The lines of a text but for one that has no end: it was cut off, and half a number is another number."""
    return text[: text.rfind("\n") + 1].splitlines()


def parse_cpu_list(text: str | None) -> frozenset[int]:
    """CPU numbers from the kernel's list format: ``0-3,8``. Malformed items are left out."""
    cpus: set[int] = set()
    for item in (text or "").replace("\0", "").strip().split(","):
        first, dash, last = item.strip().partition("-")
        if is_cpu(first) and (is_cpu(last) or not dash):
            cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def is_cpu(text: str) -> bool:
    """Whether a text is a CPU's number; no machine has a million of them."""
    return text.isascii() and text.isdecimal() and len(text) < 6


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
