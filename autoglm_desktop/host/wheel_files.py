"""The files of an installation by ``store.transfer``: sizes, room, one progress for all. Imported when used (httpx)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ..core.errors import EngineError, TransferError
from ..core.repository import RemoteFile
from ..store.transfer.answers import Asked
from ..store.transfer.client import Limits, make_client
from ..store.transfer.fetch import fetch
from ..store.transfer.sizes import learn_size
from ..store.transfer.values import TransferProgress, Wanted, part_of
from ..store.transfer.web import WebPlace
from .index_login import Logins
from .pip_output import Artifact, InstallProgress, LeaveToPip, Report

log = logging.getLogger(__name__)

MB = 1_000_000
OFFLINE = ("download_no_network", "download_unreachable")
FINAL = "download_corrupt"
NewPlace = Callable[..., WebPlace]


@dataclass(frozen=True)
class Order:
    """A file to fetch, and where it is: the first place is the one that pip chose."""

    artifact: Artifact
    wanted: Wanted
    places: tuple[WebPlace, ...]


@dataclass(frozen=True)
class Files:
    """``engine``: for errors. ``room`` is told how many bytes will come, and raises where they have no room."""

    engine: str
    folder: Path
    logins: Logins
    report: Report
    room: Callable[[int], None]
    limits: Limits

    async def fetch(
        self, artifacts: Sequence[Artifact], elsewhere: Mapping[str, Sequence[Artifact]]
    ) -> list[Artifact]:
        """Fetch files into the folder; returns those whose size nobody says, which are not fetched.

        ``elsewhere``: the same files at other indexes, by address. Raises LeaveToPip where the first bytes don't come
        (pip may know a way), EngineError(engine_no_network), TransferError(download_corrupt …), AppError.
        """
        async with make_client(self.limits) as client:
            web = partial(WebPlace, client)
            orders, unknown = [], []
            for artifact in artifacts:
                order = await self._sized(self._order(artifact, elsewhere.get(artifact.url, ()), web))
                if order is None:
                    unknown.append(artifact)
                else:
                    orders.append(order)
            self.room(sum(_missing(order.wanted) for order in orders))
            await self._all(orders)
            return unknown

    def _order(self, artifact: Artifact, others: Sequence[Artifact], web: NewPlace) -> Order:
        wanted = Wanted(self.folder / artifact.file_name, None, artifact.sha256)
        places = tuple(self._place(link, web) for link in (artifact, *others))
        return Order(artifact, wanted, places)

    def _place(self, link: Artifact, web: NewPlace) -> WebPlace:
        source = urlsplit(link.url).hostname or "?"
        project = link.project or link.file_name

        async def headers() -> Mapping[str, str]:
            return self.logins.headers(link.url)

        asked = Asked(source, project, name=link.file_name)
        file = RemoteFile(link.file_name, None, link.sha256)
        return web(source, link.url, file, headers, asked)

    async def _sized(self, order: Order) -> Order | None:
        try:
            wanted = await learn_size(order.wanted, order.places[0], self.limits)
        except TransferError as error:
            if error.code == "download_no_size":
                return None
            raise self._failure(error, order.wanted, came=False) from error
        places = tuple(replace(p, file=replace(p.file, size=wanted.size)) for p in order.places)
        return replace(order, wanted=wanted, places=places)

    async def _all(self, orders: Sequence[Order]) -> None:
        total = sum(order.wanted.size or 0 for order in orders)
        before = 0
        for order in orders:
            came = 0

            def told(progress: TransferProgress, before: int = before) -> None:
                nonlocal came
                came = max(came, progress.done_bytes)
                self._tell(before + progress.done_bytes, total)

            try:
                fetched = await fetch(order.wanted, order.places, told, self.limits)
            except TransferError as error:
                raise self._failure(error, order.wanted, came=came > 0) from error
            log.info(
                "%s: %d bytes fetched, by %s",
                order.artifact.file_name,
                fetched.fetched_bytes,
                fetched.verified,
            )
            before += order.wanted.size or 0

    def _tell(self, done: int, total: int) -> None:
        fraction = min(1.0, done / total) if total else None
        places = 0 if total >= 10 * MB else 1
        detail = f"{done / MB:.{places}f} / {total / MB:.{places}f} MB"
        self.report(InstallProgress("fetch", fraction, detail))

    def _failure(self, error: TransferError, wanted: Wanted, *, came: bool) -> Exception:
        """What a failure means. Where nothing has come at all, pip may do it: it has settings of its own."""
        if error.code == FINAL:
            return error
        kept = came or part_of(wanted.target).exists()
        if error.code in OFFLINE and kept:
            return EngineError("engine_no_network", name=self.engine)
        return LeaveToPip(f"{wanted.target.name}: {error.code}")


def _missing(wanted: Wanted) -> int:
    """Bytes that still take room: what lies there already is left out, as far as the file system says."""
    size = wanted.size or 0
    if wanted.target.is_file():
        return 0
    try:
        found = part_of(wanted.target).stat()
    except FileNotFoundError:
        return size
    return max(0, size - min(found.st_size, getattr(found, "st_blocks", 0) * 512))
