"""Getting a model: what will be fetched, then fetching it. One path for window and terminal.

``plan_pull`` asks the sources; ``run_pull`` fetches, verifies and notes what is there. Cancelling is a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.catalog import SAFETENSORS, Model
from ..core.downloads import AUTO, Copy, Pulled, PullPlan, PullProgress, PullRequest
from ..core.errors import AppError, Reason, TransferError
from ..core.repository import Listing, Offer, RemoteFile, offers
from ..store import manifest
from .pull_disk import is_here, left, require_space
from .pull_find import (
    HUBS,
    Candidate,
    Found,
    Pinned,
    SeveralVariants,
    agreeing,
    automatic,
    candidates,
    choose,
    look,
)
from .pull_run import Fetching
from .services import Services

__all__ = ["Pinned", "SeveralVariants", "plan_pull", "repository_offers", "run_pull"]

log = logging.getLogger(__name__)

CHANGED = ("download_changed", "download_file_gone", "download_revision_gone")

Report = Callable[[PullProgress], None]


def _ignore(_progress: PullProgress) -> None:
    return


async def repository_offers(
    services: Services, repo: str, source: str = AUTO
) -> tuple[Listing, tuple[Offer, ...]]:
    """What a repository offers, by the first source that answers. Raises TransferError, AppError(repo_name_wrong)."""
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise AppError("repo_name_wrong", repo=repo)
    asked = (
        tuple(name for hub in HUBS for name in automatic(hub, services.web.environment))
        if source == AUTO
        else (source,)
    )
    listing = (await look(services, Candidate(repo, asked)))[0]
    return listing, offers(listing)


async def plan_pull(services: Services, request: PullRequest, pinned: Pinned | None = None) -> PullPlan:
    """What will be fetched and where it will lie.

    Raises SeveralVariants, TargetError, TransferError (nothing is found), AppError (disk_full).
    """
    wanted, model = await candidates(services, request)
    try:
        found = await _find(services, request, wanted, pinned)
    except TransferError as error:
        here = await asyncio.to_thread(_complete_here, services, request, wanted, model)
        if here is None or error.code not in ("download_no_network", "listing_unreachable"):
            raise
        return here
    folder = request.folder or services.models.joinpath(*found.listing.repo.split("/"))
    notes = _notes(model, found)
    plan = PullPlan(
        request=request,
        title=model.title if model is not None else found.listing.repo.rpartition("/")[2],
        repo=found.listing.repo,
        variant=found.offer.id,
        commit=found.copies[0].commit,
        folder=folder,
        files=found.copies[0].files,
        copies=found.copies,
        total_bytes=found.offer.size,
        remaining_bytes=None,
        model=model.id if model is not None else None,
        notes=notes,
    )
    return await asyncio.to_thread(_with_remaining, services, plan)


async def run_pull(services: Services, plan: PullPlan, report: Report = _ignore) -> Pulled:
    """Fetch what the plan says; go on where an earlier run ended. Cancelling keeps everything.

    A repository that changes in the middle is listed again once; what changed starts anew, and it is said.
    Raises TransferError, AppError (disk_full, folder_not_writable …).
    """
    if plan.in_place is not None:
        return Pulled(plan, (), 0.0, plan.notes)
    try:
        return await Fetching(services, plan, report).run()
    except TransferError as error:
        if error.code not in CHANGED:
            raise
        log.warning("%s changed in the middle: %s", plan.repo, error)
        fresh = await plan_pull(services, plan.request)
        changed = Reason.of("changed_meanwhile", repo=plan.repo)
        fresh = replace(fresh, notes=(*fresh.notes, changed))
        return await Fetching(services, fresh, report, notice=changed).run()


async def _find(
    services: Services, request: PullRequest, wanted: Sequence[Candidate], pinned: Pinned | None
) -> Found:
    """The first candidate that a source has. Raises the most telling error of the preferred one."""
    first: TransferError | None = None
    ordered = sorted(wanted, key=lambda one: pinned is not None and one.repo != pinned.repo)
    for candidate in ordered:
        try:
            listings = await look(services, candidate, pinned)
            listing, offer = _offered(candidate, listings, request.target)
        except TransferError as error:
            first = first or error
            continue
        ordered_listings = [listing, *(other for other in listings if other is not listing)]
        copies = await agreeing(services, offer, ordered_listings)
        return Found(candidate, listing, offer, copies)
    assert first is not None
    raise first


def _offered(candidate: Candidate, listings: Sequence[Listing], target: str) -> tuple[Listing, Offer]:
    """The first listing that offers what is wanted."""
    failure: TransferError | None = None
    for listing in listings:
        try:
            return listing, choose(candidate, listing, target)
        except TransferError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _notes(model: Model | None, found: Found) -> tuple[Reason, ...]:
    """What the user should know before: the catalogue's warnings, and a vision part that isn't there."""
    notes = [Reason.of(code) for code in (model.notes if model is not None else ())]
    gguf = found.offer.id != SAFETENSORS
    if model is not None and model.vision and gguf and not found.offer.beside:
        notes.append(Reason.of("no_projector_there", repo=found.listing.repo))
    return tuple(notes)


def _with_remaining(services: Services, plan: PullPlan) -> PullPlan:
    """With what is still missing on disk, or where it lies already. Raises AppError(disk_full). Reads files."""
    place = _elsewhere(services, plan)
    if place is not None:
        return replace(plan, remaining_bytes=0, in_place=place)
    missing = [left(plan.folder, file) for file in plan.files]
    if any(count is None for count in missing):
        return plan
    remaining = sum(count for count in missing if count is not None)
    if remaining:
        require_space(plan.folder, remaining)
    return replace(plan, remaining_bytes=remaining)


def _elsewhere(services: Services, plan: PullPlan) -> Path | None:
    """Where another program has all of it, in a place that the library lists; then nothing is fetched."""
    found = services.library.elsewhere
    weights = max(plan.files, key=lambda file: file.size or 0)
    if found is None or weights.sha256 is None or plan.request.folder is not None:
        return None
    if found.with_sha256(weights.sha256) is None:
        return None
    beside = [file for file in plan.files if file is not weights and file.sha256]
    if any(found.with_sha256(file.sha256 or "") is None for file in beside):
        return None
    for local in services.library.files():
        if local.place is not None and local.complete and _is_it(local.path, local.size_bytes, weights):
            return local.path
    return None


def _is_it(path: Path, size: int, weights: RemoteFile) -> bool:
    try:
        real = path.resolve().name
    except OSError:
        return False
    return size == weights.size and (weights.sha256 or "") in real


def _complete_here(
    services: Services, request: PullRequest, wanted: Sequence[Candidate], model: Model | None
) -> PullPlan | None:
    """Without a network: what an earlier download left complete; whether it is the newest can't be said."""
    for candidate in wanted:
        folder = request.folder or services.models.joinpath(*candidate.repo.split("/"))
        known = manifest.read(folder)
        if known is None or not known.files:
            continue
        files = tuple(RemoteFile(f.path, f.size, f.sha256, f.git_sha1) for f in known.files)
        local = services.library.of_repo(candidate.repo)
        if not local or not all(is_here(folder, file) for file in files):
            continue
        copy = Copy(known.source or "", candidate.repo, known.commit, files)
        title = model.title if model is not None else candidate.repo.rpartition("/")[2]
        total = sum(file.size or 0 for file in files)
        variant = candidate.variant or local[0].file_type or ""
        return PullPlan(
            request, title, candidate.repo, variant, known.commit, folder, files, (copy,), total, 0,
            model.id if model is not None else None, (Reason.of("newest_unknown"),), local[0].path,
        )  # fmt: skip
    return None
