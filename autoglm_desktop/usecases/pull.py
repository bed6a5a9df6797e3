"""Getting a model: what will be fetched, then fetching it. One path for window and terminal.

``plan_pull`` asks the sources; ``run_pull`` fetches, verifies and notes what is there. Cancelling is a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.catalog import SAFETENSORS, Model
from ..core.downloads import AUTO, Copy, Pulled, PullPlan, PullProgress, PullRequest
from ..core.errors import AppError, Reason, TransferError
from ..core.repository import Listing, Offer, offers
from .pull_choose import SeveralVariants, agreeing, choose, projector_of
from .pull_disk import begun, changed_since, folder_of, left, require_no_other, require_space
from .pull_find import Candidate, Looked, Pinned, asked_for, candidates, look, most_telling
from .pull_here import complete_here, elsewhere, proved
from .pull_run import Fetching
from .services import Services

__all__ = ["Pinned", "SeveralVariants", "plan_pull", "repository_offers", "run_pull"]

log = logging.getLogger(__name__)

CHANGED = ("download_changed", "download_file_gone", "download_revision_gone")
CHANGES_AT_MOST = 3
OFFLINE = ("download_no_network", "listing_unreachable")

Report = Callable[[PullProgress], None]


@dataclass(frozen=True)
class _Found:
    """What is to be fetched: the offer of one listing, and its copies, the preferred one first."""

    listing: Listing
    offer: Offer
    copies: tuple[Copy, ...]


def _ignore(_progress: PullProgress) -> None:
    return


async def repository_offers(
    services: Services, repo: str, source: str = AUTO
) -> tuple[Listing, tuple[Offer, ...]]:
    """What a repository offers, by the first source that has it. Raises TransferError, AppError(repo_name_wrong)."""
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise AppError("repo_name_wrong", repo=repo)
    looked = await look(services, [Candidate(repo, asked_for(source, services.web.environment))])
    if not looked[0].listings:
        raise most_telling(looked[0].errors)
    listing = looked[0].listings[0]
    return listing, offers(listing)


async def plan_pull(
    services: Services, request: PullRequest, pinned: Pinned | None = None, *, afresh: bool = False
) -> PullPlan:
    """What will be fetched and where it will lie. What is complete here needs no network, unless ``afresh`` or a check
    for updates has found a newer version. ``pinned``: the commit that an interrupted download began with.

    Raises SeveralVariants, TargetError, TransferError (nothing is found), AppError (disk_full, models_folder_gone,
    move_conflict: another file lies where one of them would).
    """
    if request.folder is None and services.models_folder_gone:
        raise AppError("models_folder_gone", path=str(services.models))
    wanted, model = await candidates(services, request)
    if not afresh:
        here = await asyncio.to_thread(complete_here, services, request, wanted, model)
        if here is not None:
            return here
    try:
        found = await _find(services, request, wanted, model, pinned)
    except TransferError as error:
        if error.code not in OFFLINE:
            raise
        here = await asyncio.to_thread(complete_here, services, request, wanted, model, offline=True)
        if here is None:
            raise
        return here
    return await asyncio.to_thread(_plan, services, request, wanted, model, found)


async def run_pull(services: Services, plan: PullPlan, report: Report = _ignore) -> Pulled:
    """Fetch what the plan says; go on where an earlier run ended. Cancelling keeps everything.

    A repository that changes in the middle is listed again; what changed starts anew, and it is said.
    Raises TransferError, AppError (disk_full, folder_not_writable …).
    """
    if plan.in_place is not None:
        files = await proved(services, plan, report)
        if files is not None:
            return Pulled(plan, files, 0.0, plan.notes)
        log.warning("%s is not what its hash says; it is fetched", plan.in_place)
        plan = await asyncio.to_thread(_with_remaining, replace(plan, in_place=None))
    notice: Reason | None = None
    before: Fetching | None = None
    for _ in range(CHANGES_AT_MOST):
        fetching = Fetching(services, plan, report, notice, before)
        try:
            return await fetching.run()
        except TransferError as error:
            if error.code not in CHANGED:
                raise
            log.warning("%s changed in the middle: %s", plan.repo, error)
            failure = error
        notice = Reason.of("changed_meanwhile", repo=plan.repo)
        before = fetching
        outlook, plan = plan.outlook, await plan_pull(services, plan.request, afresh=True)
        notes = tuple(dict.fromkeys((*plan.notes, notice)))
        plan = replace(plan, notes=notes, in_place=None, outlook=outlook)
    raise failure


async def _find(
    services: Services,
    request: PullRequest,
    wanted: Sequence[Candidate],
    model: Model | None,
    pinned: Pinned | None,
) -> _Found:
    """The first candidate that a source has: with its vision part, if any has it. Raises the most telling error."""
    ordered = sorted(wanted, key=lambda one: pinned is not None and one.repo != pinned.repo)
    looked = await look(services, ordered, pinned)
    errors: list[AppError] = [error for one in looked for error in one.errors]
    found: list[tuple[Looked, Listing, Offer]] = []
    for one in looked:
        for listing in one.listings:
            try:
                found.append((one, listing, choose(one.candidate, listing, model)))
                break
            except TransferError as error:
                errors.append(error)
    if not found:
        raise most_telling(errors)
    apart = {
        one.candidate.repo: await _apart(services, one.candidate, offer, model) for one, _, offer in found
    }
    whole = [item for item in found if not _blind(item[2], model) or apart[item[0].candidate.repo]]
    first, listing, offer = (whole or found)[0]
    own = [listing, *(other for other in first.listings if other is not listing)]
    others = [other for one in looked if one is not first for other in one.listings]

    weights = {file.path for file in offer.files}

    def here(copy: Copy) -> bool:
        folder = request.folder or folder_of(services.models, copy.repo)
        return any(begun(folder, file, copy.commit) for file in copy.files if file.path in weights)

    copies = await agreeing(services, offer, own, others, here)
    beside = apart[first.candidate.repo]
    if beside:
        offer = Offer(offer.id, offer.files, beside[0].files)
    return _Found(listing, offer, (*copies, *beside))


def _blind(offer: Offer, model: Model | None) -> bool:
    """Whether a model that can look at pictures comes without its vision part."""
    return model is not None and model.vision and offer.id != SAFETENSORS and not offer.beside


async def _apart(
    services: Services, candidate: Candidate, offer: Offer, model: Model | None
) -> tuple[Copy, ...]:
    """The vision part from a repository of its own, where the catalogue names one."""
    if candidate.projector_repo is None or not _blind(offer, model):
        return ()
    looked = await look(services, [replace(candidate, repo=candidate.projector_repo)])
    copies = []
    for listing in looked[0].listings:
        file = projector_of(listing, candidate.projector)
        if file is not None:
            copies.append(Copy(listing.source, listing.repo, listing.commit, (file,)))
    return tuple(copies)


def _plan(
    services: Services,
    request: PullRequest,
    wanted: Sequence[Candidate],
    model: Model | None,
    found: _Found,
) -> PullPlan:
    """Raises AppError(disk_full). Reads files."""
    first = found.copies[0]
    apart = tuple(copy for copy in found.copies if not first.file(copy.files[0].path))
    files = (*(copy.files[0] for copy in apart[:1]), *first.files)
    plan = PullPlan(
        request=request,
        title=model.title if model is not None else first.repo.rpartition("/")[2],
        repo=first.repo,
        variant=found.offer.id,
        commit=first.commit,
        folder=_folder(services, request, wanted, first, found.offer),
        files=files,
        copies=found.copies,
        total_bytes=_sum(file.size for file in files),
        remaining_bytes=None,
        model=model.id if model is not None else None,
        notes=_notes(model, found),
        offers=offers(found.listing),
    )
    place = elsewhere(services, plan)
    if place is not None:
        return replace(plan, remaining_bytes=0, in_place=place)
    return _with_remaining(plan)


def _folder(
    services: Services, request: PullRequest, wanted: Sequence[Candidate], first: Copy, offer: Offer
) -> Path:
    """Where it will lie: where another source's copy of the same has begun, if one has."""
    if request.folder is not None:
        return request.folder
    weights = [file for file in first.files if any(file.path == own.path for own in offer.files)]
    for repo in dict.fromkeys((first.repo, *(one.repo for one in wanted))):
        folder = folder_of(services.models, repo)
        if any(begun(folder, file, first.commit) for file in weights):
            return folder
    return folder_of(services.models, first.repo)


