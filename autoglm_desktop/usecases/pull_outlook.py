"""Before a download begins: how what comes will run on this machine. Never in the way of the download."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from ..core.downloads import PullPlan, PullRequest
from ..core.errors import AppError
from ..core.machine import Machine
from ..core.outlook import Judged, Outlook, RepositoryPlans
from ..core.repository import SAFETENSORS, Listing, Offer
from ..core.subject import Subject
from ..core.verdict import CANNOT
from .check import planned
from .dry_runs import heads_of_model
from .headers import LIMIT_S, fetch_of_plan
from .judging import Judge, judge_for
from .knowledge import knowledge
from .pull import plan_pull
from .pull_choose import SeveralVariants
from .pull_find import Pinned
from .repository_plans import Described, describe, judge_offers, plans_of_listing, rehearse
from .services import Services

log = logging.getLogger(__name__)


async def plan_with_outlook(
    services: Services, request: PullRequest, pinned: Pinned | None = None
) -> PullPlan:
    """``plan_pull``, and how what comes will run here."""
    plan = await plan_pull(services, request, pinned)
    return replace(plan, outlook=await outlook(services, plan))


async def outlook(services: Services, plan: PullPlan, limit_s: float = LIMIT_S) -> Outlook | None:
    """From the file's header, which is fetched and kept; else from the model's shapes. None where all of it is here.
    A download that goes on asks for no header again: the first time it came, or could not be had.

    Raises nothing for a header, a machine or an engine that can't be asked.
    """
    if plan.in_place is not None or plan.remaining_bytes == 0 or not plan.copies:
        return None
    problem, judge = await asyncio.gather(_fetched(services, plan, limit_s), _judge(services))
    try:
        found = await _outlook(services, plan, judge)
    except AppError as error:
        log.info("%s cannot be judged: %s", plan.request.target, error)
        return Outlook(problem=problem or error)
    return replace(found, problem=problem)


async def recommend(services: Services, several: SeveralVariants) -> RepositoryPlans:
    """Which of several variants to take here. Raises nothing for a header that can't be had."""
    judge = await _judge(services)
    return await plans_of_listing(services, judge, several.listing, several.offers)


async def _fetched(services: Services, plan: PullPlan, limit_s: float) -> AppError | None:
    """Why the header could not be had."""
    if plan.remaining_bytes != plan.total_bytes:
        return None
    try:
        await fetch_of_plan(services, plan, limit_s)
    except AppError as error:
        log.info("header of %s: %s", plan.request.target, error)
        return error
    return None


async def _judge(services: Services) -> Judge:
    machine = await services.machine()

    def made(machine: Machine) -> Judge:
        known = knowledge(services, machine)
        return judge_for(services, known.applied(machine), known)

    return await asyncio.to_thread(made, machine)


async def _outlook(services: Services, plan: PullPlan, judge: Judge) -> Outlook:
    """Raises TargetError."""
    known = await asyncio.to_thread(_described, services, plan)
    subject = known.subject(plan.variant)
    if subject is not None and subject.weights(plan.variant) is not None:
        await rehearse(services, judge, subject, known.heads, None, plan.variant)

    def judged() -> tuple[Judged, str | None, str | None]:
        return _judged(judge.renewed(services), plan, known, subject)

    found, wish, instead = await asyncio.to_thread(judged)
    return Outlook(found.word, found.headline, found.plan, wish, instead)


def _judged(
    judge: Judge, plan: PullPlan, known: Described, subject: Subject | None
) -> tuple[Judged, str | None, str | None]:
    """How it would run, for which wish, and what would run instead."""
    offer = next((one for one in plan.offers if one.id == plan.variant), Offer(plan.variant, plan.files))
    found = judge_offers(judge, (offer,), known).of(plan.variant)
    if subject is None:
        return found, None, None
    whole = judge.plan(subject, known.heads)
    best = whole.recommended.variant if whole.recommended is not None and found.word == CANNOT else None
    return found, whole.wish, best if best != plan.variant else None


def _described(services: Services, plan: PullPlan) -> Described:
    """Of a model of the catalogue all its variants, of another repository what it offers."""
    if plan.model is not None:
        (found,) = planned(plan.model, services)
        variants = [one.variant for one in found.subject.gguf]
        heads = heads_of_model(services, found.model, variants) if found.model is not None else {}
        return Described((found.subject,), heads, {})
    first = plan.copies[0]
    own = Offer(plan.variant, tuple(file for file in first.files if _weighs(plan, file.path)))
    listing = Listing(first.source, first.repo, first.commit, first.files)
    return describe(services, listing, plan.offers or (own,))


def _weighs(plan: PullPlan, path: str) -> bool:
    return path.lower().endswith(".safetensors" if plan.variant == SAFETENSORS else ".gguf")
