"""What the user means by TARGET: a path, a model of the catalogue, a repository that was downloaded, or the demo."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import demo
from ..core.catalog import Model
from ..core.errors import TargetError
from ..store.library import Library, LocalModel
from ..store.local_models import of_variant
from ..store.paths import expanded

_REPO = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?::(.+))?")


@dataclass(frozen=True)
class Target:
    """A model to run: its ``file`` (or safetensors folder). ``name`` is shown; ``model`` and ``variant`` are set where
    the catalogue knows it. ``others``: more files of the same model; ``whole``: the model was named, not a file of it,
    so that the best of all of them comes first. Else the others are only tried where ``file`` can't be run."""

    name: str
    file: Path
    model: str | None = None
    variant: str | None = None
    others: tuple[Path, ...] = ()
    whole: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """All that may be loaded."""
        return (self.file, *self.others)

    @property
    def is_demo(self) -> bool:
        """Whether it is the model that came with the program."""
        return demo.is_demo(self.model)


@dataclass(frozen=True)
class Named:
    """A catalogue model, with the variant if one was named."""

    model: Model
    variant: str | None = None


def resolve(library: Library, text: str) -> Target:
    """A file to run. Raises TargetError: nothing there, not readable, no model, not on this machine yet, or nothing
    that this version runs; of the demo as ``of_demo``."""
    if is_demo(text) or _lies_in_demo(library, text):
        return of_demo(library)
    try:
        found = find(library, text)
    except TargetError as error:
        raise _with_demo(error, text) from error
    if isinstance(found, Target):
        return found
    local = tuple(one for one in library.runnable(found.model.id) if found.variant in (None, one.variant))
    if not local:
        raise TargetError("model_not_installed", model=text, folder=str(library.models))
    return _of_several(local) if found.variant is None else of_local(local[0])


def find(library: Library, text: str) -> Target | Named:
    """What TARGET names: a file that exists, a repository that is here, else a model of the catalogue (installed or
    not).

    Raises TargetError (target_unknown, variant_unknown, file_not_found, file_unreadable, folder_without_config,
    repo_not_installed, demo_only_chats).
    """
    if is_demo(text) or _lies_in_demo(library, text):
        raise TargetError("demo_only_chats")
    path = existing(text)
    if path is not None:
        return of_local(library.at(path))
    repo, variant = split_repo(text)
    if repo is None:
        return named(library, text)
    found = _runnable(library, repo, variant)
    return _of_several(found) if variant is None else of_local(found[0])


def named(library: Library, text: str) -> Named:
    """``MODEL[:VARIANT]`` of the catalogue. Raises TargetError (target_unknown, variant_unknown, demo_only_chats)."""
    name, _, variant = text.partition(":")
    if demo.is_demo(name.lower()):
        raise TargetError("demo_only_chats")
    model = library.catalog.model(name)
    if model is None:
        known = ", ".join(model.id for model in library.catalog.models)
        raise TargetError("target_unknown", target=text, known=known)
    if variant and model.variant(variant) is None:
        choices = ", ".join(v.id for v in model.variants)
        raise TargetError("variant_unknown", variant=variant, model=model.id, known=choices)
    found = model.variant(variant) if variant else None
    return Named(model, found.id if found is not None else None)


def is_demo(text: str) -> bool:
    """Whether TARGET is the demo: a file of that name, or a folder with a model, goes first."""
    path = expanded(text)
    return demo.is_demo(text.lower()) and not (path.is_file() or (path / "config.json").exists())


def _lies_in_demo(library: Library, text: str) -> bool:
    """Whether TARGET is a path to what the demo is made of."""
    path = expanded(text)
    try:
        return library.demo is not None and path.exists() and library.demo.owns(path.absolute())
    except (OSError, ValueError):  # no name that a file can have; whoever opens it says so
        return False


def _with_demo(error: TargetError, text: str) -> TargetError:
    """What is said where the demo could have been meant."""
    if error.code == "demo_only_chats":
        return TargetError("demo_no_variant", target=text)
    if error.code == "target_unknown":
        return TargetError(error.code, **{**error.values, "known": f"{error.values['known']}, {demo.ID}"})
    return error


def of_demo(library: Library) -> Target:
    """The demo in all its forms. Writes its GGUF file at first use. Raises TargetError(demo_missing, demo_damaged),
    AppError where the file can't be written."""
    if library.demo is None:
        raise TargetError("demo_missing", path="")
    first, *others = library.demo.files()
    return Target(demo.NAME, first, demo.ID, others=tuple(others), whole=True)


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


def _runnable(library: Library, repo: str, variant: str | None) -> tuple[LocalModel, ...]:
    found = of_repo(library, repo, variant)
    runs = tuple(local for local in found if local.refusal is None)
    refused = found[0].refusal
    if not runs and refused is not None:
        raise TargetError(refused.code, **{"path": str(found[0].path), **refused.as_dict()})
    return runs


def of_local(local: LocalModel, others: Sequence[LocalModel] = ()) -> Target:
    """A target from a file of the library; ``others``: of the same model, tried where it can't be run."""
    more = tuple(one.path for one in others if one.path != local.path)
    return Target(local.name, local.path, local.model, local.variant, more)


def _of_several(found: Sequence[LocalModel]) -> Target:
    """A model that was named as a whole."""
    return replace(
        of_local(found[0], found), variant=None if len(found) > 1 else found[0].variant, whole=True
    )


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
