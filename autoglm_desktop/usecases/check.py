"""The check: what this machine (or a described one) can run, how fast, and what to change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.catalog import SAFETENSORS, Model, Source
from ..core.check_values import Check
from ..core.checks import checks, deciding_plan
from ..core.checks_gpu_trouble import explained
from ..core.choice import DESIGNED
from ..core.errors import AppError
from ..core.ladder import engines_of, plan_model
from ..core.machine import Machine
from ..core.machine_file import machine_from_json
from ..core.programs import with_own
from ..core.protocol import Layout
from ..core.rungs import CrashNote, EngineState, ModelPlan
from ..core.subject import Subject, of_model
from ..probe.all import probe_machine
from ..probe.gpu_table import complete
from ..probe.outcome import FAILED, ProbeReport
from ..store.library import Library
from .advice import NO_ADVICE, Advice, with_advice
from .dry_runs import Head, dry_runs, head_of_file, heads_of_model, layouts
from .headers import with_headers
from .knowledge import NOTHING_KNOWN, Knowledge, knowledge
from .local_subject import together
from .plan import crash_notes, subjects_of
from .services import Services, gpu_table
from .targets import Named, Target, find

OnPart = Callable[[str, object], None]
MAX_MACHINE_FILE_BYTES = 10_000_000


@dataclass(frozen=True)
class CheckOptions:
    """What to check: ``target`` a file or ``MODEL[:VARIANT]`` (None: the catalogue); ``machine_file`` a
    machine to judge instead of this one; ``context`` tokens; ``order``: one of ``core.choice.ORDERS`` (None: as the
    settings say); ``held``: bytes by device that the model loaded by this very program takes, as its engine told."""

    target: str | None = None
    machine_file: Path | None = None
    wish: str | None = None
    context: int | None = None
    variant: str | None = None
    order: str | None = None
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """A subject of planning: ``model`` of the catalogue with the ``variant`` the target named, or ``files`` by
    variant, of what the user ``typed``."""

    subject: Subject
    title: str
    model: Model | None = None
    variant: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    typed: str | None = None

    def has(self, variant: str) -> bool:
        """Whether a variant (also ``safetensors``) is one of it."""
        subject = self.subject
        if variant.lower() == SAFETENSORS:
            return subject.safetensors is not None
        return subject.weights(variant) is not None

    def source(self, variant: str) -> Source | None:
        """Where a variant is said to be found."""
        found = self.model.variant(variant) if self.model is not None else None
        return found.sources[0] if found is not None and found.sources else None


@dataclass(frozen=True)
class CheckResult:
    """The machine, its checks held against the first model, and a ladder per subject (same order).
    ``described``: the machine came from a file. ``known``: what the plans were made with besides.
    ``advice``: what would help."""

    machine: Machine
    checks: tuple[Check, ...]
    models: tuple[ModelPlan, ...]
    subjects: tuple[Planned, ...]
    described: bool = False
    known: Knowledge = NOTHING_KNOWN
    advice: Advice = NO_ADVICE


async def run_check(services: Services, options: CheckOptions, on_part: OnPart | None = None) -> CheckResult:
    """Probe (or read) the machine and plan. ``on_part(name, value)`` as in ``probe_machine``, while it answers.

    Never uses the network. Raises AppError (machine_file_*), TargetError.
    """
    here = options.machine_file is None
    planning = asyncio.to_thread(planned, options.target, services, here=here)
    if options.machine_file is not None:
        subjects = await planning
        machine = await asyncio.to_thread(_described, options.machine_file)
        engines: tuple[EngineState, ...] = engines_of(machine.runtime.engines)
        known = Knowledge(order=options.order or DESIGNED)
        found = result(machine, subjects, options, engines, (), known, described=True)
        return await asyncio.to_thread(with_advice, found, options, engines, (), services.home)
    subjects, report = await asyncio.gather(
        planning, probe_machine(services.models, on_part, table=gpu_table())
    )
    machine, engines, crashes = await asyncio.to_thread(_here, services, report.machine, subjects)
    known = await asyncio.to_thread(knowledge, services, machine, options.order)
    machine = with_own(known.applied(machine), options.held)
    first = result(machine, subjects, options, engines, crashes, known)
    known = await _dry(services, first)
    found = result(machine, subjects, options, engines, crashes, known) if known.dry_runs else first
    found = _explained(found, report)
    return await asyncio.to_thread(with_advice, found, options, engines, crashes, services.home)


def _explained(found: CheckResult, report: ProbeReport) -> CheckResult:
    """With what NVIDIA's library said, where it had no answer or found something odd."""
    said = report.outcome("gpus.nvml")
    if said is None:
        return found
    failed = said.status == FAILED
    return replace(
        found, checks=explained(found.checks, found.machine, said.reason, said.advice, failed=failed)
    )


