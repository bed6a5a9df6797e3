"""What the user means by TARGET: a path, a model of the catalogue, or a file already in the library."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import TargetError


@dataclass(frozen=True)
class Target:
    """A model file to run. ``name`` is shown; ``model`` and ``variant`` are set where the catalogue knows it."""

    name: str
    file: Path
    model: str | None = None
    variant: str | None = None


def resolve_path(text: str) -> Target | None:
    """A target from a path that exists; None where nothing lies there and it doesn't look like a path.

    Raises TargetError (file_not_found, file_unreadable, folder_without_config, folder_not_runnable).
    """
    path = Path(text).expanduser()
    try:
        exists = path.exists()
    except OSError as error:
        raise TargetError("file_unreadable", path=text, detail=error.strerror or str(error)) from error
    if not exists:
        if path.suffix.lower() == ".gguf" or text.startswith((".", "/", "~")) or "\\" in text:
            raise TargetError("file_not_found", path=text)
        return None
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise TargetError("folder_without_config", path=text)
        raise TargetError("folder_not_runnable", path=text)
    if not os.access(path, os.R_OK):
        raise TargetError("file_unreadable", path=text, detail=os.strerror(13))
    path = path.absolute()
    return Target(path.stem, path)
