"""Which repository, which sources, which files: from what the user asked for to listings that agree."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.catalog import SAFETENSORS, Model, Variant
from ..core.downloads import AUTO, Copy, PullRequest
from ..core.errors import AppError, TargetError, TransferError
from ..core.repository import Listing, Offer, RemoteFile, find_offer, offers
from ..store.transfer.place import Place, TryAgain
from .services import Services
from .targets import named, split_repo

log = logging.getLogger(__name__)

HUBS = {"huggingface": ("huggingface", "hf-mirror"), "modelscope": ("modelscope",)}
"""The sources that have what a hub has."""

ENDPOINTS = {"huggingface": "HF_ENDPOINT", "modelscope": "MODELSCOPE_ENDPOINT"}
PATIENCE_S = 3.0
"""How long the other sources are waited for once one has answered."""

MEASURE_S = 2.0
MEASURE_BYTES = 4 * 1024 * 1024
_TELLING = (
    "download_gated", "download_gated_no_token", "download_token_weak", "download_bad_token",
    "download_needs_token", "download_revision_gone", "download_not_found",
)  # fmt: skip
"""Of several failures the one that says most is told."""


class SeveralVariants(AppError):
    """A repository offers several variants and none was named. ``offers``: what there is."""

    def __init__(self, target: str, found: Sequence[Offer]) -> None:
        super().__init__("several_variants", target=target, known=", ".join(offer.id for offer in found))
        self.target = target
        self.offers = tuple(found)


@dataclass(frozen=True)
class Candidate:
    """A repository that may have what is wanted, and the sources to ask. File names where they are known."""

    repo: str
    sources: tuple[str, ...]
    variant: str | None = None
    file: str | None = None
    projector: str | None = None


@dataclass(frozen=True)
class Pinned:
    """The commit that an interrupted download began with, at one source."""

    source: str
    repo: str
    commit: str


@dataclass(frozen=True)
class Found:
    """What is to be fetched: the offer of one repository, and its copies, the preferred one first."""

    candidate: Candidate
    listing: Listing
    offer: Offer
    copies: tuple[Copy, ...]


def automatic(hub: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The sources that ``auto`` asks for what a hub has. Who has set an endpoint wants that one alone."""
    environment = os.environ if environment is None else environment
    chosen = [name for name, variable in ENDPOINTS.items() if environment.get(variable)]
    if not chosen:
        return HUBS[hub]
    return (hub,) if hub in chosen else ()


async def candidates(services: Services, request: PullRequest) -> tuple[tuple[Candidate, ...], Model | None]:
    """The repositories for a target, preferred first. Raises TargetError (target_unknown, variant_unknown,
    variant_needed, no_public_copy)."""
    repo, variant = split_repo(request.target)
    environment = services.web.environment
    if repo is not None:
        asked = (
            tuple(name for hub in HUBS for name in automatic(hub, environment))
            if request.source == AUTO
            else (request.source,)
        )
        return (Candidate(repo, asked, variant),), None
    found = named(services.library, request.target)
    form = await _variant(services, found.model, found.variant)
    listed = [
        Candidate(source.repo, asked, form.id, source.file, source.projector)
        for source in form.sources
        if (asked := _asked(request.source, source.hub, environment))
    ]
    if not listed:
        code = "no_public_copy" if not form.sources else "not_at_source"
        raise TargetError(code, model=found.model.id, variant=form.id, source=request.source)
    return _one_per_repo(listed), found.model


def _asked(source: str, hub: str, environment: Mapping[str, str] | None) -> tuple[str, ...]:
    """The sources to ask for a copy that is evidenced on ``hub``."""
    if source == AUTO:
        return automatic(hub, environment)
    named_ones = [name for names in HUBS.values() for name in names]
    return (source,) if source not in named_ones or source in HUBS[hub] else ()


