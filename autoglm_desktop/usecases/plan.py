"""From a target to its ladder on this machine as it is now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.catalog import SAFETENSORS
from ..core.errors import TargetError
from ..core.ladder import plan_model, smaller_plans
from ..core.machine import Machine
from ..core.programs import without_own
from ..core.rungs import CrashNote, ModelPlan, RungPlan
from ..host.crashes import file_key, hardware_key
from ..host.starts import Files
from ..store.library import Library
from . import made_projectors, saved_forms
from .dry_runs import dry_runs_of_files
from .knowledge import knowledge
from .loading import Prepared, Wishes
from .local_subject import LocalSubject, of_local_file, together
from .services import Services
from .targets import Target

log = logging.getLogger(__name__)
NO_FILES: Mapping[str, Path] = {}


async def prepare(services: Services, target: Target, wishes: Wishes) -> Prepared:
    """The ladder of a target on this machine. Raises TargetError where nothing of it can be run at all."""
    machine, (first, later) = await asyncio.gather(
        services.machine(), asyncio.to_thread(subjects_of, services.library, target)
    )
    known = await asyncio.to_thread(knowledge, services, machine)
    machine = without_own(
        known.applied(machine)
    )  # this session's own engine has ended; another window's has not
    engines = services.engine_states()
    everything = together([first, *later])
    notes = await asyncio.to_thread(crash_notes, services, machine, everything.paths)

    async def ladder(part: LocalSubject) -> ModelPlan:
        def planned(**more: Any) -> ModelPlan:
            return plan_model(
                machine, part.subject, wishes.wish, context=wishes.context, engines=engines, crashes=notes,
                **known.for_plans, **more,
            )  # fmt: skip

        plan = planned()
        told = await dry_runs_of_files(services, machine, part.paths, plan)
        return planned(dry_runs=told) if told else plan

    plan = await ladder(first)
    used = {row.variant for row in plan.ladder if row.status == "fits"}
    left = [part for part in _alone(first) if used.isdisjoint(part.files)] if len(first.files) > 1 else []
    more = [await ladder(part) for part in (*left, *later)]
    spare = tuple(row for other in more for row in _startable(other))

    def smaller(current: RungPlan) -> Iterator[RungPlan]:
        return smaller_plans(
            current,
            machine,
            everything.subject,
            context=wishes.context,
            engines=engines,
            **known.for_smaller_plans,
        )

    def files(current: RungPlan) -> Files:
        return _files(everything, current)

    async def make(current: RungPlan) -> Files:
        return await _made(services, _files(everything, current), current)

    return Prepared(
        target.file, replace(plan, id=target.name), machine, smaller, files, make, spare, target.is_demo
    )


def subjects_of(library: Library, target: Target) -> tuple[LocalSubject, list[LocalSubject]]:
    """What is planned as one, and what else may be tried after it. Reads files. Raises TargetError."""
    found: list[LocalSubject] = []
    error: TargetError | None = None
    for path in target.files:
        try:
            found.append(of_local_file(library, library.at(path), target.name))
        except TargetError as problem:
            if not target.others or (path == target.file and not target.whole):
                raise
            log.warning("%s is left out: %s", path, problem)
            error = error or problem
    if not found and error is not None:
        raise error
    return (together(found), []) if target.whole else (found[0], found[1:])


def _alone(subject: LocalSubject) -> list[LocalSubject]:
    return [subject.only([variant]) for variant in subject.files]


def _startable(plan: ModelPlan) -> Iterator[RungPlan]:
    rows = (row for row in plan.ladder if row.status == "fits" and row.installed and row.engine_installed)
    return iter(sorted(rows, key=lambda row: row.rung != plan.chosen))


def _files(subject: LocalSubject, plan: RungPlan) -> Files:
    """What is here. The projector: of the file, else of another file of the model."""
    local = subject.files[plan.variant or ""]
    if local.is_folder:
        return Files(local.path)
    # The plan counts with one for all files of a model, also with those that have none beside them.
    owners = (local, *subject.files.values())
    projector = next((one.projector for one in owners if one.projector is not None), None)
    return Files(local.path, projector if plan.projector != "none" else None)


async def _made(services: Services, files: Files, plan: RungPlan) -> Files:
    """With what this program makes of them: the 4-bit form's place, the projector in the plan's type."""
    if plan.rung.startswith("transformers"):
        return await saved_forms.files(services, files.model, plan)
    if files.projector is None:
        return files
    return replace(
        files, projector=await made_projectors.ready(services, files.projector, plan.projector_type)
    )


def crash_notes(
    services: Services, machine: Machine, files: Mapping[str, Path] = NO_FILES
) -> tuple[CrashNote, ...]:
    """Rungs that died on this machine with the engines that are installed now, also those that died with one of
    ``files`` (by variant) only."""
    hardware = hardware_key(machine)
    found: dict[CrashNote, None] = {}
    for environment in services.environments.installed():
        build, backend = environment.record.version or "", environment.description.backend
        common = services.crashes.notes(hardware, build, backend, None)
        found.update(dict.fromkeys(common))
        for variant, path in files.items():
            if (variant == SAFETENSORS) != (backend == "transformers"):
                continue
            own = services.crashes.notes(hardware, build, backend, file_key(path))
            found.update(dict.fromkeys(replace(note, variant=variant) for note in own if note not in common))
    return tuple(found)
