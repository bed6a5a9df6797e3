"""What the Models page lists: the files on this machine and the catalogue's variants, each judged for a machine."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import choice, verdict
from ..core.catalog import SAFETENSORS, Model, Source, Variant
from ..core.errors import AppError, Reason, TargetError
from ..core.ladder import plan_model
from ..core.machine import Machine
from ..core.rungs import CrashNote, EngineState, ModelPlan, RungPlan
from ..store.library import LocalModel
from ..store.transfer.journal import Unfinished
from .check import CheckResult, Planned, of_file, planned
from .knowledge import NOTHING_KNOWN, Knowledge
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
    """

    id: str
    bytes: int | None
    installed: bool
    source: Source | None
    plan: RungPlan | None
    verdict: str | None
    gguf: bool


@dataclass(frozen=True)
class CatalogueEntry:
    """``recommended``: the variant to get for this machine."""

    model: Model
    wish: str
    recommended: str | None
    variants: tuple[VariantEntry, ...]


@dataclass(frozen=True)
class ModelList:
    """``folder``: where files may be put by hand. ``folder_gone``: the user chose it, and it is not there now.
    ``unfinished``: downloads in it that are not complete."""

    files: tuple[FileEntry, ...]
    catalogue: tuple[CatalogueEntry, ...]
    folder: Path
    folder_gone: bool = False
    unfinished: tuple[Unfinished, ...] = ()


def list_models(services: Services, check: CheckResult | None) -> ModelList:
    """Read the library and plan everything for the checked machine (None: not checked yet). Reads files."""
    services.reread_settings()
    engines = services.engine_states()
    machine = check.machine if check is not None else None
    known = check.known if check is not None else NOTHING_KNOWN
    files = tuple(_file(services, local, machine, engines, known) for local in services.library.files())
    if check is None:
        subjects = planned(None, services)
        catalogue = tuple(_unjudged(found, found.model) for found in subjects if found.model is not None)
    else:
        notes = crash_notes(services, check.machine, None)
        catalogue = tuple(
            _judged(subject, subject.model, plan, check.machine, engines, notes, known)
            for subject, plan in zip(check.subjects, check.models, strict=True)
            if subject.model is not None
        )
    return ModelList(
        files,
        catalogue,
        services.library.models,
        services.models_folder_gone,
        services.library.unfinished(),
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


def _file(
    services: Services,
    local: LocalModel,
    machine: Machine | None,
    engines: tuple[EngineState, ...],
    known: Knowledge,
) -> FileEntry:
    removable = local.place is None and not services.library.is_own(local.path)
    if local.refusal is not None or machine is None:
        return FileEntry(local, None, local.refusal, removable)
    try:
        subject = of_file(local, services.library).subject
        notes = crash_notes(services, machine, local.path)
        plan = plan_model(machine, subject, engines=engines, crashes=notes, **known.for_plans)
    except AppError as error:
        log.info("%s cannot be planned: %s", local.path, error)
        return FileEntry(local, None, Reason.of(error.code, **error.values), removable)
    return FileEntry(local, plan, None, removable)


def _unjudged(subject: Planned, model: Model) -> CatalogueEntry:
    variants = tuple(_variant(subject, variant) for variant in model.variants)
    return CatalogueEntry(model, subject.subject.default_wish, None, variants)


def _judged(
    subject: Planned,
    model: Model,
    plan: ModelPlan,
    machine: Machine,
    engines: tuple[EngineState, ...],
    notes: tuple[CrashNote, ...],
    known: Knowledge,
) -> CatalogueEntry:
    def judged(variant: Variant) -> VariantEntry:
        entry = _variant(subject, variant)
        ladder = plan_model(
            machine,
            subject.subject,
            plan.wish,
            variant=variant.id,
            engines=engines,
            crashes=notes,
            **known.for_plans,
        ).ladder
        best = _best([row for row in ladder if row.rung.startswith("gguf") == entry.gguf], plan.wish)
        fits = best is not None and best.status == "fits"
        word = verdict.judge(best, plan.wish) if best is not None and fits else None
        return replace(entry, plan=best, verdict=word)

    recommended = plan.recommended.variant if plan.recommended is not None else None
    return CatalogueEntry(model, plan.wish, recommended, tuple(map(judged, model.variants)))


def _variant(subject: Planned, variant: Variant) -> VariantEntry:
    """A variant before it is judged."""
    gguf = variant.format != SAFETENSORS
    weights = subject.subject.weights(variant.id) if gguf else subject.subject.safetensors
    size = weights.file_bytes if weights is not None else None
    installed = weights is not None and weights.installed
    return VariantEntry(variant.id, size, installed, subject.source(variant.id), None, None, gguf)


def _best(rows: list[RungPlan], wish: str) -> RungPlan | None:
    """The row to tell of: the best that fits, else the nearest that is too big, else any."""
    fitting = [row for row in rows if row.status == "fits"]
    return choice.best(fitting, wish) or choice.nearest(rows) or (rows[-1] if rows else None)


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