def _one_per_repo(listed: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Candidates of the same repository name (on both hubs) become one."""
    by_repo: dict[str, Candidate] = {}
    for one in listed:
        known = by_repo.get(one.repo.lower())
        names = one.sources if known is None else tuple(dict.fromkeys((*known.sources, *one.sources)))
        first = known or one
        by_repo[one.repo.lower()] = Candidate(
            first.repo, names, first.variant, first.file or one.file, first.projector or one.projector
        )
    return tuple(by_repo.values())


async def _variant(services: Services, model: Model, name: str | None) -> Variant:
    """The variant that was named, else what the check recommends for this machine."""
    if name is not None:
        found = model.variant(name)
        assert found is not None  # ``named`` has looked
        return found
    from .check import CheckOptions, run_check

    result = await run_check(services, CheckOptions(target=model.id))
    recommended = result.models[0].recommended
    found = model.variant(recommended.variant) if recommended is not None else None
    if found is None:
        known = ", ".join(variant.id for variant in model.variants if variant.sources)
        raise TargetError("variant_needed", model=model.id, known=known)
    return found


async def look(services: Services, candidate: Candidate, pinned: Pinned | None = None) -> list[Listing]:
    """The candidate's listings, in the order of its sources. Raises TransferError where no source has one."""
    tasks = {
        asyncio.create_task(_listing(services, name, candidate.repo, pinned)): name
        for name in candidate.sources
    }
    try:
        waiting, patience = set(tasks), None
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            if any(task.exception() is None for task in done):
                patience = PATIENCE_S
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = [task for task in tasks if not task.cancelled()]
    listings = [task.result() for task in ended if task.exception() is None]
    if not listings:
        raise _most_telling([error for task in ended if (error := task.exception()) is not None])
    return listings


async def _listing(services: Services, name: str, repo: str, pinned: Pinned | None) -> Listing:
    same = pinned is not None and (pinned.source, pinned.repo) == (name, repo)
    revision = pinned.commit if pinned is not None and same else None
    try:
        return await services.web.source(name).listing(repo, revision)
    except TransferError as error:
        log.info("%s at %s: %s", repo, name, error)
        raise


def _most_telling(errors: Sequence[BaseException]) -> BaseException:
    for error in errors:
        if not isinstance(error, AppError):
            return error
    ranked = [error for error in errors if isinstance(error, AppError)]
    return min(ranked, key=lambda e: _TELLING.index(e.code) if e.code in _TELLING else len(_TELLING))


def choose(candidate: Candidate, listing: Listing, target: str) -> Offer:
    """The offer that is wanted of a listing. Raises SeveralVariants, TransferError (variant_not_offered)."""
    found = offers(listing)
    if candidate.file is not None and (file := _by_name(listing, candidate.file)) is not None:
        beside = next((offer.beside for offer in found if file in offer.files), ())
        offer = Offer(candidate.variant or file.name, (file,), beside)
    elif candidate.variant is not None:
        named_one = find_offer(found, candidate.variant)
        if named_one is None:
            known = ", ".join(offer.id for offer in found)
            raise TransferError(
                "variant_not_offered", variant=candidate.variant, repo=candidate.repo,
                source=listing.source, known=known or "–",
            )  # fmt: skip
        offer = named_one
    else:
        offer = _only(found, listing, target)
    if candidate.projector is not None and (own := _by_name(listing, candidate.projector)) is not None:
        return Offer(offer.id, offer.files, (own,))
    return offer


def _only(found: Sequence[Offer], listing: Listing, target: str) -> Offer:
    ggufs = [offer for offer in found if offer.id != SAFETENSORS]
    if len(ggufs) > 1:
        raise SeveralVariants(target, found)
    if not found:
        raise TransferError("nothing_to_run", repo=listing.repo, source=listing.source)
    return (ggufs or list(found))[0]


def _by_name(listing: Listing, name: str) -> RemoteFile | None:
    return listing.file(name) or next((file for file in listing.files if file.name == name), None)


async def agreeing(services: Services, offer: Offer, listings: Sequence[Listing]) -> tuple[Copy, ...]:
    """The copies that may give blocks of the same files: same path, size and sha256. Where the preferred listing has
    no hash, or others differ, the source whose first block comes fastest goes first, alone where they differ."""
    main = max(offer.all_files, key=lambda file: file.size or 0)
    copies = [copy for listing in listings if (copy := _copy(offer, listing)) is not None]
    same = [copy for copy in copies if _same(copy.file(main.path), main)]
    differing = [copy for copy in copies if copy not in same]
    if main.sha256 is not None and not differing:
        return tuple(copies)
    if len(copies) < 2:
        return tuple(copies)
    rates = await asyncio.gather(*(_measure(services, copy, main.path) for copy in copies))
    best = max(zip(copies, rates, strict=True), key=lambda pair: pair[1] or 0.0)[0]
    log.info("sources differ in %s; %s is used", main.path, best.source)
    wanted = best.file(main.path)
    if wanted is None or wanted.sha256 is None:
        return (best,)
    return (best, *(c for c in copies if c is not best and _same(c.file(main.path), wanted)))


def _copy(offer: Offer, listing: Listing) -> Copy | None:
    """The offer's files as another listing has them; None where it lacks one of the weights."""
    found = [file for wanted in offer.all_files if (file := listing.file(wanted.path)) is not None]
    paths = {file.path for file in found}
    if any(file.path not in paths for file in offer.files):
        return None
    return Copy(listing.source, listing.repo, listing.commit, tuple(found))


def _same(one: RemoteFile | None, other: RemoteFile) -> bool:
    return one is not None and one.size == other.size and one.sha256 == other.sha256 is not None


async def _measure(services: Services, copy: Copy, path: str) -> float | None:
    """Bytes/s of the first block; None where nothing comes."""
    file = copy.file(path)
    if file is None:
        return None
    place = services.web.source(copy.source).place(copy.repo, copy.commit, file)
    begun, received = time.monotonic(), 0

    async def read(place: Place) -> None:
        nonlocal received
        async with place.open(0, min(file.size or MEASURE_BYTES, MEASURE_BYTES)) as reply:
            async for chunk in reply.chunks:
                received += len(chunk)

    try:
        await asyncio.wait_for(read(place), MEASURE_S)
    except (asyncio.TimeoutError, TryAgain, TransferError) as error:
        log.info("measuring %s: %s", copy.source, error)
    return received / max(1e-6, time.monotonic() - begun) if received else None
