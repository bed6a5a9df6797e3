"""Installing an engine environment: a venv, the described attempts in order, visibly and cancellably.

pip chooses, builds and installs (the one of this application's own environment, told by ``--python`` to work on the new
one), so that an environment needs no pip or ensurepip of its own. The files come by ``wheels``; where that is not
possible, pip fetches them itself.
"""

from __future__ import annotations

import errno
import logging
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from ..core.environment_choice import obstacle
from ..core.errors import EngineError
from ..core.machine import Machine
from ..store.locks import held
from . import index_login, install_run
from .environments import Attempt, Description, Environments, Record, environment_python
from .install_options import (
    KINDS,
    attempts_for,
    compiler_missing,
    first_options,
    index_for,
    pip_options,
    platform_tag,
    this_place,
)
from .install_run import DROP, KEEP
from .pip_output import InstallProgress, LeaveToPip, Report, disk_full, no_match, offline, parse_line, summary
from .wheels import Unresolved, Wheels

__all__ = [
    "InstallProgress",
    "Installer",
    "Report",
    "attempts_for",
    "compiler_missing",
    "locked",
    "pip_options",
    "this_place",
]

log = logging.getLogger(__name__)

MB = 1_000_000


@dataclass(frozen=True)
class _Job:
    """One attempt that is being made."""

    kind: str
    description: Description
    folder: Path
    report: Report
    index: index_login.Index


