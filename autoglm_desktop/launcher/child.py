"""Child processes that end with the launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

_GRACE_SECONDS = 5.0


def interrupt_on_terminate() -> None:
    """SIGTERM ends a set-up like Ctrl-C. A program that takes this one's place has its own handlers."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def run_quietly(
    command: Sequence[str],
    log: Path,
    on_line: Callable[[str], None] = lambda line: None,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    keep: tuple[int, ...] = (),
) -> int:
    """Run a command and return its exit status. Its output goes to ``on_line`` and is added to ``log``.

    The child has its own process group: Ctrl-C reaches it through here, with everything that it has started.
    ``keep`` are descriptors that it inherits.
    """
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            env=environ,
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            pass_fds=keep if sys.platform != "win32" else (),
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    on_line(line)
            return process.wait()
        finally:
            _end_tree(process)


def run_visibly(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    on_stderr: bool = False,
) -> int:
    """Run a command on this terminal and return its exit status; it gets Ctrl-C from the terminal itself.

    ``on_stderr``: it only tells of its progress, and stdout is kept for the application.
    """
    stdin, stdout = (subprocess.DEVNULL, 2) if on_stderr else (None, None)
    process = subprocess.Popen(command, cwd=folder, env=environ, stdin=stdin, stdout=stdout)
    try:
        return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(_GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.terminate()
            process.wait()
        raise


def _end_tree(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
        process.wait()
        return
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        # What is left of its group.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def become(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Go on as ``command``: this process is replaced, on Windows it waits and passes the exit status on."""
    if sys.platform != "win32":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], list(command), dict(environ))
    process = subprocess.Popen(command, env=environ)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The console has sent it to the child as well; its answer counts.
            continue
