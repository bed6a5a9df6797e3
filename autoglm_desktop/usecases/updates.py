"""Whether what was downloaded has a newer version at its source: by commit, and only when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import AppError, TransferError
from ..store import manifest
from .services import Services


@dataclass(frozen=True)
class Update:
    """A repository that was downloaded. ``newest_commit`` None: the source knows none, or ``error`` says why."""

    repo: str
    folder: Path
    source: str
    have_commit: str
    newest_commit: str | None = None
    error: AppError | None = None

    @property
    def available(self) -> bool:
        """Whether the source has another version now."""
        return self.newest_commit is not None and self.newest_commit != self.have_commit


async def check_updates(services: Services) -> tuple[Update, ...]:
    """Ask the source of every downloaded repository. Uses the network."""
    known = await asyncio.to_thread(lambda: tuple(_downloaded(services.models)))
    return tuple(await asyncio.gather(*(_ask(services, update) for update in known)))


async def _ask(services: Services, update: Update) -> Update:
    try:
        newest = await services.web.source(update.source).commit(update.repo)
    except TransferError as error:
        return Update(update.repo, update.folder, update.source, update.have_commit, None, error)
    return Update(update.repo, update.folder, update.source, update.have_commit, newest)


def _downloaded(models: Path) -> Iterator[Update]:
    """Every folder of the models folder that a download has left its manifest in."""
    for path in sorted(models.glob(f"*/*/{manifest.NAME}")):
        found = manifest.read(path.parent)
        if found is not None and found.repo and found.source and found.commit:
            yield Update(found.repo, path.parent, found.source, found.commit)
