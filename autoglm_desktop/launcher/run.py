"""``launch.py``: reads the command line, asks for the facts and the plan, and carries the plan out."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from . import checks, child, texts, venvs
from .facts import Facts, FactsError, Request, read_machine
from .gather import gather
from .language import set_language
from .outcome import DONE, FAILED, INTERRUPTED, USAGE, Stop, say
from .plan import Refuse, Start, Step, SystemPackages, plan


@dataclass(frozen=True)
class Options:
    request: Request
    dry_run: bool = False
    machine: str | None = None
    help: bool = False


def run(checkout: Path, arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    child.interrupt_on_terminate()
    try:
        return _run(checkout, arguments)
    except Stop as stop:
        say(str(stop))
        return stop.status
    except KeyboardInterrupt:
        say(texts.interrupted())
        return INTERRUPTED
    except OSError as error:
        say(texts.system_error(error.filename or str(checkout), error.strerror or str(error)))
        return FAILED


def parse(arguments: list[str]) -> Options:
    """The launcher's own options come first; what follows them is the application's. Raises Stop."""
    rest = list(arguments)
    offline = machine = None
    dry_run = False
    while rest and rest[0].partition("=")[0] in ("--offline", "--dry-run", "--machine", "--help", "-h", "--"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option in ("--help", "-h"):
            return Options(Request(), help=True)
        if option == "--dry-run":
            dry_run = True
            continue
        if not equals and not rest:
            raise Stop(texts.bad_usage(option), USAGE)
        value = value if equals else rest.pop(0)
        offline, machine = (value, machine) if option == "--offline" else (offline, value)
    if machine is not None and not dry_run:
        raise Stop(texts.bad_usage("--machine"), USAGE)
    command = rest.pop(0) if rest and rest[0] in ("test", "benchmarks") else "run"
    return Options(Request(command, tuple(rest), offline), dry_run, machine)


def language_of(arguments: tuple[str, ...]) -> str | None:
    """``--lang`` among the application's arguments: it holds for the launcher's sentences, too."""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--lang":
            return value if equals else next(iter(arguments[index + 1 : index + 2]), None)
    return None


def _run(checkout: Path, arguments: list[str]) -> int:
    options = parse(arguments)
    request = options.request
    language = set_language(language_of(request.arguments) if request.command == "run" else None)
    if options.help:
        sys.stdout.write(texts.usage() + "\n")
        return DONE
    if options.dry_run:
        return dry_run(checkout, options, language)
    if request.offline is not None and not Path(request.offline).is_dir():
        raise Stop(texts.no_such_folder(request.offline))
    facts = gather(checkout, request, language)
    steps = plan(facts, request)
    if len(steps) > 1 and not isinstance(steps[-1], Refuse):
        from .setup import Work, set_up

        facts, steps = set_up(Work(checkout, request, language), facts)
    return finish(checkout, facts, steps[-1])


def dry_run(checkout: Path, options: Options, language: str) -> int:
    """Say the plan and do nothing."""
    try:
        if options.machine is None:
            facts = gather(checkout, options.request, language)
        else:
            facts = read_machine(Path(options.machine), options.request, tuple(sys.version_info[:3]))
    except FactsError as error:
        raise Stop(texts.bad_machine(str(options.machine), str(error))) from error
    steps = plan(facts, options.request)
    for number, step in enumerate(steps, 1):
        sys.stdout.write(f"{number}. {texts.describe(step, sudo=not facts.root)}\n")
    return DONE


def command_line(script: str) -> str:
    """How the user starts the program: the application's texts then name commands that exist."""
    return f"py {script}" if os.name == "nt" else f"python3 {shlex.quote(script)}"


def finish(checkout: Path, facts: Facts, step: Step) -> int:
    """The last step of a plan."""
    if isinstance(step, Refuse):
        raise Stop(texts.refusal(step))
    if isinstance(step, SystemPackages):
        raise Stop(texts.packages_told(step))
    assert isinstance(step, Start)
    python = venvs.interpreter(Path(facts.folder))
    if step.command == "run":
        # -P: a file of the user's own in the current folder must not pass for a module.
        stamp = venvs.read_stamp(Path(facts.folder))
        safe = ("-P",) if stamp and stamp.python >= (3, 11) else ()
        environ = {**os.environ, "AUTOGLM_COMMAND": command_line(sys.argv[0])}
        return child.become([str(python), *safe, "-m", "autoglm_desktop", *step.arguments], environ)
    environ = checks.environment(os.environ)
    if step.command == "benchmarks":
        return child.run_visibly(
            [str(python), "-m", "tests.benchmarks", *step.arguments], folder=checkout, environ=environ
        )
    results = checks.run_checks(
        checks.checks(step.arguments, facts.checkout_writable),
        lambda check: child.run_visibly(checks.command(python, check), folder=checkout, environ=environ),
    )
    sys.stdout.write(checks.summary(results) + "\n")
    return DONE if all(result.passed for result in results) else FAILED
