"""What the user means by TARGET: a path, a model of the catalogue, or a file that is in the library."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from ..core.catalog import Model
from ..core.errors import TargetError
from ..store.library import Library, LocalModel
from ..store.paths import expanded


@dataclass(frozen=True)
class Target:
    """A model file to run. ``name`` is shown; ``model`` and ``variant`` are set where the catalogue knows it."""

    name: str
    file: Path
    model: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Named:
    """A catalogue model, with the variant if one was named."""

    model: Model
    variant: str | None = None


def resolve(library: Library, text: str) -> Target:
    """A file to run. Raises TargetError: nothing there, not readable, no model, or not on this machine yet."""
    found = find(library, text)
    if isinstance(found, Target):
        return found
    local = library.find(found.model.id, found.variant)
    if local is None:
        raise TargetError("model_not_installed", model=text, folder=str(library.models))
    return of_local(local)


def find(library: Library, text: str) -> Target | Named:
    """What TARGET names: a file that exists, else a model of the catalogue (installed or not).

    Raises TargetError (target_unknown, variant_unknown, file_not_found, file_unreadable, folder_without_config,
    folder_not_runnable, no_demo_yet).
    """
    path = _existing(text)
    if path is not None:
        return of_local(library.at(path))
    if text.lower() == "demo":
        raise TargetError("no_demo_yet")
    name, _, variant = text.partition(":")
    model = library.catalog.model(name)
    if model is None:
        known = ", ".join(model.id for model in library.catalog.models)
        raise TargetError("target_unknown", target=text, known=known)
    if variant and model.variant(variant) is None:
        choices = ", ".join(v.id for v in model.variants)
        raise TargetError("variant_unknown", variant=variant, model=model.id, known=choices)
    found = model.variant(variant) if variant else None
    return Named(model, found.id if found is not None else None)


def of_local(local: LocalModel) -> Target:
    """A target from a file of the library."""
    return Target(local.name, local.path, local.model, local.variant)


def _existing(text: str) -> Path | None:
    """The absolute path of a GGUF file that TARGET names; None where it doesn't name a path."""
    path = expanded(text)
    try:
        kind = "folder" if path.is_dir() else "file" if path.exists() else None
    except (OSError, ValueError) as error:
        raise TargetError("file_unreadable", path=text, detail=str(error)) from error
    if kind is None:
        if path.suffix.lower() == ".gguf" or text.startswith((".", "/", "~")) or "\\" in text:
            raise TargetError("file_not_found", path=text)
        return None
    if kind == "folder":
        code = "folder_not_runnable" if (path / "config.json").is_file() else "folder_without_config"
        raise TargetError(code, path=text)
    if not os.access(path, os.R_OK):
        raise TargetError("file_unreadable", path=text, detail=os.strerror(errno.EACCES))
    return path.absolute()
