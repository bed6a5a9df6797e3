"""The Python environment: is it as it should be, and writing down that it is.

A stamp inside the environment says what it was made for. It is written before the first change with ``ready`` false
and again after the last one, so that an interrupted set-up is seen as broken at the next start.
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
    """What an environment was made for. ``interpreter`` is the Python behind its links, ``packages`` what lies in
    ``site`` (its site-packages)."""

    ready: bool
    fingerprint: str = ""
    folder: str = ""
    checkout: str = ""
    interpreter: str = ""
    base: str = ""
    site: str = ""
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
    """Changes when the environment has to be brought up to date: with the requirements and, where the project is
    copied instead of linked, with its files."""
    digest = hashlib.sha256(requirements_text((checkout / "pyproject.toml").read_text("utf-8")).encode())
    if not editable:
        for root in ("autoglm_desktop", "resources"):
            for folder, names, files in os.walk(checkout / root):
                names[:] = sorted(name for name in names if name != "__pycache__")
                for name in sorted(files):
                    status = os.stat(os.path.join(folder, name))
                    digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def interpreter(folder: Path) -> Path:
    """The environment's Python."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of an environment: None where there is none, not ready where it cannot be read."""
    try:
        values: dict[str, Any] = json.loads((folder / STAMP).read_text("utf-8"))
        return Stamp(**{**values, "packages": tuple(values["packages"])})
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
        and os.path.isfile(stamp.base)
        and all(os.path.isdir(os.path.join(stamp.site, name)) for name in stamp.packages)
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


def finish(folder: Path, checkout: Path, wanted: str, base: str, site: str) -> None:
    """Mark the environment as ready."""
    packages = tuple(
        sorted(
            entry.name
            for entry in Path(site).iterdir()
            if entry.is_dir() and not entry.name.endswith(".dist-info") and entry.name != "__pycache__"
        )
    )
    real = os.path.realpath(interpreter(folder))
    write_stamp(folder, Stamp(True, wanted, str(folder), str(checkout), real, base, site, packages))
