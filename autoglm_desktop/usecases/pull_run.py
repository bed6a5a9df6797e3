"""Fetching the files of a plan: small ones first, some at a time, then large ones one after another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.downloads import FileProgress, Pulled, PulledFile, PullPlan, PullProgress
from ..core.errors import AppError, Reason
from ..core.rates import Rate, time_left
from ..core.repository import SAFETENSORS, RemoteFile
from ..store import gguf, manifest
from ..store.transfer.values import TransferProgress, Wanted
from .pull_disk import is_here, left
from .services import Services

if TYPE_CHECKING:
    from ..store.transfer.place import Place

log = logging.getLogger(__name__)

SMALL_BYTES = 8 * 1024 * 1024
AT_ONCE = 4
REPORT_EVERY_S = 0.2


class Fetching:
    """One run over a plan. ``notice``: something to say from the start."""

    def __init__(
        self,
        services: Services,
        plan: PullPlan,
        report: Callable[[PullProgress], None],
        notice: Reason | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services, self._plan, self._report, self._clock = services, plan, report, clock
        self._notice = notice
        self._files = {file.path: FileProgress(file.path, "queued", 0, file.size) for file in plan.files}
        self._received: dict[str, int] = {}
        self._notices: dict[str, Reason | None] = {}
        self._rate = Rate()
        self._told = 0.0
        self._done: dict[str, PulledFile] = {}

    async def run(self) -> Pulled:
        """Raises TransferError, AppError."""
        begun = self._clock()
        await asyncio.to_thread(self._look_at_disk)
        self._tell(force=True)
        small = [file for file in self._plan.files if file.size is not None and file.size <= SMALL_BYTES]
        large = [file for file in self._plan.files if file not in small]
        await self._some_at_once(small)
        for file in large:
            await self._one(file)
        notes = await asyncio.to_thread(self._look_inside)
        self._tell("done", force=True)
        files = tuple(self._done[file.path] for file in self._plan.files)
        return Pulled(self._plan, files, self._clock() - begun, (*self._plan.notes, *notes))

    def _look_at_disk(self) -> None:
        """Start the progress with what earlier runs have left."""
        for file in self._plan.files:
            missing = left(self._plan.folder, file)
            here = is_here(self._plan.folder, file)
            done = (file.size or 0) - (missing or 0) if missing is not None else 0
            self._files[file.path] = FileProgress(file.path, "done" if here else "queued", done, file.size)

    async def _some_at_once(self, files: list[RemoteFile]) -> None:
        waiting = list(files)

        async def work() -> None:
            while waiting:
                await self._one(waiting.pop(0))

        tasks = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(files)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, file: RemoteFile) -> None:
        from ..store.transfer.client import Limits
        from ..store.transfer.fetch import fetch

        plan = self._plan
        if await asyncio.to_thread(is_here, plan.folder, file):
            how = "sha256" if file.sha256 else "git_sha1"
            self._done[file.path] = PulledFile(file.path, file.size or 0, how, 0, None, file.sha256)
            self._set(file, "done", file.size or 0)
            return
        wanted = Wanted(plan.folder / file.path, file.size, file.sha256, file.git_sha1, plan.commit)
        limits = self._services.web.limits or Limits()
        places = await self._places(file)
        found = await fetch(wanted, places, lambda progress: self._seen(file, progress), limits)
        source = found.sources[0] if found.sources else None
        self._done[file.path] = PulledFile(
            file.path, found.size, found.verified, found.fetched_bytes, source, file.sha256
        )
        self._set(file, "done", found.size)
        await asyncio.to_thread(self._note, file, found.verified, found.size)

    async def _places(self, file: RemoteFile) -> list[Place]:
        """A copy that lies on this machine under the same hash first, then the sources."""
        web, found = self._services.web, self._services.library.elsewhere
        places: list[Place] = []
        same = None
        if found is not None and file.sha256:
            same = await asyncio.to_thread(found.with_sha256, file.sha256)
        if same is not None:
            from ..store.sources.folder import FolderPlace

            places.append(FolderPlace(str(same.parent), same, file))
        for copy in self._plan.copies:
            own = copy.file(file.path)
            if own is not None:
                places.append(web.source(copy.source).place(copy.repo, copy.commit, own))
        return places

    def _note(self, file: RemoteFile, verified: str, size: int) -> None:
        """The manifest beside the files knows it from now on."""
        plan = self._plan
        entry = manifest.ManifestFile(file.path, size, file.sha256, file.git_sha1, verified)
        source = plan.copies[0].source if plan.copies else None
        manifest.merge(plan.folder, manifest.Manifest(plan.repo, source, plan.commit, (entry,)))

    def _look_inside(self) -> tuple[Reason, ...]:
        """What the headers of the GGUF files say that came: refusals and warnings, not failures."""
        if self._plan.variant == SAFETENSORS:
            return ()
        notes: list[Reason] = []
        for file in self._plan.files:
            path = self._plan.folder / file.path
            if path.suffix.lower() != ".gguf":
                continue
            try:
                notes += _warnings(path, phone=self._phone)
            except AppError as error:
                notes.append(Reason.of(error.code, **error.values))
        return tuple(notes)

    @property
    def _phone(self) -> bool:
        model = self._services.library.catalog.model(self._plan.model or "")
        return model is not None and model.vision

    # Progress.

    def _seen(self, file: RemoteFile, progress: TransferProgress) -> None:
        known = self._files[file.path]
        done = progress.done_bytes if progress.phase != "waiting" else known.done_bytes
        self._received[file.path] = progress.received_bytes
        self._notices[file.path] = progress.notice
        self._files[file.path] = FileProgress(
            file.path, progress.phase, done, progress.size, progress.sources, progress.restarts
        )
        self._tell(force=known.phase != progress.phase or known.restarts != progress.restarts)

    def _set(self, file: RemoteFile, phase: str, done: int) -> None:
        self._files[file.path] = replace(self._files[file.path], phase=phase, done_bytes=done, sources=())
        self._notices.pop(file.path, None)
        self._tell(force=True)

    def _tell(self, stage: str | None = None, *, force: bool = False) -> None:
        now = self._clock()
        if now - self._told < REPORT_EVERY_S and not force:
            return
        self._told = now
        files = tuple(self._files.values())
        self._rate.add(now, sum(self._received.values()))
        done = sum(file.done_bytes for file in files)
        total = self._plan.total_bytes
        rate = self._rate.per_second()
        busy = [file for file in files if file.phase in ("fetch", "verify", "waiting")]
        verifying = bool(busy) and all(file.phase == "verify" for file in busy)
        notices = [notice for notice in self._notices.values() if notice is not None]
        self._report(
            PullProgress(
                stage or ("verify" if verifying else "fetch"),
                done,
                total,
                rate,
                time_left(None if total is None else max(0, total - done), rate),
                files,
                tuple(dict.fromkeys(name for file in busy for name in file.sources)),
                notices[0] if notices else self._notice,
            )
        )


def _warnings(path: Path, *, phone: bool) -> list[Reason]:
    """What is to be said of a GGUF file that came. Raises TargetError."""
    header = gguf.read_header(path)
    if header.is_projector:
        known = header.projector_type == "glm4v"
        return [] if known or not phone else [Reason.of("projector_unknown", type=header.projector_type)]
    refusal = gguf.refusal(header)
    if refusal is not None:
        return [refusal]
    return [Reason.of("no_mrope", name=path.name)] if phone and not header.has_mrope else []
