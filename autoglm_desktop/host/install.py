"""Installing an engine environment: a venv, the described attempts in order, visibly and cancellably.

pip does the fetching and building (of this application's own environment, told by ``--python`` to work on the new
one), so that an environment needs no pip or ensurepip of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import platform
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import EngineError
from . import win_job
from .environments import Attempt, Description, Environments, Record, environment_python
from .install_run import install_log, kill_session, lines_of, outside_variables, without_secrets

log = logging.getLogger(__name__)

_STEP = re.compile(r"\[\s*(\d+)/(\d+)\]")  # ninja
_RAW = re.compile(r"^Progress (\d+) of (\d+)")  # pip --progress-bar=raw
_SHOWN = re.compile(
    r"^\s*(Collecting|Downloading|Building wheel|Installing|Preparing metadata|Using cached)\b.*"
)
_ERROR = re.compile(r"^\s*(ERROR|error|CMake Error|fatal error|\*\*\*)[: ]")
COMPILERS = ("c++", "g++", "clang++")
LOCK_POLL_S = 0.3


@dataclass(frozen=True)
class InstallProgress:
    """What is being done: ``stage`` wait | venv | fetch | build | install | self_test, ``fraction`` 0–1 or None."""

    stage: str
    fraction: float | None
    detail: str


Report = Callable[[InstallProgress], None]


def platform_tag() -> str:
    """``linux-x86_64``, ``windows-amd64``, ``macos-arm64`` …"""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{system}-{platform.machine().lower()}"


def attempts_for(description: Description, tag: str) -> tuple[Attempt, ...]:
    """The attempts that are meant for a platform, in order."""
    return tuple(a for a in description.attempts if "*" in a.platforms or tag in a.platforms)


def pip_arguments(description: Description, attempt: Attempt, override: str | None) -> list[str]:
    """pip's arguments for an attempt. ``override``: the user's index for this environment (address or folder)."""
    arguments = ["install", "--no-input", "--disable-pip-version-check", "--progress-bar=raw", "-v"]
    index = override or attempt.extra_index
    if index and Path(index).is_dir():
        arguments += ["--find-links", index]
    elif index:
        arguments += ["--extra-index-url", index]
    if attempt.kind == "wheel":
        arguments += ["--only-binary", description.distribution]
    return [*arguments, *description.packages]


def compiler_missing(which: Callable[[str], str | None] = shutil.which) -> bool:
    """Whether no C++ compiler can be found (POSIX; on Windows CMake looks for Visual Studio itself)."""
    if os.name == "nt":
        return False
    return not (os.environ.get("CXX") or any(which(name) for name in COMPILERS))


class Installer:
    """Installs environments, one process at a time. ``pip`` is the command line that stands for ``python -m pip``."""

    def __init__(
        self, environments: Environments, log_folder: Path, pip: Sequence[str] | None = None
    ) -> None:
        self._environments = environments
        self._log_folder = log_folder
        self._pip = list(pip) if pip is not None else [sys.executable, "-m", "pip"]

    async def install(self, name: str, report: Report, kinds: tuple[str, ...] = ("wheel", "source")) -> None:
        """Install an environment by attempts of ``kinds``; cancelling the task stops everything it started and
        leaves nothing half done.

        Raises EngineError (engine_no_compiler, engine_no_network, engine_install_failed, …).
        """
        description = self._environments.describe(name)
        folder = self._environments.path(name)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError("folder_not_writable", path=str(folder.parent), detail=str(error)) from error
        try:
            async with locked(folder.with_name(name + ".lock"), report):
                if self._environments.find(name) is None:  # else another instance has done it meanwhile
                    await self._install(description, folder, report, kinds)
        except OSError as error:
            code = "disk_full_install" if error.errno == errno.ENOSPC else "engine_install_failed"
            values = {"detail": str(error), "log": self._log(), "needed": description.installed_mb}
            raise EngineError(code, name=name, **values) from error

    async def _install(
        self, description: Description, folder: Path, report: Report, kinds: tuple[str, ...]
    ) -> None:
        finished = False
        try:
            await self._create(folder, report)
            attempts = [a for a in attempts_for(description, platform_tag()) if a.kind in kinds]
            version, kind = await self._try(attempts, description, folder, report)
            self._environments.write(Record(description.name, version, made_by=kind), own=False)
            finished = True
        finally:
            if not finished:
                shutil.rmtree(folder, ignore_errors=True)

    async def _create(self, folder: Path, report: Report) -> None:
        report(InstallProgress("venv", None, str(folder)))
        shutil.rmtree(folder, ignore_errors=True)
        code, lines = await self._run([sys.executable, "-m", "venv", "--without-pip", str(folder)], {}, None)
        if code:
            raise EngineError(
                "engine_install_failed", name=folder.name, detail=_summary(lines), log=self._log()
            )

    async def _try(
        self, attempts: Sequence[Attempt], description: Description, folder: Path, report: Report
    ) -> tuple[str, str]:
        """The version that is installed then, and the kind of the attempt that did it."""
        failures: list[list[str]] = []
        for attempt in attempts:
            if attempt.kind == "source" and compiler_missing():
                if failures and _offline(failures[-1]):
                    break  # with a network there might be a wheel, and no need of a compiler
                raise EngineError("engine_no_compiler", name=description.name)
            report(InstallProgress("fetch", None, description.distribution))
            override = os.environ.get("AUTOGLM_INDEX_" + description.name.upper().replace("-", "_"))
            command = [*self._pip, "--python", str(environment_python(folder))]
            command += pip_arguments(description, attempt, override)
            settings = {"CMAKE_ARGS": attempt.cmake_args} if attempt.cmake_args else {}
            code, lines = await self._run(command, settings, report)
            if code == 0:
                return await self._version(folder, description), attempt.kind
            log.warning("%s by %s failed: %s", description.name, attempt.kind, _summary(lines))
            failures.append(lines)
        raise self._failure(description, failures)

    def _failure(self, description: Description, failures: list[list[str]]) -> EngineError:
        last = failures[-1] if failures else []
        if _offline(last):
            return EngineError("engine_no_network", name=description.name)
        if any("No space left on device" in line for line in last):
            return EngineError("disk_full_install", name=description.name, needed=description.installed_mb)
        detail = _summary(last) if failures else platform_tag()
        return EngineError("engine_install_failed", name=description.name, detail=detail, log=self._log())

    async def _version(self, folder: Path, description: Description) -> str:
        code = f"import importlib.metadata as m; print(m.version({description.distribution!r}))"
        command = [str(environment_python(folder)), "-I", "-c", code]
        status, lines = await self._run(command, {}, None)
        if status or not lines:
            raise EngineError(
                "engine_install_failed", name=description.name, detail=_summary(lines), log=self._log()
            )
        return lines[-1].strip()

    def _log(self) -> str:
        return str(self._log_folder / "install.log")

    async def _run(
        self, command: Sequence[str], settings: dict[str, str], report: Report | None
    ) -> tuple[int, list[str]]:
        """Run to the end, output into the log; (exit status, last lines). Cancelling kills all it started."""
        installs = install_log(self._log_folder / "install.log")
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
        try:
            installs.info("$ %s", without_secrets(" ".join(command)))
            async for line in lines_of(process):
                progress = parse_line(line)
                if progress is None or progress.fraction is None:
                    installs.info("%s", line)
                    lines = [*lines[-399:], line]
                if progress is not None and report is not None:
                    report(progress)
            return await process.wait(), lines
        except BaseException:
            if os.name == "posix":
                kill_session(process.pid)
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    process.kill()
                win_job.release(job)
                job = None
            await process.wait()
            raise
        finally:
            win_job.release(job)


@contextlib.asynccontextmanager
async def locked(path: Path, report: Report) -> AsyncIterator[None]:
    """Hold a lock file; wait, cancellably, while another instance holds it. Raises OSError."""
    lock = FileLock(str(path))
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            report(InstallProgress("wait", None, ""))
            await asyncio.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()


def _offline(lines: Sequence[str]) -> bool:
    marks = ("NewConnectionError", "Temporary failure in name resolution", "ConnectTimeoutError",
             "Connection refused", "getaddrinfo failed", "Network is unreachable")  # fmt: skip
    return any(mark in line for line in lines for mark in marks)


def parse_line(line: str) -> InstallProgress | None:
    """What a line of pip's output says of the progress, if anything."""
    raw = _RAW.match(line)
    if raw and int(raw[2]) > 0:
        return InstallProgress("fetch", int(raw[1]) / int(raw[2]), "")
    step = _STEP.search(line)
    if step and int(step[2]) > 0:
        return InstallProgress("build", int(step[1]) / int(step[2]), "")
    shown = _SHOWN.match(line)
    if shown:
        stages = {"Building wheel": "build", "Preparing metadata": "build", "Installing": "install"}
        return InstallProgress(stages.get(shown[1], "fetch"), None, line.strip()[:120])
    return None


def _summary(lines: Sequence[str]) -> str:
    """The line of pip's output that says most."""
    errors = [line.strip() for line in lines if _ERROR.match(line)]
    told = errors or [line.strip() for line in lines if line.strip()]
    return told[-1][:300] if told else ""
