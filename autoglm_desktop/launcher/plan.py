"""What is to be done on a machine: pure decisions, the same for a dry run and for the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .facts import Facts, Request
from .packages import CHINESE_FONT, COMPILER, COMPILER_COMMAND, install_commands, packages_of
from .pythons import INSTALL as PYTHON_INSTALL

MINIMUM_PYTHON = (3, 10)
# Measured on Linux x86-64 with Python 3.11 (docs/install.md).
RUN_MEGABYTES = 117
TEST_MEGABYTES = 500
TEST_MEGABYTES_CUDA = 3500


@dataclass(frozen=True)
class Refuse:
    """Nothing can be done: ``python`` is too old (``command`` helps), or something else is in ``folder``."""

    reason: str
    value: str
    command: str | None = None


@dataclass(frozen=True)
class UseDataFolder:
    """The checkout cannot be written, so the environment goes to ``folder``."""

    folder: str


@dataclass(frozen=True)
class SystemPackages:
    """Packages of the system: libraries of the ``window``, a Chinese ``font``, ``venv`` or the ``compiler``.

    ``commands`` are run where ``may``; else they are told, and where ``required`` nothing more is done.
    """

    purpose: str
    missing: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    may: bool
    required: bool
    hint: str | None = None


@dataclass(frozen=True)
class CreateEnvironment:
    """A Python environment in ``folder``, by the first of ``methods`` (venv, virtualenv, wheel) that works.

    Where none does, ``commands`` make the first of them work.
    """

    folder: str
    methods: tuple[str, ...]
    replace: bool
    commands: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Install:
    """The project and what it needs, fetched by pip or taken from the folder ``offline``."""

    folder: str
    extra: str
    megabytes: int
    at_most: int
    offline: str | None
    editable: bool


@dataclass(frozen=True)
class Start:
    """Hand over to the application (``run``), the checks (``test``) or the measurements (``benchmarks``)."""

    command: str
    arguments: tuple[str, ...]


Step: TypeAlias = Refuse | UseDataFolder | SystemPackages | CreateEnvironment | Install | Start


def plan(facts: Facts, request: Request) -> tuple[Step, ...]:
    """The steps in order; the last is ``Start``, ``Refuse``, or packages required but not allowed."""
    if facts.python < MINIMUM_PYTHON:
        command = PYTHON_INSTALL.get(facts.package_manager or "")
        return (Refuse("python", ".".join(map(str, facts.python)), command),)
    if facts.venv == "foreign":
        return (Refuse("folder", facts.folder),)
    steps: list[Step] = []
    if facts.venv != "current" and not facts.checkout_writable:
        steps.append(UseDataFolder(facts.folder))
    steps += _system_packages(facts, request)
    if any(isinstance(step, SystemPackages) and step.required and not step.may for step in steps):
        return tuple(steps)
    if facts.venv in ("missing", "broken"):
        steps += _environment(facts)
    if facts.venv != "current":
        steps.append(_install(facts, request))
    steps.append(Start(request.command, request.arguments))
    return tuple(steps)


def needs_libraries(facts: Facts, request: Request) -> bool:
    """Whether Qt will be loaded on Linux: for the window where there is a display, and for the tests."""
    window = request.window and facts.display in ("x11", "wayland", "offscreen")
    return facts.system == "Linux" and (window or request.command == "test")


def _system_packages(facts: Facts, request: Request) -> list[Step]:
    steps: list[Step] = []
    if needs_libraries(facts, request) and facts.missing_libraries:
        packages, unknown = packages_of(facts.missing_libraries, facts.package_manager)
        commands = install_commands(facts.package_manager, packages)
        steps.append(
            SystemPackages(
                "window",
                facts.missing_libraries,
                commands,
                may=bool(commands) and not unknown and _may(facts),
                required=request.command == "run",
            )
        )
    if request.window and not facts.chinese_font and needs_libraries(facts, request):
        font = CHINESE_FONT.get(facts.package_manager or "")
        commands = install_commands(facts.package_manager, (font,) if font else ())
        steps.append(SystemPackages("font", (), commands, bool(commands) and _may(facts), required=False))
    if request.command != "run" and not facts.compiler and facts.venv != "current":
        compiler = COMPILER.get(facts.package_manager or "")
        commands = install_commands(facts.package_manager, (compiler,) if compiler else ())
        hint = COMPILER_COMMAND.get(facts.package_manager or "")
        steps.append(
            SystemPackages(
                "compiler", (), commands, bool(commands) and _may(facts), required=False, hint=hint
            )
        )
    return steps


def _environment(facts: Facts) -> list[Step]:
    """Where Debian left ``ensurepip`` out: its package, else virtualenv, else pip's own wheel."""
    replace = facts.venv == "broken"
    if facts.venv_module:
        return [CreateEnvironment(facts.folder, ("venv",), replace)]
    methods = (*(("virtualenv",) if facts.virtualenv else ()), "wheel")
    if facts.package_manager != "apt":
        return [CreateEnvironment(facts.folder, methods, replace)]
    commands = install_commands("apt", (f"python{facts.python[0]}.{facts.python[1]}-venv",))
    if not _may(facts):
        return [CreateEnvironment(facts.folder, methods, replace, commands)]
    package = SystemPackages("venv", (), commands, may=True, required=False)
    return [package, CreateEnvironment(facts.folder, ("venv", *methods), replace, commands)]


def _install(facts: Facts, request: Request) -> Install:
    test = request.command != "run"
    cuda = test and facts.system == "Linux"
    return Install(
        facts.folder,
        "test" if test else "",
        TEST_MEGABYTES if test else RUN_MEGABYTES,
        TEST_MEGABYTES_CUDA if cuda else TEST_MEGABYTES if test else RUN_MEGABYTES,
        request.offline,
        editable=test or facts.checkout_writable,
    )


def _may(facts: Facts) -> bool:
    return facts.root or facts.sudo
