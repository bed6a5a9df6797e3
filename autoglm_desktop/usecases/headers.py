"""Headers before weights: of a variant that is not here the header is fetched, and kept by commit.

When somebody opens a variant, lists a repository, begins a download or passes ``--fetch-headers``: one request for a
range (16 MiB; more where the header says so), five seconds at most. ``kept_headers`` never uses the network.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..core import safetensors_header
from ..core.catalog import SAFETENSORS
from ..core.downloads import AUTO, Copy, PullPlan, PullRequest
from ..core.errors import AppError, TargetError, TransferError
from ..core.gguf_names import parse
from ..core.repository import Listing, Offer, RemoteFile
from ..store.headers import Cached
from .header_read import read_head, read_start
from .kept_headers import PROJECTOR, with_headers
from .pull_choose import choose
from .pull_find import candidates, look, most_telling
from .services import Services

__all__ = ["fetch_header", "fetch_of_listing", "fetch_of_plan", "with_headers"]

T = TypeVar("T")

LIMIT_S = 5.0
PATIENCE_S = 1.0
"""How long the other sources are waited for once one has answered."""
FIRST_TABLE_BYTES = 1 << 20
AT_ONCE = 8
_LOCKS: WeakValueDictionary[tuple[object, ...], asyncio.Lock] = WeakValueDictionary()


async def fetch_header(
    services: Services, target: str, limit_s: float = LIMIT_S, source: str = AUTO
) -> tuple[Cached, ...]:
    """Fetch and keep the headers of a GGUF variant and of its vision part, or of all parts of a safetensors one.
    ``target`` and ``source``: as ``pull`` takes them.

    Raises TargetError, TransferError, AppError (header_slow, header_not_gguf, file_unwritable).
    """
    return await _in_time(_fetch(services, target, source), target, limit_s)


async def fetch_of_listing(
    services: Services, listing: Listing, offer: Offer, limit_s: float = LIMIT_S
) -> tuple[Cached, ...]:
    """``fetch_header`` of a repository that is listed already."""
    work = _of_offer(services, listing, offer, offer.id)
    return await _in_time(work, f"{listing.repo}:{offer.id}", limit_s)


async def fetch_of_plan(services: Services, plan: PullPlan, limit_s: float = LIMIT_S) -> tuple[Cached, ...]:
    """``fetch_header`` of what is about to be fetched, from the first of its copies that gives it."""
    return await _in_time(_of_plan(services, plan), plan.request.target, limit_s)


async def _in_time(work: Coroutine[Any, Any, T], target: str, limit_s: float) -> T:
    try:
        return await asyncio.wait_for(work, limit_s)
    except asyncio.TimeoutError as error:
        raise AppError("header_slow", target=target, seconds=limit_s) from error


async def _fetch(services: Services, target: str, source: str) -> tuple[Cached, ...]:
    wanted, model = await candidates(services, PullRequest(target, source))
    looked = await look(services, wanted, patience_s=PATIENCE_S)
    errors: list[AppError] = [error for one in looked for error in one.errors]
    for one in looked:
        for listing in one.listings:
            try:
                offer = choose(one.candidate, listing, model)
                return await _of_offer(services, listing, offer, one.candidate.variant or offer.id)
            except TransferError as error:
                errors.append(error)
    raise most_telling(errors) if errors else TargetError("target_unknown", target=target, known="")


async def _of_offer(services: Services, listing: Listing, offer: Offer, variant: str) -> tuple[Cached, ...]:
    if offer.id == SAFETENSORS:
        return (await _keep_tensors(services, listing, offer.files),)
    if len(offer.files) != 1:
        raise AppError("header_not_gguf", target=f"{listing.repo}:{offer.id}")
    names = [(offer.files[0], variant)]
    names += [(file, PROJECTOR) for file in offer.beside if _is_gguf(file)]
    return await _all(*(_keep(services, listing, file, name) for file, name in names))


async def _of_plan(services: Services, plan: PullPlan) -> tuple[Cached, ...]:
    if plan.variant == SAFETENSORS:
        weights = tuple(file for file in plan.files if file.path.lower().endswith(".safetensors"))
        return (await _keep_tensors(services, _listing(plan.copies[0]), weights),)
    ggufs = [(file, parse(file.path)) for file in plan.files if _is_gguf(file)]
    models = [file for file, name in ggufs if name.model]
    if len(models) != 1:
        raise AppError("header_not_gguf", target=plan.request.target)
    names = [(models[0], plan.variant), *((file, PROJECTOR) for file, name in ggufs if name.projector)]
    return await _all(*(_of_copies(services, plan, file, name) for file, name in names))


async def _of_copies(services: Services, plan: PullPlan, file: RemoteFile, variant: str) -> Cached:
    errors: list[AppError] = []
    for copy in plan.copies:
        own = copy.file(file.path)
        if own is not None:
            try:
                return await _keep(services, _listing(copy), own, variant)
            except TransferError as error:
                errors.append(error)
    raise most_telling(errors)


async def _all(*work: Coroutine[Any, Any, Cached]) -> tuple[Cached, ...]:
    """All have ended before the first failure is told."""
    found = await asyncio.gather(*work, return_exceptions=True)
    failed = next((one for one in found if isinstance(one, BaseException)), None)
    if failed is not None:
        raise failed
    return tuple(one for one in found if isinstance(one, Cached))


def _listing(copy: Copy) -> Listing:
    return Listing(copy.source, copy.repo, copy.commit, copy.files)


def _is_gguf(file: RemoteFile) -> bool:
    return file.path.lower().endswith(".gguf")


def _alone(services: Services, listing: Listing, path: str) -> asyncio.Lock:
    """Held while a header is fetched: who wants the same waits, and then finds it kept."""
    key = (services.home, listing.repo.lower(), listing.commit, path)
    return _LOCKS.setdefault(key, asyncio.Lock())


async def _keep(services: Services, listing: Listing, file: RemoteFile, variant: str) -> Cached:
    """Read the head of a file and keep it. Raises TransferError, AppError."""
    async with _alone(services, listing, file.path):
        known = services.headers.find(listing.repo, variant)
        if known is not None and known.path == file.path and _newest(known, listing):
            return known
        place = services.web.source(listing.source).place(listing.repo, listing.commit, file)
        head, size = await read_head(place, file)
        entry = Cached(listing.repo, file.path, listing.commit, variant, size, len(head), time.time())
        return await _store(services, entry, head)


def _newest(known: Cached, listing: Listing) -> bool:
    return listing.commit is not None and known.commit == listing.commit


async def _keep_tensors(services: Services, listing: Listing, files: Sequence[RemoteFile]) -> Cached:
    """The tensor tables of all parts, kept as one. Raises TransferError, TargetError, AppError."""
    async with _alone(services, listing, SAFETENSORS):
        known = services.headers.find(listing.repo, SAFETENSORS)
        if known is not None and _newest(known, listing):
            return known
        return await _tensors(services, listing, files)


async def _tensors(services: Services, listing: Listing, files: Sequence[RemoteFile]) -> Cached:
    source = services.web.source(listing.source)
    gate = asyncio.Semaphore(AT_ONCE)

    async def table(file: RemoteFile) -> bytes:
        place = source.place(listing.repo, listing.commit, file)
        async with gate:
            start = await read_start(place, FIRST_TABLE_BYTES)
            length = safetensors_header.header_bytes(start)
            end = safetensors_header.LENGTH_BYTES + length
            if len(start) < end:
                start = await read_start(place, end)
        return start[safetensors_header.LENGTH_BYTES : end]

    parts = await asyncio.gather(*(table(file) for file in files))
    shapes = {
        tensor.name: {"shape": list(tensor.shape)}
        for part in parts
        for tensor in safetensors_header.tensors(part)
    }
    head = json.dumps(shapes).encode()
    size = sum(file.size or 0 for file in files)
    if len(head) > size:
        raise TransferError("header_unreadable", name=files[0].name, source=listing.source)
    entry = Cached(listing.repo, files[0].path, listing.commit, SAFETENSORS, size, len(head), time.time())
    return await _store(services, entry, head)


async def _store(services: Services, entry: Cached, head: bytes) -> Cached:
    try:
        await asyncio.to_thread(services.headers.add, entry, head)
    except OSError as error:
        detail = error.strerror or str(error)
        raise AppError("file_unwritable", path=str(services.cache), detail=detail) from error
    return replace(entry, kept=len(head))
