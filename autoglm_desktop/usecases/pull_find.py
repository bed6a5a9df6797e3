"""Which repositories and sources to ask for what the user wants, and asking them, all at once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.catalog import Model, Variant
from ..core.downloads import AUTO, PullRequest
from ..core.errors import AppError, TargetError, TransferError
from ..core.repository import Listing
from .services import Services
from .targets import named, split_repo

log = logging.getLogger(__name__)

HUBS = {"huggingface": ("huggingface", "hf-mirror"), "modelscope": ("modelscope",)}
"""The sources that have what a hub has."""

ENDPOINTS = {"huggingface": "HF_ENDPOINT", "modelscope": "MODELSCOPE_ENDPOINT"}
PUBLIC = (
    "https://huggingface.co",
    "https://hf-mirror.com",
    "https://modelscope.cn",
    "https://www.modelscope.cn",
)
"""Who has set one of these still wants what is public; any other endpoint is somebody's own, and asked alone."""

AT_ONCE = 8
PATIENCE_S = 6.0
"""How long the other sources are waited for once one has answered."""

LONGEST = 200
"""Characters of a repository's name; of what was typed an error repeats no more."""

_TELLING = (
    "download_gated",
    "download_gated_no_token",
    "download_token_weak",
    "download_bad_token",
    "variant_not_offered",
    "nothing_to_run",
    "download_needs_token",
    "download_not_found",
    "download_certificate",
    "proxy_needs_password",
    "download_refused",
    "listing_unreadable",
    "listing_unreachable",
)
"""Of several failures the first of these is told; being offline says least, what is not here most."""


@dataclass(frozen=True)
class Candidate:
    """A repository that may have what is wanted, and the sources to ask. File names where they are known."""

    repo: str
    sources: tuple[str, ...]
    variant: str | None = None
    file: str | None = None
    projector: str | None = None
    projector_repo: str | None = None


@dataclass(frozen=True)
class Pinned:
    """The commit that an interrupted download began with, at one source."""

    source: str
    repo: str
    commit: str

    def fits(self, source: str, repo: str) -> bool:
        """The mirror has the same commits."""
        mirrors = HUBS["huggingface"]
        return repo == self.repo and (source == self.source or {source, self.source} <= set(mirrors))


@dataclass(frozen=True)
class Looked:
    """What the sources say of a candidate: listings in the order of its sources, and why the others have none."""

    candidate: Candidate
    listings: tuple[Listing, ...]
    errors: tuple[AppError, ...] = ()


def automatic(hub: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The sources that ``auto`` asks for what a hub has."""
    environment = os.environ if environment is None else environment
    chosen = {name: environment.get(variable, "").rstrip("/") for name, variable in ENDPOINTS.items()}
    own = [name for name, address in chosen.items() if address and address not in PUBLIC]
    if own:
        return (hub,) if hub in own else ()
    if hub == "huggingface" and chosen[hub] not in ("", PUBLIC[0]):
        return (hub,)  # it is the mirror
    return HUBS[hub]


async def candidates(services: Services, request: PullRequest) -> tuple[tuple[Candidate, ...], Model | None]:
    """The repositories for a target, preferred first. Raises TargetError (target_unknown, variant_unknown,
    variant_needed, no_public_copy, not_at_source, repo_name_wrong)."""
    repo, variant = split_repo(request.target)
    environment = services.web.environment
    if repo is not None and len(repo) <= LONGEST:
        return (Candidate(repo, asked_for(request.source, environment), variant),), None
    if "/" in request.target or len(request.target) > LONGEST:
        raise TargetError("repo_name_wrong", repo=_short(request.target))
    found = named(services.library, request.target)
    form = await _variant(services, found.model, found.variant)
    listed = [
        Candidate(source.repo, asked, form.id, source.file, source.projector, source.projector_repo)
        for source in form.sources
        if (asked := _asked(request.source, source.hub, environment))
    ]
    if not listed:
        code = "no_public_copy" if not form.sources else "not_at_source"
        raise TargetError(code, model=found.model.id, variant=form.id, source=request.source)
    return _one_per_repo(listed), found.model


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def asked_for(source: str, environment: Mapping[str, str] | None) -> tuple[str, ...]:
    """The sources to ask for a repository that the user has named."""
    if source != AUTO:
        return (source,)
    return tuple(name for hub in HUBS for name in automatic(hub, environment))


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
        by_repo[one.repo.lower()] = (
            one
            if known is None
            else replace(
                known,
                sources=tuple(dict.fromkeys((*known.sources, *one.sources))),
                file=known.file or one.file,
                projector=known.projector or one.projector,
            )
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


async def look(
    services: Services,
    wanted: Sequence[Candidate],
    pinned: Pinned | None = None,
    patience_s: float = PATIENCE_S,
) -> tuple[Looked, ...]:
    """Ask every source of every candidate at once. A source that does not answer holds the others up for ``patience_s``
    at most. Raises nothing but what is a mistake of this program."""
    gate = asyncio.Semaphore(AT_ONCE)
    tasks = {
        (candidate.repo, name): asyncio.create_task(_listing(services, gate, name, candidate.repo, pinned))
        for candidate in wanted
        for name in candidate.sources
    }
    try:
        await _wait(set(tasks.values()), patience_s)
        ended = {key: task for key, task in tasks.items() if task.done() and not task.cancelled()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    found = []
    for candidate in wanted:
        own = [ended[key] for name in candidate.sources if (key := (candidate.repo, name)) in ended]
        results = [task.exception() or task.result() for task in own]
        unexpected = next((r for r in results if not isinstance(r, (Listing, AppError))), None)
        if unexpected is not None:
            raise unexpected
        listings = tuple(result for result in results if isinstance(result, Listing))
        errors = tuple(result for result in results if isinstance(result, AppError))
        found.append(Looked(candidate, listings, errors))
    return tuple(found)


async def _wait(waiting: set[asyncio.Task[Listing]], patience_s: float) -> None:
    """Until all have answered, or patience has ended after the first good answer."""
    loop = asyncio.get_running_loop()
    until: float | None = None
    while waiting:
        timeout = None if until is None else max(0.0, until - loop.time())
        done, waiting = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return
        if until is None and any(task.exception() is None for task in done):
            until = loop.time() + patience_s


async def _listing(
    services: Services, gate: asyncio.Semaphore, name: str, repo: str, pinned: Pinned | None
) -> Listing:
    revision = pinned.commit if pinned is not None and pinned.fits(name, repo) else None
    async with gate:
        try:
            source = services.web.source(name)
            try:
                return await source.listing(repo, revision)
            except TransferError as error:
                if revision is None or error.code != "download_revision_gone":
                    raise
                log.info("%s at %s: version %s is gone", repo, name, revision)
                return await source.listing(repo)
        except TransferError as error:
            log.info("%s at %s: %s", repo, name, error)
            raise


def most_telling(errors: Iterable[AppError]) -> AppError:
    """Of several failures the one that helps most; the first of equal ones."""

    def rank(error: AppError) -> int:
        if error.code == "download_no_network":
            return len(_TELLING) + 1
        return _TELLING.index(error.code) if error.code in _TELLING else -1

    return min(errors, key=rank)
