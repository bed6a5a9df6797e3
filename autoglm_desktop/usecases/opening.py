"""A variant that is not here is opened: its header is fetched, and an engine lays it out. Then plans are made anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from ..core.downloads import AUTO
from ..core.outlook import RepositoryPlans
from ..core.repository import Listing, Offer
from .check import CheckResult, planned
from .dry_runs import heads_of_model
from .headers import LIMIT_S, fetch_header
from .judging import judge_for
from .repository_plans import describe, judge_offers, look_into, plans_of_listing, rehearse
from .services import Services

TRUE = ("1", "ON", "YES", "TRUE")
"""As huggingface_hub reads ``HF_HUB_OFFLINE``."""


def offline(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the user has said that hubs are not to be asked unless he asks for a download."""
    environment = os.environ if environment is None else environment
    return environment.get("HF_HUB_OFFLINE", "").upper() in TRUE


async def open_variant(
    services: Services,
    check: CheckResult,
    model: str,
    variant: str,
    source: str = AUTO,
    limit_s: float = LIMIT_S,
) -> None:
    """Of a model of the catalogue. Raises TargetError, TransferError, AppError (header_slow …)."""
    await fetch_header(services, f"{model}:{variant}", limit_s, source)
    judge = await asyncio.to_thread(judge_for, services, check.machine, check.known)
    (found,) = await asyncio.to_thread(planned, model, services)
    wish = next((plan.wish for plan in check.models if plan.id == found.subject.id), None)
    if found.model is not None and found.subject.weights(variant) is not None:
        heads = await asyncio.to_thread(heads_of_model, services, found.model, (variant,))
        await rehearse(services, judge, found.subject, heads, wish, variant)


async def open_repository(
    services: Services, check: CheckResult, listing: Listing, offers: Sequence[Offer], *, fetch: bool = True
) -> RepositoryPlans:
    """What a repository offers, judged; where nothing tells its shapes one header is fetched (``fetch``). Raises
    nothing for what can't be had."""
    judge = await asyncio.to_thread(judge_for, services, check.machine, check.known)
    return await plans_of_listing(services, judge, listing, offers, fetch=fetch)


async def open_offer(
    services: Services, check: CheckResult, listing: Listing, offers: Sequence[Offer], offer: Offer
) -> RepositoryPlans:
    """One of them: its own header is fetched, and all are judged anew. Raises TransferError, TargetError, AppError."""
    judge = await asyncio.to_thread(judge_for, services, check.machine, check.known)
    await look_into(services, judge, listing, offer)

    def judged() -> RepositoryPlans:
        return judge_offers(judge.renewed(services), offers, describe(services, listing, offers))

    return await asyncio.to_thread(judged)
