"""Who holds memory of an NVIDIA card: names without folders and arguments, our own processes told apart."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence

import psutil

from ..core.gpu_states import OWN_PROGRAM
from ..core.machine import GpuProcess

ENGINE_MARKS = (
    re.compile(r"autoglm_desktop[\\/]engine[\\/]__main__\.py$"),
    re.compile(r"^--engine-process$"),
)
"""How an engine is started (host.command); also one of another window of this program."""
MOST_ARGUMENTS = 12
LONGEST_NAME = 100


def merge_processes(
    entries: Iterable[tuple[int, int | None]],
    name_of: Callable[[int], str | None],
    is_own: Callable[[int], bool] = lambda pid: False,
) -> tuple[GpuProcess, ...]:
    """One entry per process (a process can be in both lists), the largest first; own ones as OWN_PROGRAM."""
    memory: dict[int, int | None] = {}
    for pid, used in entries:
        before = memory.get(pid)
        memory[pid] = used if before is None else before if used is None else max(before, used)
    named = [
        GpuProcess(OWN_PROGRAM if is_own(pid) else program_name(name_of(pid)), used)
        for pid, used in memory.items()
    ]
    return tuple(sorted(named, key=lambda item: (-(item.memory_bytes or 0), item.name or "")))


def program_name(command: str | None) -> str | None:
    """The program alone: folders and arguments can be private."""
    program = re.split(r"\s+--?\w", (command or "").strip(), maxsplit=1)[0]
    name = re.split(r"[\\/]", program.rstrip("\\/"))[-1]
    # A process can call itself anything, also what steers a terminal.
    return "".join(c if c.isprintable() else " " for c in name).strip()[:LONGEST_NAME] or None


def is_own_process(pid: int) -> bool:
    """Whether a process is this one, one that it started, or an engine of this program.

    In a container the driver may tell the host's numbers, which are nobody's here: then no process is own.
    """
    if pid == os.getpid():
        return True
    try:
        process = psutil.Process(pid)
        if is_engine(process.cmdline()):
            return True
        return any(parent.pid == os.getpid() for parent in process.parents())
    except (psutil.Error, OSError, ValueError, OverflowError):
        return False


def is_engine(arguments: Sequence[str]) -> bool:
    """Whether a command line is that of an engine of this program."""
    return any(mark.search(argument) for argument in arguments[:MOST_ARGUMENTS] for mark in ENGINE_MARKS)
