"""Fetching the files of a plan: small ones first, some at a time, then large ones one after another."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.downloads import Copy, Pulled, PulledFile, PullPlan, PullProgress
from ..core.errors import AppError, Reason, TransferError
from ..core.repository import SAFETENSORS, RemoteFile
from ..store import gguf, manifest
from ..store.transfer.ending import to_the_end
from ..store.transfer.values import Fetched, Wanted
from .pull_choose import SMALL_BYTES
from .pull_disk import identity, is_here, is_other, left, require_same
from .pull_progress import Progress
from .services import Services

if TYPE_CHECKING:
    from ..store.transfer.place import Place

log = logging.getLogger(__name__)

AT_ONCE = 4
GLM4V = "glm4v"


class Fetching:
    """One run over a plan. ``notice``: something to say from the start; ``before``: the run that this one goes on
    with, after a change at the source."""

    def __init__(
        self,
        services: Services,
        plan: PullPlan,
        report: Callable[[PullProgress], None],
        notice: Reason | None = None,
        before: Fetching | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services, self._plan, self._clock = services, plan, clock
        self._begun: float = before._begun if before is not None else clock()
        earlier = before._progress if before is not None else None
        self._progress: Progress = Progress(plan, report, notice, earlier, clock)
        self._done: dict[str, PulledFile] = {}
        self._noting = asyncio.Lock()
        self._brought: dict[str, PulledFile] = {}
        if before is not None:
            self._brought = {**before._brought, **before._done}

    async def run(self) -> Pulled:
        """Raises TransferError, AppError."""
        await asyncio.to_thread(self._look_at_disk)
        self._progress.tell(force=True)
        small = [file for file in self._plan.files if file.size is not None and file.size <= SMALL_BYTES]
        large = [file for file in self._plan.files if file not in small]
        await self._some_at_once(small)
        for file in sorted(large, key=lambda file: file.size or 0):
            await self._one(file)
        notes = await asyncio.to_thread(self._look_inside)
        await asyncio.to_thread(self._remember)
        self._progress.tell("done", force=True)
        files = tuple(self._done[file.path] for file in self._plan.files)
        return Pulled(self._plan, files, self._clock() - self._begun, (*self._plan.notes, *notes))

    def _look_at_disk(self) -> None:
        """Start the progress with what earlier runs have left."""
        for file in self._plan.files:
            missing = left(self._plan.folder, file, self._commit(file))
            done = 0 if missing is None else (file.size or 0) - missing
            self._progress.start(file, done, here=missing == 0)

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
        """Make sure of one file, and note it in the manifest."""
        commit = self._commit(file)
        if await asyncio.to_thread(is_here, self._plan.folder, file, commit):
            brought = self._brought.get(file.path)
            done = brought if brought is not None else await asyncio.to_thread(self._known, file)
        else:
            wanted = Wanted(self._plan.folder / file.path, file.size, file.sha256, file.git_sha1, commit)
            await self._leave_others_alone(file, wanted)
            before = identity(wanted.target)
            try:
                found, local = await self._fetch(file, wanted)
            except asyncio.CancelledError:
                if identity(wanted.target) not in (None, before):  # it has its name: it is right
                    await to_the_end(self._noted(file, self._told_to_stop(file, wanted)))
                raise
            source = found.sources[0] if found.sources else None
            fetched = 0 if local else found.fetched_bytes
            done = PulledFile(file.path, found.size, found.verified, fetched, source, file.sha256)
        await to_the_end(self._noted(file, done))
        self._progress.done(file, done.size)

    async def _noted(self, file: RemoteFile, done: PulledFile) -> None:
        self._done[file.path] = done
        async with self._noting:
            await asyncio.to_thread(self._note, file, done.verified, done.size)

    def _told_to_stop(self, file: RemoteFile, wanted: Wanted) -> PulledFile:
        """A file that became complete while the run was told to stop."""
        size = wanted.target.stat().st_size
        verified = "sha256" if file.sha256 else "git_sha1" if file.git_sha1 else "size"
        return PulledFile(file.path, size, verified, self._progress.received(file), None, file.sha256)

    async def _leave_others_alone(self, file: RemoteFile, wanted: Wanted) -> None:
        """Raises AppError(move_conflict) where somebody else's file would be replaced."""
        if not await asyncio.to_thread(is_other, self._plan.folder, file, self._plan.repo_of(file)):
            return
        stop = threading.Event()
        try:
            await asyncio.to_thread(require_same, wanted, stop)
        finally:
            stop.set()

    def _known(self, file: RemoteFile) -> PulledFile:
        """A file that an earlier run has verified."""
        known = manifest.read(self._plan.folder)
        entry = known.file(file.path) if known is not None else None
        verified = entry.verified if entry is not None and entry.verified else "size"
        size = entry.size if entry is not None and entry.size is not None else file.size
        return PulledFile(file.path, size or 0, verified, 0, None, file.sha256)

    async def _fetch(self, file: RemoteFile, wanted: Wanted) -> tuple[Fetched, bool]:
        """From another program's folder where it has this very file, else from the sources; and which of both."""
        from ..store.transfer.client import Limits
        from ..store.transfer.fetch import fetch

        limits = self._services.web.limits or Limits()

        def report(progress: object) -> None:
            self._progress.seen(file, progress)  # type: ignore[arg-type]

        local = await self._local(file)
        if local is not None:
            try:
                return await fetch(wanted, [local], report, limits), True
            except TransferError as error:
                log.warning("%s is not used: %s", local.name, error)
        return await fetch(wanted, self._places(file), report, limits), False

    async def _local(self, file: RemoteFile) -> Place | None:
        elsewhere = self._services.library.elsewhere
        if elsewhere is None or file.sha256 is None:
            return None
        path = await asyncio.to_thread(elsewhere.with_sha256, file.sha256)
        if path is None:
            return None
        from ..store.sources.folder import FolderPlace

        return FolderPlace(str(path.parent), path, file)

    def _places(self, file: RemoteFile) -> list[Place]:
        web = self._services.web
        return [
            web.source(copy.source).place(copy.repo, copy.commit, own)
            for copy in self._plan.copies
            if (own := copy.file(file.path)) is not None
        ]

    def _first(self, file: RemoteFile) -> Copy | None:
        """The preferred copy that has a file."""
        return next((copy for copy in self._plan.copies if copy.file(file.path) is not None), None)

    def _commit(self, file: RemoteFile) -> str | None:
        first = self._first(file)
        return first.commit if first is not None else self._plan.commit

    def _note(self, file: RemoteFile, verified: str, size: int) -> None:
        """The manifest beside the files knows it from now on."""
        plan, first = self._plan, self._first(file)
        apart = first is not None and first.repo != plan.repo
        entry = manifest.ManifestFile(
            file.path,
            size,
            file.sha256,
            file.git_sha1,
            verified,
            repo=first.repo if first is not None and apart else None,
            commit=first.commit if first is not None and apart else None,
        )
        known = manifest.read(plan.folder)
        same = known is not None and (known.repo, known.commit) == (plan.repo, plan.commit)
        if same and known is not None and known.file(file.path) == entry:
            return
        source = plan.copies[0].source if plan.copies else None
        manifest.merge(plan.folder, manifest.Manifest(plan.repo, source, plan.commit, (entry,)))

    def _remember(self) -> None:
        """A model in a folder of the user's choice is in the list from now on."""
        library, plan = self._services.library, self._plan
        if library.is_own(plan.folder):
            return
        weights = [plan.folder / f.path for f in plan.files if f.path.lower().endswith(".gguf")]
        for path in [plan.folder] if plan.variant == SAFETENSORS else weights:
            try:
                if not library.at(path).is_projector:
                    library.add(path)
            except AppError as error:
                log.warning("not in the list: %s: %s", path, error)

    def _look_inside(self) -> tuple[Reason, ...]:
        """What the headers of the GGUF files say that came: refusals and warnings, not failures."""
        if self._plan.variant == SAFETENSORS:
            return ()
        model = self._services.library.catalog.model(self._plan.model or "")
        sees = model is not None and model.vision
        notes: list[Reason] = []
        for file in self._plan.files:
            if not file.path.lower().endswith(".gguf"):
                continue
            path = self._plan.folder / file.path
            try:
                header = gguf.read_header(path)
            except AppError as error:
                notes.append(Reason.of(error.code, **error.values))
                continue
            refusal = None if header.is_projector else gguf.refusal(header)
            if header.is_projector and sees and header.projector_type != GLM4V:
                notes.append(Reason.of("projector_unknown", type=header.projector_type))
            elif refusal is not None:
                notes.append(refusal)
            elif header.split_count > 1:
                notes.append(Reason.of("gguf_split", path=str(path), count=header.split_count))
            elif sees and not header.is_projector and not header.has_mrope:
                notes.append(Reason.of("no_mrope", name=path.name))
        return tuple(dict.fromkeys(notes))
