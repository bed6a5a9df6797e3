"""The programs that an installation runs: their environment, output and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import win_job

LAST_LINES = 400
KEEP, DROP, STOP = "keep", "drop", "stop"
Look = Callable[[str], str]


@dataclass(frozen=True)
class Ended:
    """How a program ended. ``lines``: the last ones of its output; ``stopped``: somebody here ended it."""

    status: int
    lines: list[str]
    stopped: bool = False


def keep(_line: str) -> str:
    return KEEP


async def run(
    command: Sequence[str], settings: Mapping[str, str], log_file: Path | None, look: Look = keep
) -> Ended:
    """Run a program to its end. Cancelling kills all it started.

    ``look`` judges each line of its output: KEEP it, DROP it (it is not logged), or STOP the program.
    ``log_file`` None: neither the command nor its output is logged.
    """
    installs = install_log(log_file) if log_file is not None else None
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**outside_variables(), **settings, "PYTHONUNBUFFERED": "1"},
        start_new_session=os.name == "posix",
        creationflags=win_job.NO_WINDOW,
    )
    job = win_job.contain(process.pid)
    lines: list[str] = []
    done = False
    try:
        if installs is not None:
            installs.info("$ %s", without_secrets(" ".join(command)))
        async for line in lines_of(process):
            judged = look(line)
            if judged != DROP:
                line = without_secrets(line)
                lines = [*lines[1 - LAST_LINES :], line]
                if installs is not None:
                    installs.info("%s", line)
            if judged == STOP:
                return Ended(-1, lines, stopped=True)
        status = await process.wait()
        done = True
        return Ended(status, lines)
    finally:
        if not done:
            if os.name == "posix":
                kill_session(process.pid)
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    process.kill()
                win_job.release(job)
                job = None
            await process.wait()
        win_job.release(job)


def outside_variables() -> dict[str, str]:
    """The user's variables without those that would let packages from elsewhere count as installed."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def kill_session(leader: int) -> None:
    """Kill every process of a session: ninja gives each compiler a process group of its own."""
    for _round in range(20):  # what was started while we looked is met in the next round
        alive = False
        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
                if os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    os.kill(pid, signal.SIGKILL)
                    alive = True
        if not alive:
            return


def without_secrets(text: str) -> str:
    """Addresses without the user and password that an index may carry, and without a query (signed links)."""
    text = re.sub(r"://[^/\s]+@", "://***@", text)
    return re.sub(r"(https?://[^\s?\"'#]+)\?[^\s\"'#)]+", r"\1?***", text)


def install_log(path: Path) -> logging.Logger:
    """A logger that writes to install.log alone (pip's output would drown the application's log)."""
    logger = logging.getLogger(f"{__name__}.output.{path}")
    if not logger.handlers:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=4_000_000, backupCount=1, encoding="utf-8"
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return logger


async def lines_of(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    buffer = b""
    while data := await process.stdout.read(65536):
        *whole, buffer = (buffer + data.replace(b"\r", b"\n")).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip()
    if buffer:
        yield buffer.decode("utf-8", "replace").rstrip()
