"""What the launcher has to know of a machine, and reading it from a file for ``--dry-run --machine FILE``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from .packages import manager_of

APPLICATION = "autoglm-desktop"
VENV_STATES = ("missing", "current", "stale", "broken", "foreign")
DISPLAYS = ("x11", "wayland", "offscreen", "native", "none")


@dataclass(frozen=True)
class Request:
    """What the user asked for. ``arguments`` go to the application, to pytest or name a benchmark."""

    command: str = "run"  # run | test | benchmarks
    arguments: tuple[str, ...] = ()
    offline: str | None = None

    @property
    def window(self) -> bool:
        """Whether the window is wanted: no arguments, or only the language of it."""
        if self.command != "run":
            return False
        rest = list(self.arguments)
        while rest and rest[0].partition("=")[0] == "--lang":
            del rest[: 1 if "=" in rest[0] else 2]
        return not rest


@dataclass(frozen=True)
class Facts:
    """A machine as the launcher sees it.

    ``venv`` is the state of the environment in ``folder``: missing, current, stale (requirements changed),
    broken (to be made anew) or foreign (something else lies there). ``missing_libraries`` are those that Qt
    needs for ``display``.
    """

    system: str  # Linux | Windows | macOS
    version: str
    python: tuple[int, ...]
    folder: str
    wsl: bool = False
    package_manager: str | None = None  # apt | dnf | pacman | zypper | winget | brew
    root: bool = False
    sudo: bool = False
    venv_module: bool = True
    virtualenv: bool = False
    missing_libraries: tuple[str, ...] = ()
    chinese_font: bool = True
    compiler: bool = True
    display: str = "none"
    checkout_writable: bool = True
    venv: str = "missing"


class FactsError(Exception):
    """The file of a machine cannot be used; the message says why."""


def data_folder(system: str, environ: Mapping[str, str], home: str) -> PurePath:
    """Where the application keeps its data: the folder that ``store.paths.home`` finds with platformdirs."""
    kind = PureWindowsPath if system == "Windows" else PurePosixPath
    override = environ.get("AUTOGLM_HOME")
    if override:
        return kind(home, *kind(override).parts[1:]) if override.startswith("~") else kind(override)
    if system == "Windows":
        return kind(environ.get("LOCALAPPDATA") or kind(home, "AppData", "Local"), APPLICATION)
    if system == "macOS":
        return kind(home, "Library", "Application Support", APPLICATION)
    return kind(environ.get("XDG_DATA_HOME", "").strip() or kind(home, ".local", "share"), APPLICATION)


def venv_name(request: Request) -> str:
    return ".venv" if request.command == "run" else ".venv-test"


def environment_folder(checkout: PurePath, writable: bool, data: PurePath, request: Request) -> PurePath:
    name = venv_name(request)
    return checkout / name if writable else data / name.lstrip(".")


def parse_version(text: str) -> tuple[int, ...]:
    """``3.11.7`` → (3, 11, 7); ``3.13.0rc1`` → (3, 13, 0)."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise FactsError(f"launch.python: {text!r}")
    return tuple(int(part) for part in found.groups() if part is not None)


def read_machine(path: Path, request: Request, python: tuple[int, ...]) -> Facts:
    """The facts of a machine file: ``check --json``, whole or in part, with an optional ``launch`` object.

    ``python`` stands in where the file names none. Raises FactsError.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FactsError(str(error)) from error
    if not isinstance(document, dict):
        raise FactsError(f"{path}: not a JSON object")
    machine = document.get("machine", document)
    if not isinstance(machine, dict):
        raise FactsError("machine: not an object")
    launch = document.get("launch", machine.get("launch")) or {}
    return from_machine(machine, launch, request, python)


def from_machine(machine: Any, launch: Any, request: Request, python: tuple[int, ...]) -> Facts:
    os_info = _get(machine, "os", dict, {})
    system = _get(os_info, "name", str, "Linux")
    version = _get(os_info, "version", str, "")
    runtime = _get(machine, "runtime", dict, {})
    named = _get(launch, "python", str, _get(runtime, "python", str, ""))
    display = _get(launch, "display", str, "x11" if system == "Linux" else "native", DISPLAYS)
    writable = _get(launch, "checkout_writable", bool, True)
    environ = {"LOCALAPPDATA": "%LOCALAPPDATA%"} if system == "Windows" else {}
    kind = PureWindowsPath if system == "Windows" else PurePosixPath
    folder = environment_folder(kind("."), writable, data_folder(system, environ, "~"), request)
    missing = _get(launch, "missing_libraries", list, [])
    return Facts(
        system=system,
        version=version,
        python=parse_version(named) if named else python,
        folder=str(folder),
        wsl=_get(os_info, "wsl", bool, False),
        package_manager=_get(launch, "package_manager", str, manager_of(system, version)),
        root=_get(launch, "root", bool, False),
        sudo=_get(launch, "sudo", bool, False),
        venv_module=_get(launch, "venv_module", bool, True),
        virtualenv=_get(launch, "virtualenv", bool, False),
        missing_libraries=tuple(str(name) for name in missing),
        chinese_font=_get(launch, "chinese_font", bool, True),
        compiler=_get(launch, "compiler", bool, True),
        display="offscreen" if request.command == "test" and system == "Linux" else display,
        checkout_writable=writable,
        venv=_get(launch, "venv", str, "missing", VENV_STATES),
    )


def _get(values: Any, key: str, kind: type, default: Any, allowed: tuple[str, ...] = ()) -> Any:
    if not isinstance(values, dict):
        raise FactsError(f"{key}: not in an object")
    value = values.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or (allowed and value not in allowed):
        wanted = " | ".join(allowed) or kind.__name__
        raise FactsError(f"{key}: {value!r} ({wanted})")
    return value
