"""Where everything lies. ``AUTOGLM_HOME`` moves all data; resources are found in a checkout and in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The data folder (not created)."""
    override = os.environ.get("AUTOGLM_HOME")
    if override:
        return expanded(override).absolute()
    return Path(platformdirs.user_data_dir("autoglm-desktop", appauthor=False))


def expanded(text: str) -> Path:
    """A path as a person types it; ``~`` of a user that does not exist is left as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def resources() -> Path:
    """The resource folder: inside the package in a wheel, beside it in a checkout."""
    inside = PACKAGE / "_resources"
    return inside if inside.is_dir() else PACKAGE.parent / "resources"


def models() -> Path:
    return home() / "models"


def engines() -> Path:
    return home() / "engines"


def logs() -> Path:
    return home() / "logs"


def cache() -> Path:
    return home() / "cache"


def state() -> Path:
    """Settings, crash memory and other small JSON files."""
    return home() / "state"


def conversations() -> Path:
    return home() / "conversations.sqlite3"
