"""What the user means by TARGET: a path, a model of the catalogue, or a repository that was downloaded."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.catalog import SAFETENSORS, Model
from ..core.errors import TargetError
from ..store.library import Library, LocalModel
from ..store.local_models import of_variant
from ..store.paths import expanded

_REPO = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?::(.+))?")


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
    """A file to run. Raises TargetError: nothing there, not readable, no model, not on this machine yet, or nothing
    that this version runs."""
    found = find(library, text)
    if isinstance(found, Target):
        return found
    local = library.find(found.model.id, found.variant)
    if local is None:
        raise TargetError("model_not_installed", model=text, folder=str(library.models))
    return of_local(local)


def find(library: Library, text: str) -> Target | Named:
    """What TARGET names: a file that exists, a repository that is here, else a model of the catalogue (installed or
    not).

    Raises TargetError (target_unknown, variant_unknown, file_not_found, file_unreadable, folder_without_config,
    folder_not_runnable, repo_not_installed, no_demo_yet).
    """
    path = existing(text)
    if path is not None:
        if path.is_dir():
            code = "folder_not_runnable" if (path / "config.json").is_file() else "folder_without_config"
            raise TargetError(code, path=text)
        return of_local(library.at(path))
    repo, variant = split_repo(text)
    return of_local(_runnable(library, repo, variant)) if repo is not None else named(library, text)


def named(library: Library, text: str) -> Named:
    """``MODEL[:VARIANT]`` of the catalogue. Raises TargetError (target_unknown, variant_unknown, no_demo_yet)."""
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


def split_repo(text: str) -> tuple[str | None, str | None]:
    """(``owner/name``, variant or None) of ``owner/name[:VARIANT]``; (None, None) for anything else."""
    match = _REPO.fullmatch(text)
    return (match[1], match[2]) if match else (None, None)


def of_repo(library: Library, repo: str, variant: str | None) -> tuple[LocalModel, ...]:
    """What is here of a repository, also what can't be run. Raises TargetError (repo_not_installed,
    variant_not_installed)."""
    found = library.of_repo(repo)
    if not found:
        raise TargetError("repo_not_installed", repo=repo)
    wanted = of_variant(found, variant)
    if not wanted:
        known = ", ".join(dict.fromkeys(local.file_type or local.path.stem for local in found))
        raise TargetError("variant_not_installed", variant=variant, repo=repo, known=known)
    return wanted


def _runnable(library: Library, repo: str, variant: str | None) -> LocalModel:
    found = of_repo(library, repo, variant)
    runs = next((local for local in found if local.refusal is None), None)
    if runs is not None:
        return runs
    first = found[0]
    if first.file_type == SAFETENSORS or first.refusal is None:
        raise TargetError("folder_not_runnable", path=str(first.path))
    raise TargetError(first.refusal.code, **{"path": str(first.path), **first.refusal.as_dict()})


def of_local(local: LocalModel) -> Target:
    """A target from a file of the library."""
    return Target(local.name, local.path, local.model, local.variant)


def existing(text: str) -> Path | None:
    """The absolute path of a file or folder that TARGET names; None where it doesn't name a path.

    Raises TargetError (file_not_found, file_unreadable).
    """
    path = expanded(text)
    try:
        kind = "folder" if path.is_dir() else "file" if path.exists() else None
    except (OSError, ValueError) as error:
        raise TargetError("file_unreadable", path=text, detail=str(error)) from error
    if kind is None:
        if path.suffix.lower() == ".gguf" or text.startswith((".", "/", "~")) or "\\" in text:
            raise TargetError("file_not_found", path=text)
        return None
    if kind == "file" and not os.access(path, os.R_OK):
        raise TargetError("file_unreadable", path=text, detail=os.strerror(errno.EACCES))
    return path.absolute()
