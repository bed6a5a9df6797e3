"""The user's settings: one small JSON file, replaced atomically, re-read by each start."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from ..core.machine import from_json, to_json

log = logging.getLogger(__name__)
replace = dataclasses.replace


@dataclass(frozen=True)
class Settings:
    """``scheme``: system | light | dark. ``geometry``: Qt's window place, base64."""

    scheme: str = "system"
    geometry: str | None = None


def _file(home: Path) -> Path:
    return home / "state" / "settings.json"


def load(home: Path) -> Settings:
    """The saved settings; defaults where there are none or they can't be read (logged)."""
    try:
        found = from_json(Settings, json.loads(_file(home).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, ValueError):
        log.exception("settings unreadable: %s", _file(home))
        return Settings()
    return found if found.scheme in ("system", "light", "dark") else replace(found, scheme="system")


def save(home: Path, settings: Settings) -> bool:
    """Write them; False (logged) where the folder can't be written."""
    path = _file(home)
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(to_json(settings), indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError:
        log.exception("settings not saved: %s", path)
        return False
    return True
