"""Which vision part (GGUF projector) beside a model's file belongs to it.

Only one that llama.cpp can use with GLM-4.1V's kind (``glm4v``), from the model's own folder. Of several the one counts
that came from the same repository or has the model's name; one that tells of another model is never taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..core.catalog import Catalog, plain_name
from ..core.gguf_names import GgufName, parse
from ..core.repository import PROJECTOR_TYPES
from .local_models import UNNAMED, LocalModel

GLM4V = "glm4v"

Rank = tuple[int, bool, int, str]


def with_projector(local: LocalModel, beside: Iterable[LocalModel], catalog: Catalog) -> LocalModel:
    """The model with its projector. ``beside``: whatever lies around it, models and projectors."""
    if local.header is None or local.refusal is not None or not local.header.has_mrope or local.is_projector:
        return local
    near = [other for other in beside if other.path.parent == local.path.parent]
    others = {_base(other.path) for other in near if not other.is_projector} - {_base(local.path)}
    fits = [
        (rank, other.path)
        for other in near
        if other.header is not None and other.header.projector_type == GLM4V
        if (rank := _rank(local, other, others, catalog)) is not None
    ]
    return replace(local, projector=min(fits)[1]) if fits else local


def each_with_its_own(found: Iterable[LocalModel], catalog: Catalog) -> tuple[LocalModel, ...]:
    """The models of a list, each with its projector; projectors are left out."""
    found = tuple(found)
    with_any = {local.path.parent for local in found if local.is_projector}
    folders: dict[Path, list[LocalModel]] = {folder: [] for folder in with_any}
    for local in found:
        if local.path.parent in folders:
            folders[local.path.parent].append(local)
    return tuple(
        with_projector(local, folders.get(local.path.parent, ()), catalog)
        for local in found
        if not local.is_projector
    )


def _rank(local: LocalModel, other: LocalModel, others: set[str], catalog: Catalog) -> Rank | None:
    """The smaller the better; None: it belongs to something else."""
    base, own = _base(other.path), _base(local.path)
    told = _told(other, catalog)
    same_repo = local.repo is not None and other.repo is not None and _paired(local, other, catalog)
    if local.repo is not None and other.repo is not None and not same_repo:
        return None
    if told is not None and local.model is not None and told != local.model:
        return None
    named = base == own or (told is not None and told == local.model)
    if not named and base in others:
        return None
    kind = _name(other.path).type
    best = PROJECTOR_TYPES.index(kind) if kind in PROJECTOR_TYPES else len(PROJECTOR_TYPES)
    step = 0 if named else 1 if base in UNNAMED else 2
    return step, not same_repo, best, str(other.path)


def _paired(local: LocalModel, other: LocalModel, catalog: Catalog) -> bool:
    """Whether both are of one repository, or of two that the catalogue names together."""
    repo, vision = (local.repo or "").lower(), (other.repo or "").lower()
    model = catalog.model(local.model) if local.model is not None else None
    sources = (
        [source for variant in model.variants for source in variant.sources] if model is not None else []
    )
    pairs = {(source.repo.lower(), source.projector_place.lower()) for source in sources}
    return repo == vision or (repo, vision) in pairs


def _told(projector: LocalModel, catalog: Catalog) -> str | None:
    """The catalogue's model that a projector's own name tells of: that of the longest name."""
    text = plain_name(projector.path.stem)
    found = [
        (len(alias), model.id)
        for model in catalog.models
        for alias in map(plain_name, model.names)
        if alias in text
    ]
    return max(found)[1] if found else None


def _name(path: Path) -> GgufName:
    return parse(f"{path.stem}.gguf")


def _base(path: Path) -> str:
    return _name(path).base
