"""Buffers of the plans that fit, told by the installed engine's own dry run: no weight is read, no network is used.

For files that are here and for kept headers (as a sparse file beside the cache). What an engine told is kept by its
build, the header and the layout. Everything may fail without harm: then the plan's formulas stay.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import protocol
from ..core.catalog import Model
from ..core.errors import AppError
from ..core.machine import Machine
from ..core.protocol import Layout
from ..core.rungs import ModelPlan
from ..core.setting import DryRuns
from ..host.crashes import file_key
from ..host.environments import Environment
from ..host.process import EngineProcess
from ..store import sparse
from ..store.headers import Cached
from .services import Services

log = logging.getLogger(__name__)

LIMIT_S = 3.0
"""For all dry runs of a check together."""
MOST_KEPT = 500
FOLDER = "dry-run-"
FINAL = ("bad_file", "unsupported", "crashed")
"""Failures that are kept like answers: the same engine would fail again."""
SPARE_BYTES = 500_000_000
"""Left free on a disk whose files may have no holes."""

Memory = dict[str, dict[str, int]]
Start = Callable[[Environment], Awaitable[EngineProcess]]


@dataclass(frozen=True)
class Head:
    """A header that a dry run can be made of: of a ``file`` that is here, or a ``kept`` one. ``key`` tells it apart."""

    key: str
    file: Path | None = None
    kept: Cached | None = None


@dataclass(frozen=True)
class _Job:
    variant: str
    head: Head
    environment: Environment
    layouts: tuple[Layout, ...]

    def key(self, layout: Layout) -> str:
        environment = self.environment
        build = f"{environment.description.name} {environment.build} {environment.record.build}"
        return f"{build} | {self.head.key} | {layout.context} {layout.kv_type} {layout.gpu_layers}"


def heads_of_model(services: Services, model: Model, variants: Sequence[str]) -> dict[str, Head]:
    """Of a model of the catalogue: files that are here first, then kept headers. Reads files."""
    wanted = {variant.lower() for variant in variants}
    found: dict[str, Head] = {}
    repos = {source.repo.lower() for form in model.variants for source in form.sources}
    for entry in reversed(services.headers.all()):
        if entry.repo.lower() in repos and entry.variant.lower() in wanted:
            found[entry.variant.lower()] = Head(entry.key, kept=entry)
    for local in services.library.files():
        if local.model == model.id and local.variant and local.variant.lower() in wanted and local.complete:
            head = head_of_file(local.path)
            if head is not None:
                found[local.variant.lower()] = head
    return {variant: found[variant.lower()] for variant in variants if variant.lower() in found}


def head_of_file(path: Path) -> Head | None:
    """Of a file that is here; None where it can't be read."""
    key = file_key(path)
    return Head(key, file=path) if key is not None else None


def layouts(plan: ModelPlan, machine: Machine) -> dict[str, tuple[Layout, ...]]:
    """What the fitting GGUF rungs would lay out, by variant. An engine's numbers of several cards need not be the
    machine's: layers on a card are asked for where there is one."""
    found: dict[str, dict[Layout, None]] = {}
    for row in plan.ladder:
        if not row.rung.startswith("gguf") or row.status != "fits" or row.context is None:
            continue
        if row.gpu_layers and len(machine.gpus) != 1:
            continue
        layout = Layout(row.context, row.kv_type or "f16", row.gpu_layers or 0)
        found.setdefault(row.variant or "", {})[layout] = None
    return {variant: tuple(some) for variant, some in found.items()}


async def dry_runs(
    services: Services,
    wanted: Sequence[tuple[Mapping[str, Head], Mapping[str, tuple[Layout, ...]]]],
    limit_s: float = LIMIT_S,
    start: Start | None = None,
) -> tuple[DryRuns, ...]:
    """What engines tell of each model's heads and layouts (by variant), in the same order; what can't be told is
    missing. Never raises for an engine or a disk that fails."""
    environments = _environments(services)
    jobs = [[*_jobs(environments, heads, laid)] for heads, laid in wanted]
    kept = _Kept(services.cache / "dry-runs.json")
    known = await asyncio.to_thread(kept.read)
    missing = [
        job for some in jobs for job in some if any(job.key(layout) not in known for layout in job.layouts)
    ]
    if missing:
        told = await _ask(services, missing, limit_s, start or services.start_engine)
        known.update(told)
        if told:
            await asyncio.to_thread(kept.write, known)
    return tuple(_told(some, known) for some in jobs)


class Remembered:
    """What engines told before; none is started. Reads files when it is made."""

    def __init__(self, services: Services) -> None:
        self._environments = _environments(services)
        self._known = _Kept(services.cache / "dry-runs.json").read()

    def of(self, heads: Mapping[str, Head], laid: Mapping[str, tuple[Layout, ...]]) -> DryRuns:
        """As ``dry_runs`` for one model, as far as it is kept."""
        return _told(_jobs(self._environments, heads, laid), self._known)


