"""The user's settings: one small JSON file, replaced atomically under a lock, read anew by each change."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.addresses import public
from ..core.machine import from_json, to_json

log = logging.getLogger(__name__)
replace = dataclasses.replace

LOCK_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Settings:
    """``scheme``: system | light | dark. ``geometry``: Qt's window place, base64. ``models_folder``: where models
    lie (None: in the data folder). ``source``: where downloads come from (``core.downloads.SOURCES``). ``order``: what
    plans prefer (``core.choice.ORDERS``). ``declined_engines``: names of engines that were offered and not wanted.
    ``idle_minutes``: a model that nobody asks for so long is unloaded (0: never). ``engine_…``: ``core.engine_tuning``
    (threads 0: as many as there are fast cores). ``service_on``: the service was on when the window closed;
    ``service_lan``: other machines may reach it; ``service_ask_key``: programs of this machine need the key, too;
    ``service_hosts``: further names in ``Host`` and ``Origin``, separated by commas."""

    scheme: str = "system"
    geometry: str | None = None
    models_folder: str | None = None
    source: str = "auto"
    order: str = "designed"
    declined_engines: str | None = None
    idle_minutes: int = 0
    engine_threads: int = 0
    engine_memory_lock: bool = False
    engine_huge_pages: bool = False
    engine_numa: str | None = None
    service_on: bool = False
    service_port: int = 8000
    service_lan: bool = False
    service_ask_key: bool = False
    service_hosts: str = ""


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
    """Write all of them; False (logged) where the folder can't be written. What another instance changed meanwhile
    is lost: ``update`` keeps it."""
    return _write(home, lambda _known: settings)


def update(home: Path, **changes: str | int | None) -> bool:
    """Change some settings and keep the others as they are on disk now; False (logged) where that fails. A source is
    kept without a user and password that its address may hold."""
    if isinstance(source := changes.get("source"), str):
        changes["source"] = public(source)
    return _write(home, lambda known: dataclasses.replace(known, **changes))  # type: ignore[arg-type]


def _write(home: Path, change: Callable[[Settings], Settings]) -> bool:
    path = _file(home)
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S):
            partial.write_text(json.dumps(to_json(change(load(home))), indent=1), encoding="utf-8")
            partial.replace(path)
    except OSError:  # filelock's Timeout is one too
        log.exception("settings not saved: %s", path)
        return False
    return True
