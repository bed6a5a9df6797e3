"""Making the environment and filling it with pip."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import pip, venvs, wheel
from .child import run_quietly
from .plan import CreateEnvironment, Install

# Given by the user's shell or pip.conf these would install past the environment.
_PIP_ENVIRONMENT = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONIOENCODING": "utf-8",
}
_RAW_PROGRESS_SINCE = (24, 1)
_ABOUT = (
    "import json, sys, sysconfig;"
    "print(json.dumps([getattr(sys, '_base_executable', sys.executable), sysconfig.get_path('purelib'),"
    "sys.version_info[:3]]))"
)


@dataclass(frozen=True)
class Installer:
    """Carries out the steps for one environment. Children inherit the descriptors ``keep`` (the lock)."""

    checkout: Path
    report: Callable[[pip.Progress], None]
    keep: tuple[int, ...] = ()
    python: str = sys.executable

    def create(self, step: CreateEnvironment, offline: str | None) -> None:
        folder = Path(step.folder)
        log = folder / venvs.LOG
        venvs.begin(folder, step.replace)
        for method in step.methods:
            if self._run(self._creator(method, folder), log) == 0 and venvs.interpreter(folder).is_file():
                if method == "wheel":
                    self._add_pip(folder, offline)
                return
        raise pip.InstallError(_failure(log), log)

    def install(self, step: Install, wanted: str) -> None:
        """Bring the environment to the fingerprint ``wanted``."""
        folder = Path(step.folder)
        log = folder / venvs.LOG
        before = venvs.read_stamp(folder)
        if before and before.ready:
            log.write_text("", "utf-8")
        venvs.begin(folder, replace=False)
        if not self._has_pip(folder):
            self._add_pip(folder, step.offline)
        reader = pip.Reader()

        def on_line(line: str) -> None:
            if progress := reader.read(line):
                self.report(progress)

        if self._run(self._pip_command(folder, step), log, on_line) != 0:
            text = log.read_text("utf-8")
            if before and before.ready and pip.INSTALLING_LINE not in text:
                # Nothing was changed yet: the environment is as good as it was.
                venvs.write_stamp(folder, before)
            raise pip.InstallError(pip.explain(text, step.offline is not None), log)
        venvs.finish(folder, self.checkout, wanted, self._about(folder, log))

    def _creator(self, method: str, folder: Path) -> list[str]:
        if method == "virtualenv":
            program = shutil.which("virtualenv")
            start = [program, "--python", self.python] if program else [self.python, "-m", "virtualenv"]
            return [*start, str(folder)]
        return [self.python, "-m", "venv", *(["--without-pip"] if method == "wheel" else []), str(folder)]

    def _pip_command(self, folder: Path, step: Install) -> list[str]:
        version = _pip_version(folder)
        target = f".[{step.extra}]" if step.extra else "."
        return [
            str(venvs.interpreter(folder)),
            *("-m", "pip", "install", "--progress-bar", "raw" if version >= _RAW_PROGRESS_SINCE else "off"),
            *(("--no-index", "--find-links", str(Path(step.offline).resolve())) if step.offline else ()),
            *(("-e", target) if step.editable else (target,)),
        ]

    def _has_pip(self, folder: Path) -> bool:
        return bool(_pip_version(folder))

    def _add_pip(self, folder: Path, offline: str | None) -> None:
        log = folder / venvs.LOG
        python = venvs.interpreter(folder)
        try:
            found = wheel.in_folder(Path(offline)) if offline else wheel.fetch(folder, sys.version_info[:3])
        except (OSError, ValueError) as error:
            raise pip.InstallError(pip.Failure("network", "pip", "", str(error)), log) from error
        if found is None:
            raise pip.InstallError(pip.Failure("missing", "pip", "", ""), log)
        command = [str(python), f"{found}/pip", "install", "--no-index", str(found)]
        if self._run(command, log) != 0:
            raise pip.InstallError(_failure(log), log)
        if not offline:
            found.unlink()

    def _about(self, folder: Path, log: Path) -> venvs.About:
        lines: list[str] = []
        if self._run([str(venvs.interpreter(folder)), "-c", _ABOUT], log, lines.append) != 0:
            raise pip.InstallError(_failure(log), log)
        base, site, python = json.loads(lines[-1])
        return venvs.About(base, site, tuple(python))

    def _run(self, command: list[str], log: Path, on_line: Callable[[str], None] = lambda line: None) -> int:
        environ = {**os.environ, **_PIP_ENVIRONMENT}
        return run_quietly(command, log, on_line, folder=self.checkout, environ=environ, keep=self.keep)


def _pip_version(folder: Path) -> tuple[int, ...]:
    """The version of pip in an environment; empty where there is none."""
    for site in (folder / "Lib" / "site-packages", *folder.glob("lib/python*/site-packages")):
        for entry in site.glob("pip-*.dist-info"):
            found = re.match(r"pip-(\d+)\.(\d+)", entry.name)
            if found and (site / "pip").is_dir():
                return int(found[1]), int(found[2])
    return ()


def _failure(log: Path) -> pip.Failure:
    return pip.explain(log.read_text("utf-8"), offline=False)
