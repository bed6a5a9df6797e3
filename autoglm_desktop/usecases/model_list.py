"""What the Models page lists: the files on this machine and the catalogue's variants, each judged for a machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import verdict
from ..core.catalog import SAFETENSORS, Model, Source, Variant
from ..core.errors import AppError, Reason, TargetError
from ..core.rungs import ModelPlan, RungPlan
from ..store.library import Library, LocalModel
from ..store.transfer.journal import Unfinished
from . import demo, made_projectors, saved_forms
from .check import CheckResult, Planned, planned
from .dry_runs import Head, head_of_file, heads_of_model
from .judging import Judge, judge_for
from .local_subject import of_local_file
from .plan import crash_notes
from .services import Services

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileEntry:
    """A file. ``plan`` is None while the machine is unknown or where the file is refused (``refusal``);
    ``removable``: it was added to the list, and can be taken from it (the file stays)."""

    local: LocalModel
    plan: ModelPlan | None
    refusal: Reason | None
    removable: bool


@dataclass(frozen=True)
class VariantEntry:
    """A variant of a catalogue model. ``plan``: the best way to run it here, else the one that comes closest.

    ``verdict`` as in ModelPlan; None where the plan's speed is unknown although it fits, or nothing is planned.
    ``headline``: the same as a sentence. ``judged``: there was a machine to judge for.
    """

    id: str
    bytes: int | None
    installed: bool
    source: Source | None
    plan: RungPlan | None
    verdict: str | None
    gguf: bool
    headline: Reason | None = None
    judged: bool = False


@dataclass(frozen=True)
class CatalogueEntry:
    """``recommended``: the variant to get for this machine."""

    model: Model
    wish: str
    recommended: str | None
    variants: tuple[VariantEntry, ...]


@dataclass(frozen=True)
class MadeHere:
    """What was made here of a model, and can be made again. ``source``: the name of what it was made of; ``kind``:
    Q8_0, nf4 or nf4-lean; ``projector``: a vision part."""

    path: Path
    size_bytes: int
    source: str
    kind: str
    projector: bool = False


@dataclass(frozen=True)
class ModelList:
    """``folder``: where files may be put by hand. ``folder_gone``: the user chose it, and it is not there now.
    ``unfinished``: downloads in it that are not complete. ``made``: what was made of models here. ``demo_bytes``: what
    the demo takes in this installation, None where it is missing; it is none of ``files``."""

    files: tuple[FileEntry, ...]
    catalogue: tuple[CatalogueEntry, ...]
    folder: Path
    folder_gone: bool = False
    unfinished: tuple[Unfinished, ...] = ()
    made: tuple[MadeHere, ...] = ()
    demo_bytes: int | None = None


def made_here(library: Library) -> tuple[MadeHere, ...]:
    """All that was made here. Reads files."""
    parts = made_projectors.made(library)
    forms = saved_forms.made(library)
    return (
        *(
            MadeHere(one.path, one.size_bytes, one.source, made_projectors.KIND, projector=True)
            for one in parts
        ),
        *(MadeHere(one.path, one.size_bytes, one.source, one.quantisation) for one in forms),
    )


def list_models(services: Services, check: CheckResult | None) -> ModelList:
    """Read the library and plan everything for the checked machine (None: not checked yet), with the headers and dry
    runs that are kept by now. Reads files."""
    services.reread_settings()
    judge = judge_for(services, check.machine, check.known) if check is not None else None
    subjects = [found for found in planned(None, services) if found.model is not None]
    return ModelList(
        tuple(_file(services, local, judge) for local in services.library.files()),
        tuple(_catalogue(services, found, check, judge) for found in subjects),
        services.library.models,
        services.models_folder_gone,
        services.library.unfinished(),
        made_here(services.library),
        demo.size_bytes(services),
    )


def add_file(services: Services, path: Path) -> LocalModel:
    """Remember a GGUF file where it lies. Raises TargetError where it can't be run, AppError(state_unwritable)."""
    if path.is_dir():
        raise TargetError("import_needs_a_file", path=str(path))
    if not path.exists():
        raise TargetError("file_not_found", path=str(path))
    found = services.library.at(path)
    if found.refusal is not None:
        raise TargetError(found.refusal.code, **{**found.refusal.as_dict(), "path": str(path)})
    services.require_home()
    return services.library.add(path)


def _file(services: Services, local: LocalModel, judge: Judge | None) -> FileEntry:
    removable = local.place is None and not services.library.is_own(local.path)
    if local.refusal is not None or judge is None:
        return FileEntry(local, None, local.refusal, removable)
    try:
        found = of_local_file(services.library, local)
        head = head_of_file(local.path)
        heads = {one.variant: head for one in found.subject.gguf if head is not None}
        notes = crash_notes(services, judge.machine, found.paths)
        plan = judge.plan(found.subject, heads, crashes=notes)
    except AppError as error:
        log.info("%s cannot be planned: %s", local.path, error)
        return FileEntry(local, None, Reason.of(error.code, **error.values), removable)
    return FileEntry(local, plan, None, removable)


def _catalogue(
    services: Services, found: Planned, check: CheckResult | None, judge: Judge | None
) -> CatalogueEntry:
    model = found.model
    assert model is not None  # the caller has left the others out
    if check is None or judge is None:
        variants = tuple(_variant(found, variant) for variant in model.variants)
        return CatalogueEntry(model, found.subject.default_wish, None, variants)
    heads = heads_of_model(services, model, [variant.id for variant in model.variants])
    plan = _plan(found, check, judge, heads)

    def judged(variant: Variant) -> VariantEntry:
        entry = _variant(found, variant)
        told = judge.variant(found.subject, heads, variant.id, plan.wish, gguf=entry.gguf)
        fits = told.plan is not None and told.plan.status == "fits"
        word = verdict.judge(told.plan, plan.wish) if told.plan is not None and fits else None
        return replace(entry, plan=told.plan, verdict=word, headline=told.headline, judged=True)

    recommended = plan.recommended.variant if plan.recommended is not None else None
    return CatalogueEntry(model, plan.wish, recommended, tuple(map(judged, model.variants)))


def _plan(found: Planned, check: CheckResult, judge: Judge, heads: Mapping[str, Head]) -> ModelPlan:
    """The check's own plan, unless something of the model has become known, or has arrived, since."""
    for subject, plan in zip(check.subjects, check.models, strict=True):
        if subject.subject.id == found.subject.id:
            if subject.subject == found.subject:
                return plan
            return judge.plan(found.subject, heads, plan.wish)
    return judge.plan(found.subject, heads)


def _variant(subject: Planned, variant: Variant) -> VariantEntry:
    """A variant before it is judged."""
    gguf = variant.format != SAFETENSORS
    weights = subject.subject.weights(variant.id) if gguf else subject.subject.safetensors
    size = weights.file_bytes if weights is not None else None
    installed = weights is not None and weights.installed
    return VariantEntry(variant.id, size, installed, subject.source(variant.id), None, None, gguf)


def make_folder(services: Services) -> Path:
    """The folder for models, made where it is missing. Raises AppError(folder_not_writable,
    models_folder_gone)."""
    folder = services.library.models
    if services.models_folder_gone:  # making it would fill the place where a disk is mounted
        raise AppError("models_folder_gone", path=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AppError(
            "folder_not_writable", path=str(folder), detail=error.strerror or str(error)
        ) from error
    return folder
