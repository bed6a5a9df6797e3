"""What is wanted lies here already: from an earlier download, or in another program's folder. Reads files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.catalog import SAFETENSORS, Model
from ..core.downloads import Copy, FileProgress, PulledFile, PullPlan, PullProgress, PullRequest
from ..core.errors import AppError, Reason
from ..core.gguf_names import parse
from ..core.repository import Listing, Offer, RemoteFile
from ..store import file_work, manifest, updates
from ..store.elsewhere import Elsewhere
from ..store.library import LocalModel
from .disk_run import DiskProgress, Work, in_thread
from .pull_choose import choose
from .pull_disk import folder_of, is_here
from .pull_find import Candidate
from .services import Services

Report = Callable[[PullProgress], None]


def complete_here(
    services: Services,
    request: PullRequest,
    wanted: Sequence[Candidate],
    model: Model | None,
    *,
    offline: bool = False,
) -> PullPlan | None:
    """The plan of what an earlier download left complete; None where something is missing, may be, or is known to be
    newer at its source. ``offline``: nothing better can be had, whether it is the newest is not known."""
    repos = {repo.lower() for one in wanted for repo in (one.repo, one.projector_repo) if repo}
    newest = {} if offline else updates.read(services.home)
    for candidate in wanted:
        if candidate.variant is None and not offline:
            continue  # only the source knows which files there are
        folder = request.folder or folder_of(services.models, candidate.repo)
        known = manifest.read(folder)
        if known is None or newest.get(str(folder)) not in (None, known.commit):
            continue
        listing = _listing(known, repos)
        offer = _offer(candidate, listing, model)
        if offer is None or not all(_whole(folder, known, file) for file in offer.all_files):
            continue
        notes = (Reason.of("newest_unknown"),) if offline else ()
        return _plan(request, model, offer, listing, folder, notes)
    return None


def _listing(known: manifest.Manifest, repos: set[str]) -> Listing:
    """The files of a manifest that came from one of the repositories."""
    files = tuple(
        RemoteFile(file.path, file.size, file.sha256, file.git_sha1)
        for file in known.files
        if (known.repo_of(file) or "").lower() in repos
    )
    return Listing(known.source or "", known.repo or "", known.commit, files)


def _offer(candidate: Candidate, listing: Listing, model: Model | None) -> Offer | None:
    """What is wanted, if all of it is there: also the vision part, for a model that has one."""
    try:
        offer = choose(candidate, listing, model)
    except AppError:
        return None
    blind = model is not None and model.vision and offer.id != SAFETENSORS and not offer.beside
    return None if blind else offer


def _whole(folder: Path, known: manifest.Manifest, file: RemoteFile) -> bool:
    entry = known.file(file.path)
    return entry is not None and is_here(folder, file, known.commit_of(entry))


def _plan(
    request: PullRequest,
    model: Model | None,
    offer: Offer,
    listing: Listing,
    folder: Path,
    notes: tuple[Reason, ...],
) -> PullPlan:
    files = offer.all_files
    return PullPlan(
        request=request,
        title=model.title if model is not None else listing.repo.rpartition("/")[2],
        repo=listing.repo,
        variant=offer.id,
        commit=listing.commit,
        folder=folder,
        files=files,
        copies=(Copy(listing.source, listing.repo, listing.commit, files),),
        total_bytes=offer.size,
        remaining_bytes=0,
        model=model.id if model is not None else None,
        notes=notes,
    )


def elsewhere(services: Services, plan: PullPlan) -> Path | None:
    """Where another program has all of it, as a model that the library lists; then nothing is fetched."""
    found = services.library.elsewhere
    if found is None or plan.request.folder is not None or not _weights(plan):
        return None
    hashes = [file.sha256 for file in plan.files if file.sha256 is not None]
    if any(found.with_sha256(digest) is None for digest in hashes):
        return None
    listed = (local for local in services.library.files() if local.place is not None and local.complete)
    return next((local.path for local in listed if _is_it(found, local, plan)), None)


def _weights(plan: PullPlan) -> tuple[RemoteFile, ...]:
    """Its weights; empty where one has no hash."""
    ending = ".safetensors" if plan.variant == SAFETENSORS else ".gguf"
    found = tuple(f for f in plan.files if f.path.lower().endswith(ending) and not _is_projector(f))
    return found if all(file.sha256 is not None for file in found) else ()


def _is_projector(file: RemoteFile) -> bool:
    return file.path.lower().endswith(".gguf") and parse(file.path).projector


def _is_it(found: Elsewhere, local: LocalModel, plan: PullPlan) -> bool:
    """Whether a listed model is made of the very files of the plan."""
    weights = _weights(plan)
    pairs = [(local.path / file.name if local.is_folder else local.path, file) for file in weights]
    if local.is_folder != (plan.variant == SAFETENSORS) or (not local.is_folder and len(weights) != 1):
        return False
    if any(map(_is_projector, plan.files)) and local.projector is None:
        return False
    try:
        return all(path.samefile(_blob(found, file)) for path, file in pairs)
    except OSError:
        return False


def _blob(found: Elsewhere, file: RemoteFile) -> Path:
    """Raises FileNotFoundError."""
    path = found.with_sha256(file.sha256 or "")
    if path is None:
        raise FileNotFoundError(file.path)
    return path


async def proved(services: Services, plan: PullPlan, report: Report) -> tuple[PulledFile, ...] | None:
    """The files of a plan that lies in another program's folder, each compared with its hash; None: one is wrong."""
    found = services.library.elsewhere
    files = tuple(file for file in plan.files if file.sha256 is not None)
    if found is None:
        return None

    def tell(progress: DiskProgress) -> None:
        shown = tuple(FileProgress(file.path, "verify", 0, file.size) for file in files)
        report(PullProgress("verify", progress.done_bytes, progress.total_bytes, files=shown))

    def check(work: Work) -> bool:
        work.total = sum(file.size or 0 for file in files)
        for file in files:
            work.check()
            if file_work.sha256_of(_blob(found, file), work.stop, work.told) != file.sha256:
                return False
        return True

    try:
        right = await in_thread(check, tell)
    except (AppError, FileNotFoundError):
        return None
    if not right:
        return None
    report(PullProgress("done", plan.total_bytes or 0, plan.total_bytes))
    return tuple(PulledFile(file.path, file.size or 0, "sha256", 0, None, file.sha256) for file in files)