class Installer:
    """Installs environments, one process at a time. ``pip`` is the command line that stands for ``python -m pip``;
    ``cache`` holds what is fetched until it is installed, in a folder for each environment."""

    def __init__(
        self, environments: Environments, log_folder: Path, cache: Path, pip: Sequence[str] | None = None
    ) -> None:
        self._environments = environments
        self._log_file = log_folder / "install.log"
        self._cache = cache
        self._pip = list(pip) if pip is not None else [sys.executable, "-m", "pip"]

    async def install(
        self, name: str, report: Report, kinds: tuple[str, ...] = KINDS, machine: Machine | None = None
    ) -> None:
        """Install an environment by attempts of ``kinds``, in their order; cancelling the task stops everything it
        started. The environment is there or not; what was fetched is kept for the next try. ``machine``: whose cards
        it is for, where that matters.

        Raises EngineError (engine_not_here, engine_no_compiler, engine_no_network, disk_full_install,
        engine_install_failed …), TransferError (download_corrupt …), AppError (disk_full …).
        """
        description = self._environments.describe(name)
        place = this_place(machine or Machine())
        against = obstacle(place, description.candidate)
        if against is not None:
            raise EngineError("engine_not_here", name=name, why=against)
        attempts = attempts_for(description, place, kinds)
        folder = self._environments.path(name)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError("folder_not_writable", path=str(folder.parent), detail=str(error)) from error
        try:
            async with locked(folder.with_name(name + ".lock"), report):
                if self._environments.find(name) is None:  # else another instance has done it meanwhile
                    await self._install(description, folder, report, attempts)
        except OSError as error:
            code = "disk_full_install" if error.errno == errno.ENOSPC else "engine_install_failed"
            values = {"detail": str(error), "log": str(self._log_file), "needed": description.installed_mb}
            raise EngineError(code, name=name, **values) from error

    async def _install(
        self, description: Description, folder: Path, report: Report, attempts: Sequence[Attempt]
    ) -> None:
        finished = False
        self._room(description, folder, 0)
        try:
            await self._create(folder, report)
            version, kind = await self._try(attempts, description, folder, report)
            self._environments.write(Record(description.name, version, made_by=kind), own=False)
            finished = True
        finally:
            if not finished:
                shutil.rmtree(folder, ignore_errors=True)

    async def _create(self, folder: Path, report: Report) -> None:
        report(InstallProgress("venv", None, str(folder)))
        shutil.rmtree(folder, ignore_errors=True)
        ended = await self._run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        if ended.status:
            raise self._failed(folder.name, summary(ended.lines))

    async def _try(
        self, attempts: Sequence[Attempt], description: Description, folder: Path, report: Report
    ) -> tuple[str, str]:
        """The version that is installed then, and the kind of the attempt that did it."""
        failures: list[list[str]] = []
        no_compiler = False
        for attempt in attempts:
            if attempt.kind == "source" and compiler_missing():
                no_compiler = True
                continue
            report(InstallProgress("fetch", None, description.distribution))
            lines = await self._attempt(attempt, description, folder, report)
            if lines is None:
                return await self._version(folder, description), attempt.kind
            log.warning("%s by %s failed: %s", description.name, attempt.kind, summary(lines))
            failures.append(lines)
        if no_compiler and not (failures and offline(failures[-1])):
            raise EngineError("engine_no_compiler", name=description.name)
        raise self._failure(
            description, failures
        )  # with a network there might be a wheel, and no need of a compiler

    async def _attempt(
        self, attempt: Attempt, description: Description, folder: Path, report: Report
    ) -> list[str] | None:
        """None where it worked, else the last lines of pip's output."""
        netrc = self._cache / f"{description.name}.netrc"
        with index_login.for_pip(index_for(description, attempt), netrc) as index:
            return await self._pip_attempt(attempt, description, folder, report, index)

    async def _pip_attempt(
        self,
        attempt: Attempt,
        description: Description,
        folder: Path,
        report: Report,
        index: index_login.Index,
    ) -> list[str] | None:
        job = _Job(attempt.kind, description, folder, report, index)
        beside = index.address
        if attempt.first:
            options, settings = first_options(index.address)
            lines = await self._step(job, options, attempt.first, {**index.settings, **settings})
            if lines is not None:
                return lines
            beside = attempt.extra_index
        settings = dict(index.settings)
        if attempt.cmake_args:
            settings["CMAKE_ARGS"] = attempt.cmake_args
        packages = (*attempt.first, *description.packages, *attempt.packages)
        return await self._step(job, pip_options(description, attempt, beside), packages, settings)

    async def _step(
        self, job: _Job, options: list[str], packages: Sequence[str], settings: dict[str, str]
    ) -> list[str] | None:
        """One call of pip and what goes before it. None where it worked, else the last lines of pip's output."""
        name, python = job.description.name, environment_python(job.folder)
        wheels = Wheels(
            name, self._pip, python, self._cache / name, self._log_file, job.report,
            lambda coming: self._room(job.description, job.folder, coming), job.index.login,
        )  # fmt: skip
        try:
            arguments = await wheels.gather(options, packages, settings)
        except Unresolved as error:
            if any(known(error.lines) for known in (offline, no_match, disk_full)):
                return error.lines
            log.warning("%s: pip does it all, as it did not resolve: %s", name, summary(error.lines))
            arguments = [*options, *packages]
        except LeaveToPip as error:
            log.warning("%s: pip does it all: %s", name, error)
            arguments = [*options, *wheels.at_hand(), *packages]
        ended = await self._run([*self._pip, "--python", str(python), *arguments], settings, job.report)
        if ended.status:
            return ended.lines
        wheels.clear(keep_sources=job.kind == "source")
        return None

    def _room(self, description: Description, folder: Path, coming: int) -> None:
        """``coming``: bytes that will be fetched. Raises EngineError(disk_full_install)."""
        if description.installed_mb is None:
            return
        needed = description.installed_mb + coming // MB
        if shutil.disk_usage(folder.parent).free < needed * MB:
            raise EngineError("disk_full_install", name=description.name, needed=needed)

    def _failure(self, description: Description, failures: list[list[str]]) -> EngineError:
        last = failures[-1] if failures else []
        if offline(last):
            return EngineError("engine_no_network", name=description.name)
        if disk_full(last):
            return EngineError("disk_full_install", name=description.name, needed=description.installed_mb)
        return self._failed(description.name, summary(last) if failures else platform_tag())

    def _failed(self, name: str, detail: str) -> EngineError:
        return EngineError("engine_install_failed", name=name, detail=detail, log=str(self._log_file))

    async def _version(self, folder: Path, description: Description) -> str:
        code = f"import importlib.metadata as m; print(m.version({description.distribution!r}))"
        ended = await self._run([str(environment_python(folder)), "-I", "-c", code])
        if ended.status or not ended.lines:
            raise self._failed(description.name, summary(ended.lines))
        return ended.lines[-1].strip()

    async def _run(
        self, command: Sequence[str], settings: dict[str, str] | None = None, report: Report | None = None
    ) -> install_run.Ended:
        def look(line: str) -> str:
            progress = parse_line(line)
            if progress is not None and report is not None:
                report(progress)
            return KEEP if progress is None or progress.fraction is None else DROP

        return await install_run.run(command, settings or {}, self._log_file, look)


def locked(path: Path, report: Report) -> AbstractAsyncContextManager[None]:
    """Hold a lock file; wait, cancellably and visibly, while another instance holds it. Raises OSError."""
    return held(path, lambda: report(InstallProgress("wait", None, "")))
