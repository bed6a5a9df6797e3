"""Whether what was downloaded has a newer version at its source: by commit, and only when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import AppError, TransferError
from ..core.gguf_names import parse
from ..store import manifest
from ..store import updates as memory
from .services import Services

AT_ONCE = 4


@dataclass(frozen=True)
class Update:
    """A repository that was downloaded. ``have_commit``: what is here; of several the oldest, as far as that can be
    told. ``newest_commit`` None: the source knows none, or ``error`` says why. ``targets``: what to pull for it."""

    repo: str
    folder: Path
    source: str
    have_commit: str
    newest_commit: str | None = None
    error: AppError | None = None
    targets: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether the source has another version now."""
        return self.newest_commit is not None and self.newest_commit != self.have_commit


async def check_updates(services: Services) -> tuple[Update, ...]:
    """Ask the source of every downloaded repository. Uses the network; what is newer is remembered, so that pulling it
    again asks the source."""
    known = await asyncio.to_thread(lambda: tuple(_downloaded(services)))
    gate = asyncio.Semaphore(AT_ONCE)
    found = tuple(await asyncio.gather(*(_ask(services, gate, *one) for one in known)))
    newest = {str(one.folder): one.newest_commit for one in found if one.newest_commit is not None}
    await asyncio.to_thread(memory.note, services.home, newest)
    return found


async def _ask(
    services: Services, gate: asyncio.Semaphore, update: Update, commits: frozenset[str]
) -> Update:
    async with gate:
        try:
            newest = await services.web.source(update.source).commit(update.repo)
        except TransferError as error:
            return replace(update, error=error)
    older = sorted(commits - {newest})
    return replace(update, newest_commit=newest, have_commit=older[0] if older else update.have_commit)


def _downloaded(services: Services) -> Iterator[tuple[Update, frozenset[str]]]:
    """Every folder that a download has left its manifest in, and the commits of its files: those of the models folder,
    and others that the library knows."""
    folders = {path.parent for path in services.models.glob(f"*/*/{manifest.NAME}")}
    for local in services.library.files():
        known = services.library.manifest_of(local.path)
        if known is not None:
            folders.add(known[0])
    for folder in sorted(folders):
        found = manifest.read(folder)
        if found is None or not found.repo or not found.source or not found.commit:
            continue
        own = [file for file in found.files if found.repo_of(file) == found.repo]
        commits = frozenset(commit for file in own if (commit := found.commit_of(file)) is not None)
        targets = tuple(dict.fromkeys(_targets(services, folder, found.repo)))
        yield Update(found.repo, folder, found.source, found.commit, targets=targets), commits


def _targets(services: Services, folder: Path, repo: str) -> Iterator[str]:
    """``owner/repo:VARIANT`` of each model in a folder."""
    for local in services.library.files():
        kind = local.file_type if local.is_folder else parse(local.path.name).type or local.file_type
        if kind is not None and (local.path == folder or local.path.is_relative_to(folder)):
            yield f"{repo}:{kind}"
