"""The launcher's sentences."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..po import sentences
from . import pip
from .language import _
from .plan import CreateEnvironment, Install, Refuse, Start, Step, SystemPackages, UseDataFolder
from .pythons import too_old

MEGABYTE = 10**6


def usage() -> str:
    return _(
        "Usage: python3 launch.py [--offline DIR] [--dry-run [--machine FILE]] [ARGS…]\n"
        "       python3 launch.py test [PYTEST ARGS…]\n"
        "       python3 launch.py benchmarks [NAME]\n"
        "\n"
        "Sets up what is needed, then runs the application: the window, or with ARGS a command of it\n"
        "(python3 launch.py check --help).\n"
        "\n"
        "  --offline DIR    install from the files in DIR instead of the network\n"
        "  --dry-run        say what would be done and do nothing\n"
        "  --machine FILE   for another machine: its `check --json`"
    )


def bad_usage(option: str) -> str:
    return _("{option} cannot be used like this: see python3 launch.py --help").format(option=option)


def no_such_folder(folder: str) -> str:
    return _("There is no folder {folder}, from which --offline could install.").format(folder=folder)


def bad_machine(path: str, why: str) -> str:
    return _("{path} describes no machine: {why}").format(path=path, why=why)


def interrupted() -> str:
    return _("Interrupted. What was left unfinished is repaired at the next start.")


def waiting() -> str:
    return _("Another start is setting things up; waiting for it …")


def system_error(path: str, why: str) -> str:
    return _("Setting up failed at {path}: {why}").format(path=path, why=why)


def command_line(commands: tuple[tuple[str, ...], ...], sudo: bool = True) -> str:
    """Commands for root as one line for a shell."""
    prefix = ("sudo",) if sudo else ()
    return " && ".join(shlex.join((*prefix, *command)) for command in commands)


def describe(step: Step, sudo: bool) -> str:
    """A step in words, for ``--dry-run``. ``sudo``: commands for root have to be prefixed."""
    if isinstance(step, Refuse):
        return refusal(step)
    if isinstance(step, UseDataFolder):
        return data_folder(step)
    if isinstance(step, SystemPackages):
        return packages_run(step, sudo) if step.may else packages_told(step)
    if isinstance(step, CreateEnvironment):
        return creating(step)
    if isinstance(step, Install):
        return installing(step)
    return _start(step)


def refusal(step: Refuse) -> str:
    if step.reason == "python":
        return too_old(step.value, step.command)
    return _("{folder} is there and is no Python environment: move it away and start again.").format(
        folder=step.value
    )


def data_folder(step: UseDataFolder) -> str:
    return _("The program's folder cannot be written, so the Python environment goes to {folder}.").format(
        folder=step.folder
    )


def _purpose(step: SystemPackages) -> str:
    return {
        "window": _("System libraries for the window"),
        "font": _("A font with Chinese characters"),
        "venv": _("Python's module for environments"),
        "compiler": _("A C++ compiler, to build llama.cpp"),
    }[step.purpose]


def packages_run(step: SystemPackages, sudo: bool) -> str:
    return _("{purpose}: {command}").format(purpose=_purpose(step), command=command_line(step.commands, sudo))


def packages_told(step: SystemPackages) -> str:
    """What the user can do where the launcher may not: the exact command, or the names of what is missing."""
    command = command_line(step.commands) or step.hint
    if step.purpose == "window" and step.required:
        text = _(
            "The window needs system libraries that are missing here; python3 launch.py check works without."
        )
    else:
        text = _("{purpose}: missing here.").format(purpose=_purpose(step))
    if command:
        return sentences(text, _("Run: {command}").format(command=command))
    if step.missing:
        return sentences(text, _("Please install: {names}").format(names=" ".join(step.missing)))
    return text


def packages_failed(step: SystemPackages) -> str:
    return _("{purpose} could not be installed by: {command}").format(
        purpose=_purpose(step), command=command_line(step.commands)
    )


def creating(step: CreateEnvironment) -> str:
    how = {
        "venv": _("with venv"),
        "virtualenv": _("with virtualenv"),
        "wheel": _("with pip from the package index"),
    }
    methods = _(", else ").join(how[method] for method in step.methods)
    if step.replace:
        return _("Make the Python environment {folder} anew, {methods}").format(
            folder=step.folder, methods=methods
        )
    return _("Make the Python environment {folder}, {methods}").format(folder=step.folder, methods=methods)


def installing(step: Install) -> str:
    if step.offline:
        return _("Install what is needed from {folder}").format(folder=step.offline)
    if step.extra != "test":
        return _("Fetch and install what is needed: about {megabytes} MB, once").format(
            megabytes=step.megabytes
        )
    text = _(
        "Fetch and install what the tests need: about {megabytes} MB; llama.cpp is built once, some 5 minutes"
    ).format(megabytes=step.megabytes)
    if step.at_most > step.megabytes:
        most = _("(up to {gigabytes} GB where pip finds no CPU build of PyTorch)")
        text = sentences(text, most.format(gigabytes=step.at_most / 1000))
    return text


def _start(step: Start) -> str:
    if step.command == "test":
        if step.arguments:
            return _("Run the tests: pytest {arguments}").format(arguments=shlex.join(step.arguments))
        return _("Run ruff, mypy and the tests")
    if step.command == "benchmarks":
        return _("Run the measurements {names}").format(names=shlex.join(step.arguments)).rstrip()
    return _("Start: {command}").format(command=shlex.join(("autoglm-desktop", *step.arguments)))


def progress(step: pip.Progress) -> str:
    if step.phase == "collect":
        return _("Looking up {name} …").format(name=step.name)
    if step.phase == "download":
        size, done = step.file_bytes / MEGABYTE, step.done_bytes / MEGABYTE
        text = _("Fetching {name} ({size:.1f} MB)").format(name=step.name, size=size)
        return text + (_("; {done:.0f} MB so far").format(done=done) if done >= 1 else "")
    if step.phase == "build":
        return _("Building {name} …").format(name=step.name)
    if step.phase == "retry":
        return _("No answer from {host}; trying again …").format(host=step.name or _("the package index"))
    return _("Installing …")


def failed(error: pip.InstallError, commands: tuple[tuple[str, ...], ...] = ()) -> str:
    """One sentence for a set-up that failed; ``commands`` would make it work on this system."""
    failure = error.failure
    name = failure.name or _("what is needed")
    if failure.kind == "network":
        text = _("{name} could not be fetched from {host}: no connection.").format(
            name=name, host=failure.host or _("the package index")
        )
    elif failure.kind == "missing":
        text = _("pip found no {name} for this Python and system where it looked.").format(name=name)
    elif failure.kind == "disk":
        text = _("The disk is full: {name} could not be installed.").format(name=name)
    elif failure.kind == "build":
        text = _("{name} could not be built: {line}").format(name=name, line=failure.line)
    else:
        text = _("What is needed could not be installed: {line}").format(line=failure.line)
    if failure.kind in ("network", "missing"):
        text = sentences(
            text, _("With the files in a folder: python3 launch.py --offline DIR (docs/install.md).")
        )
    if commands:
        text = sentences(text, _("Or run: {command}").format(command=command_line(commands)))
    return sentences(text, log_hint(error.log))


def log_hint(log: Path) -> str:
    return _("Details: {path}").format(path=log)


def check_result(name: str, passed: bool, seconds: float) -> str:
    if passed:
        return _("{name}: passed ({seconds:.1f} s)").format(name=name, seconds=seconds)
    return _("{name}: FAILED ({seconds:.1f} s)").format(name=name, seconds=seconds)
