"""What ``verify`` and ``remove`` mean by their TARGET: also what is damaged, unfinished or can't be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core import gguf_names
from ..core.errors import Reason, TargetError
from ..store import manifest, safetensors
from ..store.library import Library, LocalModel
from ..store.local_models import of_variant
from ..store.model_walk import models_below
from ..store.transfer.journal import Unfinished
from ..texts import places
from .targets import existing, named, split_repo


@dataclass(frozen=True)
class OnDisk:
    """``models``: what was named. ``folders``: repositories of ours that were named as a whole. ``unfinished``:
    downloads of it that have begun."""

    target: str
    models: tuple[LocalModel, ...]
    folders: tuple[Path, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()


def locate(library: Library, target: str | Path) -> OnDisk:
    """Raises TargetError (as ``targets.find``; model_not_here, repo_not_installed, variant_not_installed)."""
    text = str(target)
    path = existing(text)
    if path is not None:
        return _of_path(library, text, path)
    repo, variant = split_repo(text)
    if repo is not None:
        return _of_repo(library, text, repo, variant)
    found = named(library, text)
    repos = {source.repo.lower() for v in found.model.variants for source in v.sources}
    here = (local for local in library.files() if local.model == found.model.id)
    if found.variant is not None:
        here = (local for local in here if local.variant is not None)
    models = of_variant(here, found.variant)
    unfinished = _unfinished(library, repos, found.variant)
    if not models and not unfinished:
        raise TargetError("model_not_here", model=text)
    return OnDisk(text, models, (), unfinished)


def own(found: OnDisk) -> tuple[LocalModel, ...]:
    """Those that may be deleted or taken from the list. Raises TargetError(found_elsewhere) where there are none."""
    ours = tuple(local for local in found.models if local.place is None)
    if not ours and found.models:
        raise elsewhere_error(found.models[0].path, found.models[0].place)
    return ours


def elsewhere_error(path: Path, place: str | None) -> TargetError:
    """That another program's files are never deleted."""
    return TargetError("found_elsewhere", path=str(path), program=places.title(place or ""))


def _of_path(library: Library, text: str, path: Path) -> OnDisk:
    listed = {local.path: local for local in library.files()}
    if path.is_file():
        return OnDisk(text, (listed.get(path) or _damaged_or_at(library, path),))
    inside = tuple(local for other, local in listed.items() if other == path or other.is_relative_to(path))
    inside = inside or tuple(_damaged_or_at(library, other) for other in models_below(path))
    if not inside:
        raise _no_model(path)
    return OnDisk(text, inside, (path,) if manifest.read(path) is not None else ())


def _no_model(path: Path) -> TargetError:
    try:
        return safetensors.no_model(path)
    except OSError as error:
        return TargetError("file_unreadable", path=str(path), detail=error.strerror or str(error))


def _damaged_or_at(library: Library, path: Path) -> LocalModel:
    try:
        return library.at(path)
    except TargetError as error:
        size = path.stat().st_size if path.is_file() else 0
        return LocalModel(path, path.stem, size, refusal=Reason.of(error.code, **error.values))


def _of_repo(library: Library, text: str, repo: str, variant: str | None) -> OnDisk:
    models = library.of_repo(repo)
    folder = library.models.joinpath(*repo.split("/"))
    unfinished = _unfinished(library, {repo.lower()}, variant)
    known = manifest.read(folder)
    if not models and not unfinished and known is None:
        raise TargetError("repo_not_installed", repo=repo)
    wanted = of_variant(models, variant)
    if variant is not None and not wanted and not unfinished:
        kinds = ", ".join(dict.fromkeys(local.file_type or local.path.stem for local in models))
        raise TargetError("variant_not_installed", variant=variant, repo=repo, known=kinds)
    whole = (folder,) if variant is None and known is not None else ()
    return OnDisk(text, wanted, whole, unfinished)


def _unfinished(library: Library, repos: set[str], variant: str | None) -> tuple[Unfinished, ...]:
    def wanted(found: Unfinished) -> bool:
        parts = found.target.relative_to(library.models).parts
        if "/".join(parts[:2]).lower() not in repos or len(parts) < 3:
            return False
        name = found.target.name
        if variant is None:
            return True
        if not name.lower().endswith(".gguf"):
            return variant.lower() == safetensors.SUFFIX[1:]
        told = gguf_names.parse(name)
        return (
            variant.casefold() in {(told.type or "").casefold(), told.stem.casefold()} and not told.projector
        )

    return tuple(found for found in library.unfinished() if wanted(found))
