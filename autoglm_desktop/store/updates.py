"""The newest commits that the last check for updates has seen: ``AUTOGLM_HOME/state/updates.json``, by folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 5.0


def read(home: Path) -> dict[str, str]:
    """Folder → commit; empty where nothing was checked or the file can't be used (logged)."""
    path = _file(home)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["newest"]
        return {key: value for key, value in found.items() if isinstance(value, str)}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        log.exception("updates not read: %s", path)
        return {}


def note(home: Path, newest: Mapping[str, str]) -> None:
    """Remember what was seen now, in place of what was before. Logs where it can't be written."""
    path = _file(home)
    fresh = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S):
            fresh.write_text(json.dumps({"schema": 1, "newest": dict(newest)}, indent=1), encoding="utf-8")
            fresh.replace(path)
    except OSError:  # filelock's Timeout is one too
        log.exception("updates not remembered: %s", path)


def _file(home: Path) -> Path:
    return home / "state" / "updates.json"