async def _dry(services: Services, found: CheckResult) -> Knowledge:
    """What was known and what engines tell of the buffers of the plans that fit."""
    laid = [layouts(plan, found.machine) for plan in found.models]
    pairs = list(zip(found.subjects, laid, strict=True))
    heads = await asyncio.to_thread(lambda: [_heads(services, planned, one) for planned, one in pairs])
    told = await dry_runs(services, list(zip(heads, laid, strict=True)))
    by_id = {planned.subject.id: one for planned, one in zip(found.subjects, told, strict=True) if one}
    return replace(found.known, dry_runs=by_id)


def _heads(services: Services, planned: Planned, laid: dict[str, tuple[Layout, ...]]) -> dict[str, Head]:
    """Headers of the variants that are laid out."""
    if planned.files:
        heads = {variant: head_of_file(path) for variant, path in planned.files.items() if variant in laid}
        return {variant: head for variant, head in heads.items() if head is not None}
    return heads_of_model(services, planned.model, tuple(laid)) if planned.model is not None else {}


def result(
    machine: Machine,
    subjects: tuple[Planned, ...],
    options: CheckOptions,
    engines: tuple[EngineState, ...],
    crashes: tuple[CrashNote, ...],
    known: Knowledge = NOTHING_KNOWN,
    *,
    described: bool = False,
) -> CheckResult:
    """The check's conclusions from what was found. Pure.

    A variant that was asked for leaves out the models without it, where there are several.
    """
    if options.variant is not None:
        subjects = tuple(found for found in subjects if found.has(options.variant or "")) or subjects[:1]
    models = tuple(
        plan_model(
            machine,
            found.subject,
            options.wish,
            context=options.context,
            variant=options.variant or found.variant,
            engines=engines,
            crashes=crashes,
            **known.for_plans_of(found.subject),
        )
        for found in subjects
    )
    plan = deciding_plan(models[0]) if models else None
    return CheckResult(machine, checks(machine, plan), models, subjects, described, known)


def planned(target: str | None, services: Services, *, here: bool = True) -> tuple[Planned, ...]:
    """What a target (None: every model of the catalogue) means. Not ``here``: on a machine where nothing is
    installed but the file that was named. Raises TargetError.
    """
    library = services.library
    if target is None:
        return tuple(_of_catalogue(model, None, services, here) for model in library.catalog.models)
    found = find(library, target)
    if isinstance(found, Named):
        return (_of_catalogue(found.model, found.variant, services, here),)
    return (replace(of_target(found, library), typed=target),)


def of_target(target: Target, library: Library) -> Planned:
    """Files on disk as a subject of planning. Raises TargetError where they can answer no text."""
    first, later = subjects_of(library, target)
    whole = together([first, *later])
    return Planned(whole.subject, target.name, files=whole.paths)


def read_machine(path: Path) -> Machine:
    """A Machine from a JSON file: the ``machine`` object or a whole ``check --json``, whole or in part.

    Raises AppError: machine_file_unreadable, machine_file_not_json, machine_file_wrong.
    """
    try:
        if path.is_file() and path.stat().st_size > MAX_MACHINE_FILE_BYTES:
            raise AppError("machine_file_wrong", path=str(path), detail="too large")
        data = json.loads(path.read_bytes())  # UTF-16, too, which is what PowerShell's ">" writes
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("machine_file_unreadable", path=str(path), detail=detail) from error
    except RecursionError as error:
        raise AppError("machine_file_not_json", path=str(path), detail="nested too deep") from error
    except ValueError as error:
        known = isinstance(error, (json.JSONDecodeError, UnicodeDecodeError))
        detail = str(error) if known else "a number has too many digits"
        raise AppError("machine_file_not_json", path=str(path), detail=detail) from error
    try:
        return machine_from_json(data)
    except ValueError as error:
        raise AppError("machine_file_wrong", path=str(path), detail=str(error)) from error


def _described(path: Path) -> Machine:
    return complete(read_machine(path), gpu_table())


def _of_catalogue(model: Model, variant: str | None, services: Services, here: bool) -> Planned:
    library = services.library
    subject = of_model(model, library.installed(model)) if here else of_model(model)
    return Planned(with_headers(services, subject, model, here=here), model.title, model, variant)


def _here(
    services: Services, machine: Machine, subjects: tuple[Planned, ...]
) -> tuple[Machine, tuple[EngineState, ...], tuple[CrashNote, ...]]:
    """This machine with its engines and what crashed on it."""
    machine = services.with_engines(machine)
    files = _files(services, subjects[0]) if len(subjects) == 1 else {}
    return machine, services.engine_states(), crash_notes(services, machine, files)


def _files(services: Services, subject: Planned) -> Mapping[str, Path]:
    """What is here of it, by variant."""
    if subject.model is None:
        return subject.files
    return {one.variant: one.path for one in services.library.runnable(subject.model.id) if one.variant}
