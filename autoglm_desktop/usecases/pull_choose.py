"""Which files of a listing are wanted, and which sources have the same ones."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from ..core.catalog import SAFETENSORS, Model
from ..core.downloads import Copy
from ..core.errors import AppError, TransferError
from ..core.gguf_names import parse
from ..core.repository import PROJECTOR_TYPES, Listing, Offer, RemoteFile, find_offer, offers
from ..store.transfer.place import Place, TryAgain
from .pull_find import Candidate
from .services import Services

log = logging.getLogger(__name__)

SMALL_BYTES = 8 * 1024 * 1024
MEASURE_S = 2.0
MEASURE_BYTES = 4 * 1024 * 1024

Begun = Callable[[Copy], bool]


class SeveralVariants(AppError):
    """A repository offers several variants and none was named. ``offers``: what there is in its ``listing``."""

    def __init__(self, listing: Listing, found: Sequence[Offer]) -> None:
        super().__init__("several_variants", target=listing.repo, known=", ".join(one.id for one in found))
        self.target = listing.repo
        self.listing = listing
        self.offers = tuple(found)


def choose(candidate: Candidate, listing: Listing, model: Model | None) -> Offer:
    """The offer that is wanted of a listing. Raises SeveralVariants, TransferError (variant_not_offered,
    nothing_to_run)."""
    found = offers(listing)
    if candidate.variant is None:
        return _only(found, listing)
    offer = _named(candidate, listing, found)
    if offer is None:
        known = ", ".join(one.id for one in found) or "–"
        values = {
            "variant": candidate.variant,
            "repo": listing.repo,
            "source": listing.source,
            "known": known,
        }
        raise TransferError("variant_not_offered", **values)
    if model is None or offer.id == SAFETENSORS:
        return offer
    if not model.vision:
        return Offer(candidate.variant, offer.files)
    own = by_name(listing, candidate.projector)
    return Offer(candidate.variant, offer.files, (own,) if own is not None else offer.beside)


def _named(candidate: Candidate, listing: Listing, found: Sequence[Offer]) -> Offer | None:
    """By the file that the catalogue or the user names, by the variant's id, or by the type alone where several files
    have it."""
    variant = candidate.variant or ""
    file = by_name(listing, candidate.file or f"{variant.removesuffix('.gguf')}.gguf")
    holds = next((offer for offer in found if file in offer.files), None) if file is not None else None
    exact = holds or find_offer(found, variant)
    if exact is not None or candidate.file is not None:
        return exact
    typed = [offer for offer in found if _type(offer) == variant.upper()]
    return min(typed, key=lambda offer: (len(offer.files[0].path), offer.id), default=None)


def _type(offer: Offer) -> str | None:
    path = offer.files[0].path
    return parse(path).type if path.lower().endswith(".gguf") else None


def _only(found: Sequence[Offer], listing: Listing) -> Offer:
    """All allowed files of a repository that has one variant."""
    ggufs = [offer for offer in found if offer.id != SAFETENSORS]
    if len(ggufs) > 1:
        raise SeveralVariants(listing, found)
    if not found:
        raise TransferError("nothing_to_run", repo=listing.repo, source=listing.source)
    one = (ggufs or list(found))[0]
    return Offer(one.id, one.files, tuple(file for file in listing.files if file not in one.files))


def by_name(listing: Listing, name: str | None) -> RemoteFile | None:
    """A file by its path, else by its name in any folder."""
    if name is None:
        return None
    return listing.file(name) or next((file for file in listing.files if file.name == name), None)


def projector_of(listing: Listing, name: str | None) -> RemoteFile | None:
    """The vision part that a repository of its own holds: the one that is named, else of the best type."""
    own = by_name(listing, name)
    if own is not None:
        return own

    def rank(file: RemoteFile) -> tuple[int, str]:
        kind = parse(file.path).type or ""
        place = PROJECTOR_TYPES.index(kind) if kind in PROJECTOR_TYPES else len(PROJECTOR_TYPES)
        return place, file.path

    found = [f for f in listing.files if f.path.lower().endswith(".gguf") and parse(f.path).projector]
    return min(found, key=rank, default=None)


async def agreeing(
    services: Services, offer: Offer, listings: Sequence[Listing], others: Sequence[Listing], begun: Begun
) -> tuple[Copy, ...]:
    """The copies that may give blocks of the same files. ``listings`` are of one repository, the preferred first;
    ``others`` of repositories that may hold the same.

    Where those of the one repository differ, or have no hashes, that one is taken which a download has begun with, else
    the one whose first block comes fastest, with all that agree with it.
    """
    copies = [copy for listing in listings if (copy := _copy(offer, listing)) is not None]
    first = copies[0]
    if not all(_agree(first, copy, offer) for copy in copies[1:]):
        first = next((copy for copy in copies if begun(copy)), None) or await _fastest(
            services, copies, offer
        )
        log.info("sources of %s differ; %s is used", first.repo, first.source)
    more = [copy for listing in others if (copy := _copy(offer, listing)) is not None]
    return (first, *(copy for copy in (*copies, *more) if copy is not first and _agree(first, copy, offer)))


def _copy(offer: Offer, listing: Listing) -> Copy | None:
    """The offer's files as another listing has them; None where it lacks one of the weights."""
    found = {
        wanted.path: file for wanted in offer.all_files if (file := listing.file(wanted.path)) is not None
    }
    if any(file.path not in found for file in offer.files):
        return None
    return Copy(listing.source, listing.repo, listing.commit, tuple(found.values()))


