"""Carrying out what comes before the start: system packages, the environment, pip."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from . import child, texts, venvs
from .facts import Facts, Request
from .gather import gather
from .install import Installer
from .lock import locked
from .outcome import Stop, say
from .pip import InstallError, Progress
from .plan import CreateEnvironment, Install, Step, SystemPackages, UseDataFolder, plan

_LARGE_BYTES = 5 * 10**6


class Reporter:
    """One line that changes on a terminal; elsewhere a line for each phase and each large file."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = ""
        self._key = ("", "")

    def __call__(self, step: Progress) -> None:
        text = texts.progress(step)
        if self._terminal:
            if text != self._shown:
                sys.stderr.write(f"\r\033[K{text}")
                sys.stderr.flush()
            self._shown = text
            return
        if step.phase == "collect":
            return
        key = (step.phase, step.name if step.phase in ("download", "build") else "")
        if key != self._key and (step.phase != "download" or step.file_bytes >= _LARGE_BYTES):
            self._key = key
            say(text)

    def close(self) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            self._shown = ""


@dataclass(frozen=True)
class Work:
    checkout: Path
    request: Request
    language: str

    def facts(self) -> Facts:
        return gather(self.checkout, self.request, self.language)

    def plan(self, facts: Facts) -> tuple[Step, ...]:
        return plan(facts, self.request)


def set_up(work: Work, facts: Facts) -> tuple[Facts, tuple[Step, ...]]:
    """Do all but the last step of the plan; returns the facts it was made from and the plan. Raises Stop."""
    folder = Path(facts.folder)
    steps = work.plan(facts)
    try:
        if not any(isinstance(step, Install) for step in steps):
            _carry_out(work, facts, steps, ())
            return facts, steps
        lock_file = folder.parent / f".launch-{folder.name.lstrip('.')}.lock"
        with locked(lock_file, lambda: say(texts.waiting())) as lock:
            # Another start may have done the work meanwhile.
            facts = work.facts()
            steps = work.plan(facts)
            _carry_out(work, facts, steps, (lock,))
    except InstallError as error:
        helping = next((step.commands for step in steps if isinstance(step, CreateEnvironment)), ())
        raise Stop(texts.failed(error, helping)) from error
    except OSError as error:
        raise Stop(
            texts.system_error(error.filename or facts.folder, error.strerror or str(error))
        ) from error
    return facts, steps


def _carry_out(work: Work, facts: Facts, steps: tuple[Step, ...], keep: tuple[int, ...]) -> None:
    reporter = Reporter()
    installer = Installer(work.checkout, reporter, keep)
    try:
        for step in steps[:-1]:
            if isinstance(step, UseDataFolder):
                say(texts.data_folder(step))
            elif isinstance(step, SystemPackages):
                _system_packages(step, facts)
            elif isinstance(step, CreateEnvironment):
                say(texts.creating(step))
                installer.create(step, work.request.offline)
            elif isinstance(step, Install):
                say(texts.installing(step))
                installer.install(step, venvs.fingerprint(work.checkout, step.editable))
    finally:
        reporter.close()


def _system_packages(step: SystemPackages, facts: Facts) -> None:
    """Install them where it may; where it may not, or it fails, say the exact command."""
    if not step.may:
        say(texts.packages_told(step))
        return
    say(texts.packages_run(step, sudo=not facts.root))
    prefix = () if facts.root else ("sudo", "-n")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    status = 1
    for command in step.commands:
        status = child.run_visibly([*prefix, *command], environ=environ, on_stderr=True)
    if status == 0:
        return
    if step.required:
        raise Stop(texts.packages_failed(step))
    say(texts.packages_failed(step))