def _notes(model: Model | None, found: _Found) -> tuple[Reason, ...]:
    """What the user should know before: the catalogue's warnings, and a vision part that isn't there."""
    gguf = found.offer.id != SAFETENSORS
    notes = [Reason.of(code) for code in (model.notes if model is not None and gguf else ())]
    if _blind(found.offer, model):
        notes.append(Reason.of("no_projector_there", repo=found.listing.repo))
    return tuple(notes)


def _with_remaining(plan: PullPlan) -> PullPlan:
    """With what is still missing on disk. Raises AppError (disk_full, move_conflict). Reads files."""
    for file in plan.files:
        require_no_other(plan.folder, file, plan.repo_of(file))
    changed = [file.path for file in plan.files if changed_since(plan.folder, file, plan.commit)]
    if changed:
        note = Reason.of("changed_meanwhile", repo=plan.repo)
        plan = replace(plan, notes=tuple(dict.fromkeys((*plan.notes, note))))
    remaining = _sum(left(plan.folder, file, plan.commit) for file in plan.files)
    if remaining:
        require_space(plan.folder, remaining)
    return replace(plan, remaining_bytes=remaining)


def _sum(sizes: Iterable[int | None]) -> int | None:
    """None where one is not known."""
    found = list(sizes)
    known = [size for size in found if size is not None]
    return sum(known) if len(known) == len(found) else None