def _environments(services: Services) -> list[Environment]:
    return [one for one in services.environments.installed() if one.record.self_test != "failed"]


def _told(jobs: Sequence[_Job], known: Mapping[str, Memory]) -> DryRuns:
    return {
        (job.variant, layout): known[job.key(layout)]
        for job in jobs
        for layout in job.layouts
        if known.get(job.key(layout))
    }


async def dry_runs_of_files(
    services: Services, machine: Machine, files: Mapping[str, Path], plan: ModelPlan
) -> DryRuns:
    """What an engine tells of the plans that fit, of files by variant. Never raises for an engine or a disk that
    fails."""
    laid = {variant: some for variant, some in layouts(plan, machine).items() if variant in files}
    found = {variant: await asyncio.to_thread(head_of_file, files[variant]) for variant in laid}
    heads = {variant: head for variant, head in found.items() if head is not None}
    return (await dry_runs(services, [(heads, laid)]))[0]


def _jobs(
    environments: Sequence[Environment], heads: Mapping[str, Head], laid: Mapping[str, tuple[Layout, ...]]
) -> list[_Job]:
    """Layouts with layers on a card go to an engine that knows cards, others to one that doesn't."""
    found = []
    for variant, head in heads.items():
        for gpu in (False, True):
            some = tuple(layout for layout in laid.get(variant, ()) if bool(layout.gpu_layers) == gpu)
            able = (
                one
                for one in environments
                if one.description.backend == "llama.cpp" and one.description.gpu == gpu
            )
            environment = next(able, None)
            if some and environment is not None:
                found.append(_Job(variant, head, environment, some))
    return found


async def _ask(services: Services, jobs: Sequence[_Job], limit_s: float, start: Start) -> dict[str, Memory]:
    """One engine process for each environment; what was told until the time was over."""
    told: dict[str, Memory] = {}
    try:
        await asyncio.wait_for(_ask_all(services, jobs, start, told), limit_s)
    except asyncio.TimeoutError:
        log.warning("dry runs took longer than %.1f s", limit_s)
    except (AppError, OSError, ValueError) as error:
        log.warning("no dry run: %s", error)
    return told


async def _ask_all(services: Services, jobs: Sequence[_Job], start: Start, told: dict[str, Memory]) -> None:
    for environment in {job.environment.description.name: job.environment for job in jobs}.values():
        engine = await start(environment)
        try:
            for job in (job for job in jobs if job.environment is environment):
                await _ask_one(services, engine, job, told)
                if engine.exit is not None:
                    break
        finally:
            engine.kill()  # it holds nothing that it would have to put away
            await engine.close()


async def _ask_one(services: Services, engine: EngineProcess, job: _Job, told: dict[str, Memory]) -> None:
    with tempfile.TemporaryDirectory(prefix=FOLDER, dir=_made(services.cache)) as folder:
        path = await asyncio.to_thread(_file, services, job.head, Path(folder))
        if path is None:
            return
        answer = await engine.job(
            protocol.DryRun(job.environment.description.backend, str(path), job.layouts)
        )
    if isinstance(answer, protocol.Sizes):
        told.update({job.key(one.layout): one.memory for one in answer.sizes})
        return
    log.warning("dry run of %s: %s", job.variant, answer)
    if isinstance(answer, protocol.Failed) and answer.kind in FINAL:
        told.update({job.key(layout): {} for layout in job.layouts})


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file(services: Services, head: Head, folder: Path) -> Path | None:
    """The file that is here, or a kept header as long as the whole file. Raises OSError, AppError."""
    if head.file is not None or head.kept is None:
        return head.file
    if shutil.disk_usage(folder).free < head.kept.size + SPARE_BYTES:
        return None
    path = folder / "head.gguf"
    sparse.write_head(path, services.headers.head(head.kept), head.kept.size)
    return path


class _Kept:
    """What engines told, in one JSON file of the cache; anything unreadable counts as not there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Memory]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(key): _memory(value) for key, value in data["told"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("kept dry runs: %s", error)
            return {}

    def write(self, told: Mapping[str, Memory]) -> None:
        partial = self._path.with_suffix(f".{os.getpid()}.part")
        newest = dict(list(told.items())[-MOST_KEPT:])
        try:
            partial.write_text(json.dumps({"schema": 1, "told": newest}, indent=1), encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            log.warning("dry runs not kept: %s", error)


def _memory(data: Any) -> Memory:
    """Raises ValueError, TypeError, AttributeError for what is none."""
    found = {
        str(device): {str(cause): int(size) for cause, size in causes.items()}
        for device, causes in data.items()
    }
    if any(size < 0 for causes in found.values() for size in causes.values()):
        raise ValueError("a negative size")
    return found
