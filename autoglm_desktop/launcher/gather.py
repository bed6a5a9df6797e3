"""The facts of the machine that this runs on. Costs a few milliseconds where nothing is to be done."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from . import venvs
from .facts import Facts, Request, data_folder, environment_folder, venv_name
from .packages import libraries

_MANAGERS = (("apt-get", "apt"), ("dnf", "dnf"), ("zypper", "zypper"), ("pacman", "pacman"))
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_CHINESE_FONTS = (
    *(
        "cjk",
        "notosanssc",
        "sourcehan",
        "wqy",
        "uming",
        "ukai",
        "droidsansfallback",
        "simsun",
        "simhei",
        "msyh",
    ),
    *("lxgw", "harmonyos_sans_sc", "misans", "pingfang", "unifont"),
)


def system_name() -> str:
    return {"win32": "Windows", "darwin": "macOS"}.get(sys.platform, "Linux")


def data_home(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(data_folder(system_name(), environ, str(Path.home())))


def writable(folder: Path) -> bool:
    """Whether a file can be made in ``folder``: tried, since permission bits tell nothing on Windows."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def display(environ: Mapping[str, str], system: str) -> str:
    """What Qt will draw on: ``x11``, ``wayland``, ``offscreen``, ``native`` (Windows, macOS) or ``none``."""
    chosen = environ.get("QT_QPA_PLATFORM", "").partition(";")[0].partition(":")[0]
    if chosen:
        return {"xcb": "x11", "wayland": "wayland", "wayland-egl": "wayland"}.get(chosen, "offscreen")
    if system != "Linux":
        return "native"
    if environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    return "x11" if environ.get("DISPLAY") else "none"


def missing_libraries(shown_on: str, loads: Callable[[str], bool]) -> tuple[str, ...]:
    """The libraries that Qt needs for a display and that cannot be loaded."""
    return tuple(name for name in libraries(shown_on) if not loads(name))


def best_display(environ: Mapping[str, str], loads: Callable[[str], bool]) -> tuple[str, tuple[str, ...]]:
    """The display that Qt will take and what is missing for it; X11 where Wayland's libraries are missing."""
    first = display(environ, "Linux")
    missing = () if first == "none" else missing_libraries(first, loads)
    if missing and first == "wayland" and environ.get("DISPLAY") and not environ.get("QT_QPA_PLATFORM"):
        second = missing_libraries("x11", loads)
        if not second:
            return "x11", ()
    return first, missing


def loads_library(name: str) -> bool:
    try:
        import ctypes
    except ImportError:
        # A Python built without libffi: nothing can be said, and Qt itself will name what it misses.
        return True
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def has_chinese_font(folders: tuple[str, ...] = _FONT_FOLDERS) -> bool:
    for folder in folders:
        for _, _, files in os.walk(Path(folder).expanduser()):
            if any(mark in name.lower() for name in files for mark in _CHINESE_FONTS):
                return True
    return False


def package_manager(system: str) -> str | None:
    if system == "Linux":
        return next((name for program, name in _MANAGERS if shutil.which(program)), None)
    return "winget" if system == "Windows" else "brew"


def can_sudo() -> bool:
    """Whether sudo asks for no password."""
    if not shutil.which("sudo"):
        return False
    answer = subprocess.run(
        ["sudo", "-n", "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return answer.returncode == 0


def has_compiler(system: str) -> bool:
    if system == "Windows":
        installer = Path(os.environ.get("PROGRAMFILES(X86)", "C:/Program Files (x86)"))
        return (
            bool(shutil.which("cl"))
            or (installer / "Microsoft Visual Studio/Installer/vswhere.exe").is_file()
        )
    if system == "macOS":
        # /usr/bin/c++ is a placeholder there; only this says whether the tools behind it are installed.
        return subprocess.run(["xcode-select", "-p"], capture_output=True).returncode == 0
    return any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++"))


def has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def locate(checkout: Path, request: Request, data: Path) -> tuple[Path, str, bool]:
    """The environment's folder, its state, and whether it lies in the checkout.

    One in the checkout that is current is used even where the checkout cannot be written (any more).
    """
    inside = checkout / venv_name(request)
    found = venvs.state(inside, checkout, venvs.fingerprint(checkout, editable=True))
    if found == "current" or (writable(checkout) and (not inside.is_dir() or writable(inside))):
        return inside, found, True
    outside = Path(environment_folder(checkout, False, data, request))
    wanted = venvs.fingerprint(checkout, editable=request.command != "run")
    return outside, venvs.state(outside, checkout, wanted), False


def gather(checkout: Path, request: Request, language: str) -> Facts:
    """The facts of this machine, as far as they matter for ``request``."""
    system = system_name()
    folder, state, inside = locate(checkout, request, data_home())
    shown_on = display(os.environ, system)
    missing: tuple[str, ...] = ()
    if system == "Linux" and request.window:
        shown_on, missing = best_display(os.environ, loads_library)
    elif system == "Linux" and request.command == "test":
        shown_on, missing = "offscreen", missing_libraries("offscreen", loads_library)
    font = language != "zh_CN" or not request.window or system != "Linux" or has_chinese_font()
    building = state != "current"
    venv_module = not building or (has_module("venv") and has_module("ensurepip"))
    compiler = not building or request.command == "run" or has_compiler(system)
    installing = bool(missing) or not (font and venv_module and compiler)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return Facts(
        system=system,
        version=_version(system) if building else "",
        python=tuple(sys.version_info[:3]),
        folder=str(folder),
        package_manager=package_manager(system) if installing else None,
        root=root,
        sudo=installing and system == "Linux" and not root and can_sudo(),
        venv_module=venv_module,
        virtualenv=building and (has_module("virtualenv") or bool(shutil.which("virtualenv"))),
        missing_libraries=missing,
        chinese_font=font,
        compiler=compiler,
        display=shown_on,
        checkout_writable=inside,
        venv=state,
    )


def _version(system: str) -> str:
    if system == "macOS":
        return platform.mac_ver()[0]
    if system == "Windows":
        return platform.version()
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
