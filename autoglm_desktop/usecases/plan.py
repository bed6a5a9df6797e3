"""From a target to its ladder on this machine as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import TargetError
from ..core.gguf_header import GgufHeader, refusal
from ..core.ladder import plan_model, smaller_plans
from ..core.machine import Machine
from ..core.programs import without_own
from ..core.rungs import CrashNote, ModelPlan, RungPlan
from ..core.subject import Subject, of_header
from ..host.crashes import file_key, hardware_key
from ..host.starts import Files
from ..store import gguf
from ..store.library import Library, projector_weights
from . import made_projectors
from .dry_runs import dry_runs_of_file
from .knowledge import knowledge
from .loading import Prepared, Wishes
from .services import Services
from .targets import Target


async def prepare(services: Services, target: Target, wishes: Wishes) -> Prepared:
    """The ladder of a file on this machine. Raises TargetError where the file can't be run at all."""
    machine, (subject, projector) = await asyncio.gather(
        services.machine(), asyncio.to_thread(subject_of_target, services.library, target)
    )
    engines = services.engine_states()
    notes = await asyncio.to_thread(crash_notes, services, machine, target.file)
    known = await asyncio.to_thread(knowledge, services, machine)
    machine = without_own(
        known.applied(machine)
    )  # the session's own engine has ended; another window's has not

    def planned(**more: Any) -> ModelPlan:
        return plan_model(
            machine,
            subject,
            wishes.wish,
            context=wishes.context,
            engines=engines,
            crashes=notes,
            **known.for_plans,
            **more,
        )

    plan = planned()
    told = await dry_runs_of_file(services, machine, target.file, plan)
    if told:
        plan = planned(dry_runs=told)

    def smaller(current: RungPlan) -> Iterator[RungPlan]:
        return smaller_plans(
            current, machine, subject, context=wishes.context, engines=engines, **known.for_smaller_plans
        )

    async def files(current: RungPlan) -> Files:
        if projector is None or current.projector == "none":
            return Files(target.file)
        return Files(target.file, await made_projectors.ready(services, projector, current.projector_type))

    return Prepared(target.file, plan, machine, smaller, files)


def subject_of_target(library: Library, target: Target) -> tuple[Subject, Path | None]:
    """What the planner plans for a target, and its vision part. Raises TargetError."""
    header = runnable_header(target.file)
    local = library.at(target.file)
    model = library.catalog.model(local.model) if local.model is not None else None
    projector = projector_weights(local.projector) if local.projector is not None else None
    phone = model.phone if model is not None else False
    return of_header(header, target.name, phone=phone, projector=projector), local.projector


def runnable_header(path: Path) -> GgufHeader:
    """The header of a file that can answer text. Raises TargetError."""
    header = gguf.read_header(path)
    reason = refusal(header)
    if reason is not None:
        raise TargetError(reason.code, path=str(path), **reason.as_dict())
    return header


def crash_notes(services: Services, machine: Machine, file: Path | None) -> tuple[CrashNote, ...]:
    """Rungs that died on this machine with the engines that are installed now."""
    hardware = hardware_key(machine)
    key = file_key(file) if file is not None else None
    return tuple(
        note
        for environment in services.environments.installed()
        for note in services.crashes.notes(
            hardware, environment.record.version or "", environment.description.backend, key
        )
    )
