"""What to say to a Python that is too old. Readable for Python 3.7."""

from __future__ import annotations

import shutil

from .language import _

NEWER = ("3.13", "3.12", "3.11", "3.10")
INSTALL = {
    "winget": "winget install Python.Python.3.13",
    "brew": "brew install python@3.13",
    "dnf": "sudo dnf install python3.13",
    "zypper": "sudo zypper install python313",
}


def found_newer() -> str | None:
    """The command of a Python on this machine that is new enough, or the command that installs one."""
    for version in NEWER:
        if shutil.which("python" + version):
            return "python" + version + " launch.py"
    for manager, command in INSTALL.items():
        if shutil.which(manager):
            return command
    return None


def too_old(version: str, command: str | None) -> str:
    if command:
        return _("AutoGLM Desktop needs Python 3.10 or newer; this is {version}. Run: {command}").format(
            version=version, command=command
        )
    return _(
        "AutoGLM Desktop needs Python 3.10 or newer; this is {version}. Install one and start again with it."
    ).format(version=version)
