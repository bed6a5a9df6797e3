"""What is asked of pip for an attempt, and which attempts can work where this program runs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.environment_choice import KINDS, Place, usable
from ..core.machine import Machine
from .environments import Attempt, Description

__all__ = [
    "KINDS",
    "attempts_for",
    "compiler_missing",
    "first_options",
    "index_for",
    "pip_options",
    "platform_tag",
    "this_place",
]

COMPILERS = ("c++", "g++", "clang++")
PROGRAMS = ("nvcc", "glslc")
"""What attempts of environments.toml need."""
PIP_INSTALL = ("install", "--no-input", "--disable-pip-version-check", "--progress-bar=raw", "-v")


def platform_tag() -> str:
    """``linux-x86_64``, ``windows-amd64``, ``macos-arm64`` …"""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{system}-{platform.machine().lower()}"


def attempts_for(description: Description, place: Place, kinds: Sequence[str]) -> list[Attempt]:
    """The attempts of some kinds that can work at a place, in the kinds' order."""
    found = usable(place, description.attempts)
    return [a for kind in kinds for a in found if a.kind == kind and isinstance(a, Attempt)]


def this_place(machine: Machine) -> Place:
    """Where this program runs. ``machine``: as far as it is known."""
    return Place(machine, platform_tag(), frozenset(name for name in PROGRAMS if shutil.which(name)))


def pip_options(description: Description, attempt: Attempt, index: str | None) -> list[str]:
    """pip's arguments for an attempt, but the packages. ``index``: what it takes beside pip's settings (address or
    folder)."""
    options = list(PIP_INSTALL)
    if index and Path(index).is_dir():
        options += ["--find-links", index]
    elif index:
        options += ["--extra-index-url", index]
    if attempt.kind == "wheel":
        options += ["--only-binary", description.distribution]
    return options


def first_options(index: str | None) -> tuple[list[str], dict[str, str]]:
    """pip's arguments and variables for packages that come from ``index`` (address or folder) alone. What they need is
    left to pip's own indexes."""
    options = [*PIP_INSTALL, "--no-deps", "--only-binary", ":all:"]
    if index and Path(index).is_dir():
        return [*options, "--no-index", "--find-links", index], {}
    if index is None:
        return options, {}
    return [*options, "--index-url", index], {
        "PIP_EXTRA_INDEX_URL": index
    }  # in place of the one in pip's settings


def index_for(description: Description, attempt: Attempt) -> str | None:
    """The index of an attempt: AUTOGLM_INDEX_<NAME>, else the described one."""
    given = os.environ.get("AUTOGLM_INDEX_" + description.name.upper().replace("-", "_"))
    return given or attempt.first_index or attempt.extra_index


def compiler_missing(which: Callable[[str], str | None] = shutil.which) -> bool:
    """Whether no C++ compiler can be found (POSIX; on Windows CMake looks for Visual Studio itself)."""
    if os.name == "nt":
        return False
    return not (os.environ.get("CXX") or any(which(name) for name in COMPILERS))
