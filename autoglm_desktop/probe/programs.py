"""Which programs of this user hold the most RAM: names alone, no folders, no arguments."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from ..core.gpu_states import OWN_PROGRAM
from ..core.machine import Program
from ..core.units import MIB
from .nvidia_processes import is_engine

LEAST_BYTES = 100 * MIB
MOST_PROGRAMS = 8
LIMIT_S = 1.0
"""What is not asked by then is left out: a check must not wait for it."""
RUNNERS = re.compile(
    r"(python|pypy|node|ruby|perl|java|wine|mono|dotnet|electron|bash|sh$|zsh|qemu)", re.IGNORECASE
)
"""Programs that run others, whose own name tells nothing."""


@dataclass(frozen=True)
class Process:
    """One process of this user; ``memory_bytes``: what becomes free when it ends."""

    pid: int
    name: str
    memory_bytes: int
    engine: bool = False


def probe_programs(processes: Callable[[], Iterable[Process]] | None = None) -> tuple[Program, ...]:
    """The largest programs, each once with all its processes; this program's engines as OWN_PROGRAM."""
    return merged((processes or _processes)())


def merged(processes: Iterable[Process]) -> tuple[Program, ...]:
    """By name, the largest first; this process itself is none of them."""
    sums: dict[str, int] = {}
    for one in processes:
        if one.pid != os.getpid():
            name = OWN_PROGRAM if one.engine else one.name
            sums[name] = sums.get(name, 0) + one.memory_bytes
    large = [Program(name, total) for name, total in sums.items() if total >= LEAST_BYTES]
    found = sorted(large, key=lambda one: (-(one.memory_bytes or 0), one.name or ""))
    own = [one for one in found if one.name == OWN_PROGRAM]
    others = [one for one in found if one.name != OWN_PROGRAM]
    return (*own, *others[: MOST_PROGRAMS - len(own)])


def _processes() -> Iterator[Process]:
    """This user's, as far as they can be asked in time."""
    is_mine = _users()
    ends = time.monotonic() + LIMIT_S
    for process in psutil.process_iter():
        if time.monotonic() >= ends:
            return
        try:
            with process.oneshot():
                held = private_bytes(process.memory_info())
                if held >= MIB and is_mine(process):
                    engine = held >= LEAST_BYTES and is_engine(process.cmdline())
                    yield Process(process.pid, _name(process), held, engine)
        except (psutil.Error, OSError, ValueError):
            continue


def _users() -> Callable[[psutil.Process], bool]:
    """Whether a process is of this user. Windows may have to ask a server for a user's name: once for each program."""
    if sys.platform != "win32":
        mine = os.getuid()
        return lambda process: process.uids().real == mine
    me, known = psutil.Process().username(), dict[str, bool]()

    def is_mine(process: psutil.Process) -> bool:
        name = process.name()
        if name not in known:
            known[name] = process.username() == me
        return known[name]

    return is_mine


def _name(process: psutil.Process) -> str:
    """The program's: children of browsers name themselves after what they show, and runners after nothing."""
    name = str(process.name())
    if sys.platform == "win32":
        return name
    try:
        program: str = os.path.basename(process.exe())  # noqa: PTH119 - a name of another system's file, no path of ours
    except (psutil.Error, OSError):
        return name
    return name if not program or RUNNERS.match(program) else program.removesuffix(" (deleted)")


def private_bytes(info: Any) -> int:
    """What no other process shares, of what lies in RAM. ``info``: as ``psutil.Process.memory_info`` tells it.

    Linux: resident less files and shared memory. Windows: the working set, but no more than what is its own. macOS
    tells what is resident alone.
    """
    private = getattr(info, "private", None)
    if private is not None:
        return int(min(info.rss, private))
    return int(max(info.rss - getattr(info, "shared", 0), 0))
