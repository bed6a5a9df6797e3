"""The programs that an installation runs: their environment, output and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil


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
    """Addresses without the user and password that an index may carry."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


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
