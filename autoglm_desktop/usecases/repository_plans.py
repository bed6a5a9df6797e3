"""Any repository's variants, judged for this machine: by the catalogue's shapes, or by a header that is kept.

What nothing tells stays unknown: no verdict, and no recommendation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.catalog import Model
from ..core.choice import UNMEASURED_ORDER
from ..core.errors import AppError, Reason
from ..core.gguf_header import GgufHeader, refusal
from ..core.offer_subject import is_single_gguf, of_repository, with_offers
from ..core.outlook import Judged, RepositoryPlans
from ..core.repository import SAFETENSORS, Listing, Offer, find_offer
from ..core.subject import Subject, of_model
from ..core.verdict import CANNOT
from .dry_runs import Head, dry_runs
from .headers import LIMIT_S, fetch_of_listing
from .judging import Judge
from .kept_headers import with_headers
from .services import Services

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Described:
    """What is known of a repository: a subject for each of its models, the heads of their variants, and why the files
    of some offers can answer no text."""

    subjects: tuple[Subject, ...]
    heads: Mapping[str, Head]
    refused: Mapping[str, Reason]

    def subject(self, offer_id: str) -> Subject | None:
        """The one that an offer belongs to."""
        safetensors = offer_id == SAFETENSORS
        return next(
            (one for one in self.subjects if (one.safetensors if safetensors else one.weights(offer_id))),
            None,
        )


def describe(services: Services, listing: Listing, offers: Sequence[Offer]) -> Described:
    """From the catalogue and from the headers that are kept of this commit. Reads files; no network. Raises
    TargetError(gguf_incomplete)."""
    heads, headers, refused = _kept(services, listing, offers)
    model = catalogue_model(services, listing.repo)
    if model is not None:
        base = with_headers(services, of_model(model), model, here=False)
        return Described((with_offers(base, offers, headers),), heads, refused)
    usable = {offer_id: header for offer_id, header in headers.items() if offer_id not in refused}
    return Described(of_repository(listing.repo, offers, usable), heads, refused)


def judge_offers(judge: Judge, offers: Sequence[Offer], known: Described) -> RepositoryPlans:
    """The same rule as for a model of the catalogue. Reads no file."""
    judged = {
        offer_id: Judged(None, CANNOT, Reason.of("cannot_here", why=why))
        for offer_id, why in known.refused.items()
    }
    for offer in offers:
        subject = known.subject(offer.id)
        if subject is not None and offer.id not in judged:
            gguf = offer.id != SAFETENSORS
            judged[offer.id] = judge.variant(subject, known.heads, offer.id, None, gguf=gguf)
    if len(known.subjects) != 1:
        return RepositoryPlans(judged)
    plan = judge.plan(known.subjects[0], known.heads)
    best = find_offer(offers, plan.recommended.variant) if plan.recommended is not None else None
    return RepositoryPlans(judged, plan.wish, best.id if best is not None else None)


def telling_offer(offers: Sequence[Offer]) -> Offer | None:
    """The one whose header is to tell of all: the type that is in use, else the smallest; None without a GGUF."""
    single = [offer for offer in offers if is_single_gguf(offer)]
    usual = (find_offer(single, name) for name in UNMEASURED_ORDER)
    return next((offer for offer in usual if offer is not None), single[0] if single else None)


async def look_into(
    services: Services, judge: Judge, listing: Listing, offer: Offer, limit_s: float = LIMIT_S
) -> None:
    """Fetch and keep an offer's header, and what an engine tells of its layouts. Raises TransferError, TargetError,
    AppError."""
    await fetch_of_listing(services, listing, offer, limit_s)
    known = await asyncio.to_thread(describe, services, listing, (offer,))
    subject = known.subject(offer.id)
    if subject is not None and subject.weights(offer.id) is not None:
        await rehearse(services, judge, subject, known.heads, None, offer.id)


async def plans_of_listing(
    services: Services,
    judge: Judge,
    listing: Listing,
    offers: Sequence[Offer],
    limit_s: float = LIMIT_S,
    *,
    fetch: bool = True,
) -> RepositoryPlans:
    """Every offer judged; where nothing is known one header is asked for (``fetch``). Raises nothing for one that can't
    be had."""
    problem: AppError | None = None
    offer = telling_offer(offers)
    try:
        known = await asyncio.to_thread(describe, services, listing, offers)
        if fetch and offer is not None and not known.subjects and not known.refused:
            await look_into(services, judge, listing, offer, limit_s)
            judge = await asyncio.to_thread(judge.renewed, services)
            known = await asyncio.to_thread(describe, services, listing, offers)
    except AppError as error:
        log.info("%s: %s", listing.repo, error)
        known, problem = Described((), {}, {}), error
    found = await asyncio.to_thread(judge_offers, judge, offers, known)
    return RepositoryPlans(found.judged, found.wish, found.recommended, problem)


async def rehearse(
    services: Services,
    judge: Judge,
    subject: Subject,
    heads: Mapping[str, Head],
    wish: str | None,
    variant: str,
) -> None:
    """Let an engine tell the buffers of a variant's layouts, and keep it. Never raises for an engine or a disk that
    fails."""
    laid = await asyncio.to_thread(judge.layouts, subject, wish, variant)
    await dry_runs(services, [(heads, laid)])


def catalogue_model(services: Services, repo: str) -> Model | None:
    """The model of the catalogue that a repository is said to hold."""
    for model in services.library.catalog.models:
        if any(source.repo.lower() == repo.lower() for form in model.variants for source in form.sources):
            return model
    return None


def _kept(
    services: Services, listing: Listing, offers: Sequence[Offer]
) -> tuple[dict[str, Head], dict[str, GgufHeader], dict[str, Reason]]:
    """Heads, headers and refusals by offer's id, of the commit that is listed."""
    found = {
        entry.path: entry
        for entry in reversed(services.headers.all())
        if entry.repo.lower() == listing.repo.lower() and entry.commit == listing.commit
    }
    heads: dict[str, Head] = {}
    headers: dict[str, GgufHeader] = {}
    refused: dict[str, Reason] = {}
    for offer in offers:
        entry = found.get(offer.files[0].path) if is_single_gguf(offer) else None
        header = services.headers.gguf(entry) if entry is not None else None
        if entry is None or header is None:
            continue
        heads[offer.id], headers[offer.id] = Head(entry.key, kept=entry), header
        reason = refusal(header)
        if reason is None and header.split_count > 1:
            reason = Reason.of("gguf_split", path=entry.path, count=header.split_count)
        if reason is not None:
            refused[offer.id] = reason
    return heads, headers, refused
