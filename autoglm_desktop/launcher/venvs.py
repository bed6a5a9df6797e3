"""The Python environment: is it as it should be, and writing down that it is.

A stamp inside the environment says what it was made for. It is written before the first change with ``ready``
false and again after the last one, so that an interrupted set-up is seen as broken at the next start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STAMP = "autoglm-launch.json"
LOG = "install.log"
_TABLES = ("build-system", "project", "tool.hatch")


@dataclass(frozen=True)
class Stamp:
    """What an environment was made for.

    ``interpreter`` is its Python behind all links, ``packages`` the folders in ``site`` (site-packages).
    """

    ready: bool
    fingerprint: str = ""
    folder: str = ""
    checkout: str = ""
    interpreter: str = ""
    base: str = ""
    site: str = ""
    python: tuple[int, ...] = ()
    packages: tuple[str, ...] = ()


def requirements_text(pyproject: str) -> str:
    """The tables of pyproject.toml that decide what is installed: other changes need no new environment."""
    kept: list[str] = []
    inside = False
    for line in pyproject.splitlines():
        if line.startswith("["):
            name = line.strip().strip("[]").strip()
            inside = any(name == table or name.startswith(table + ".") for table in _TABLES)
        if inside and line.strip() and not line.lstrip().startswith("#"):
            kept.append(line.rstrip())
    return "\n".join(kept)


def fingerprint(checkout: Path, editable: bool) -> str:
    """What an environment is made from: the requirements and, where the project is copied, its files."""
    digest = hashlib.sha256(requirements_text((checkout / "pyproject.toml").read_text("utf-8")).encode())
    if not editable:
        for root in ("autoglm_desktop", "resources"):
            for folder, names, files in os.walk(checkout / root):
                names[:] = sorted(name for name in names if name != "__pycache__")
                for name in sorted(files):
                    status = Path(folder, name).stat()
                    digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def interpreter(folder: Path) -> Path:
    """The environment's Python."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of an environment: None where there is none, not ready where it cannot be read."""
    try:
        values: dict[str, Any] = json.loads((folder / STAMP).read_text("utf-8"))
        return Stamp(**{**values, "packages": tuple(values["packages"]), "python": tuple(values["python"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return Stamp(ready=False)


def write_stamp(folder: Path, stamp: Stamp) -> None:
    temporary = folder / f"{STAMP}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(stamp)), "utf-8")
    temporary.replace(folder / STAMP)


def state(folder: Path, checkout: Path, wanted: str) -> str:
    """One of ``facts.VENV_STATES`` for an environment that should have the fingerprint ``wanted``."""
    try:
        return _state(folder, checkout, wanted)
    except OSError:
        # Another user's, or on a disk that fails: of no use to this one.
        return "broken"


def _state(folder: Path, checkout: Path, wanted: str) -> str:
    if not os.path.lexists(folder):
        return "missing"
    if not folder.is_dir():
        return "foreign"
    stamp = read_stamp(folder)
    if stamp is None:
        return _without_stamp(folder)
    if not stamp.ready or stamp.folder != str(folder) or not _whole(folder, stamp):
        return "broken"
    if stamp.fingerprint != wanted or stamp.checkout != str(checkout):
        return "stale"
    return "current"


def _whole(folder: Path, stamp: Stamp) -> bool:
    python = interpreter(folder)
    return (
        python.is_file()
        and os.path.realpath(python) == stamp.interpreter
        and Path(stamp.base).is_file()
        and all(Path(stamp.site, name).is_dir() for name in stamp.packages)
    )


def _without_stamp(folder: Path) -> str:
    """An environment that somebody else made is used if it works; what is no environment is left alone."""
    if (folder / "pyvenv.cfg").is_file():
        return "stale" if interpreter(folder).is_file() else "broken"
    return "foreign" if any(folder.iterdir()) else "missing"


def begin(folder: Path, replace: bool) -> None:
    """Make the folder and mark it as unfinished; with ``replace``, what was there goes first."""
    if replace and folder.is_symlink():
        folder.unlink()
    elif replace and folder.exists():
        # The mark has to be the last to go: without it a half-deleted folder would be somebody else's.
        write_stamp(folder, Stamp(ready=False))
        for entry in folder.iterdir():
            if entry.name == STAMP:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    write_stamp(folder, Stamp(ready=False))


@dataclass(frozen=True)
class About:
    """What an environment's Python says of itself: the executable behind it, site-packages, version."""

    base: str
    site: str
    python: tuple[int, ...]


def finish(folder: Path, checkout: Path, wanted: str, about: About) -> None:
    """Mark the environment as ready."""
    packages = tuple(
        sorted(
            entry.name
            for entry in Path(about.site).iterdir()
            if entry.is_dir() and not entry.name.endswith(".dist-info") and entry.name != "__pycache__"
        )
    )
    real = os.path.realpath(interpreter(folder))
    stamp = Stamp(
        True, wanted, str(folder), str(checkout), real, about.base, about.site, about.python, packages
    )
    write_stamp(folder, stamp)