def _agree(one: Copy, other: Copy, offer: Offer) -> bool:
    """Whether both have the same large files; small ones are told apart when they are fetched."""
    large = [f.path for f in offer.all_files if f in offer.files or f.size is None or f.size > SMALL_BYTES]
    pairs = [(one.file(path), other.file(path)) for path in large]
    if one.repo == other.repo and one.commit is not None and one.commit == other.commit:
        return not any(differ(*pair) for pair in pairs)
    return all(same(*pair) for pair in pairs)


def differ(one: RemoteFile | None, other: RemoteFile | None) -> bool:
    """Whether sizes or hashes, where both are known, tell that these are two files."""
    if one is None or other is None:
        return one is not other
    values = ((one.size, other.size), (one.sha256, other.sha256), (one.git_sha1, other.git_sha1))
    return any(None not in pair and pair[0] != pair[1] for pair in values)


def same(one: RemoteFile | None, other: RemoteFile | None) -> bool:
    """Size and hash are known and equal."""
    if one is None or other is None or one.size is None or one.size != other.size:
        return False
    if one.sha256 is not None or other.sha256 is not None:
        return one.sha256 == other.sha256
    return one.git_sha1 is not None and one.git_sha1 == other.git_sha1


async def _fastest(services: Services, copies: Sequence[Copy], offer: Offer) -> Copy:
    path = max(offer.files, key=lambda file: file.size or 0).path
    rates = await asyncio.gather(*(_measure(services, copy, path) for copy in copies))
    return max(zip(copies, rates, strict=True), key=lambda pair: pair[1])[0]


async def _measure(services: Services, copy: Copy, path: str) -> float:
    """Bytes/s of the first block; 0 where nothing comes."""
    file = copy.file(path)
    assert file is not None  # a copy has all weights
    begun, received = time.monotonic(), 0

    async def read(place: Place) -> None:
        nonlocal received
        async with place.open(0, min(file.size or MEASURE_BYTES, MEASURE_BYTES)) as reply:
            async for chunk in reply.chunks:
                received += len(chunk)

    try:
        place = services.web.source(copy.source).place(copy.repo, copy.commit, file)
        await asyncio.wait_for(read(place), MEASURE_S)
    except (asyncio.TimeoutError, TryAgain, TransferError) as error:
        log.info("measuring %s: %s", copy.source, error)
    return received / max(1e-6, time.monotonic() - begun)
