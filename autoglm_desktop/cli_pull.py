"""``autoglm-desktop pull TARGET [--source …] [--dir DIR] [--json]``. Ctrl-C and SIGTERM pause: nothing is lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from typing import Any

from .cli_progress import ProgressLine
from .core import pasted
from .core.downloads import SOURCES, Pulled, PullPlan, PullProgress, PullRequest
from .core.errors import Reason
from .core.outlook import NOTHING_JUDGED, RepositoryPlans
from .core.repository import Offer
from .i18n import _
from .store import settings
from .store.paths import expanded
from .texts import downloads as texts
from .texts import errors, reasons
from .texts import outlook as outlook_texts
from .usecases import pull, pull_outlook
from .usecases.check_json import rung_to_json
from .usecases.services import Services, create_services

PAUSED = 130
SEVERAL = 2


async def run(options: argparse.Namespace) -> int:
    """The command. Raises AppError."""
    services = create_services()
    last: list[PullProgress] = []
    try:
        return await _pull(services, options, last)
    except pull.SeveralVariants as error:
        return await _several(services, options, error)
    except asyncio.CancelledError:  # Ctrl-C or SIGTERM; everything is kept
        print(texts.paused_text(last[-1] if last else None), file=sys.stderr)
        return PAUSED
    finally:
        await services.web.close()


async def _pull(services: Services, options: argparse.Namespace, last: list[PullProgress]) -> int:
    """Plan, say it, fetch. ``last`` keeps the latest progress for whoever ends it."""
    line = ProgressLine()

    def show(progress: PullProgress) -> None:
        last[:] = [progress]
        all_here = progress.stage == "fetch" and progress.done_bytes == progress.total_bytes
        if progress.stage != "done" and not all_here:
            line.show(texts.progress_line(progress), progress.stage, progress.fraction)

    try:
        show(PullProgress("listing", 0, None))
        plan = await pull.plan_pull(services, request_of(services, options))
        last.clear()
        line.end()
        _say(texts.plan_lines(plan))
        line.show(_("Reading the file's header"), "header")
        plan = replace(plan, outlook=await pull_outlook.outlook(services, plan))
        line.end()
        _say(outlook_texts.lines(plan))
        pulled = await pull.run_pull(services, plan, show)
    finally:
        line.end()
    _say(texts.note_lines(tuple(note for note in pulled.notes if note not in plan.notes)))
    unverified = texts.unverified_text(pulled)
    _say([unverified] if unverified else [])
    if options.json:
        print(json.dumps(document(pulled), ensure_ascii=False))
    else:
        print(texts.pulled_text(pulled))
    return 0


def request_of(services: Services, options: argparse.Namespace) -> PullRequest:
    """What the command line asks for; the source is the one chosen under Models where none is named."""
    folder = expanded(options.dir).absolute() if options.dir is not None else None
    named = pasted.read(options.target)
    source = (options.source or "").strip() or named.source or settings.load(services.home).source
    known = next((one for one in SOURCES if one == source.lower()), source)
    return PullRequest(named.target, known, folder)


def document(pulled: Pulled) -> dict[str, Any]:
    """The document of ``pull --json``."""
    plan = pulled.plan
    return {
        "schema": 1,
        "target": plan.request.target,
        "title": plan.title,
        "model": plan.model,
        "variant": plan.variant,
        "repo": plan.repo,
        "commit": plan.commit,
        "folder": str(plan.folder if plan.in_place is None else plan.in_place.parent),
        "in_place": plan.in_place is not None,
        "sources": list(plan.sources),
        "total_bytes": plan.total_bytes,
        "fetched_bytes": pulled.fetched_bytes,
        "seconds": round(pulled.seconds, 3),
        "files": [
            {
                "path": file.path,
                "size_bytes": file.size,
                "sha256": file.sha256,
                "verified": file.verified,
                "fetched_bytes": file.fetched_bytes,
                "source": file.source,
            }
            for file in pulled.files
        ],
        "notes": [_note(note) for note in pulled.notes],
        "outlook": _outlook(plan),
    }


def _outlook(plan: PullPlan) -> dict[str, Any] | None:
    found = plan.outlook
    if found is None:
        return None
    problem = found.problem
    return {
        "wish": found.wish,
        "verdict": found.verdict,
        "headline": reasons.text(found.headline) if found.headline is not None else None,
        "plan": rung_to_json(found.plan) if found.plan is not None else None,
        "instead": found.instead,
        "problem": {"code": problem.code, "text": errors.text(problem)} if problem is not None else None,
    }


def variants_document(
    target: str, offers: tuple[Offer, ...], found: RepositoryPlans = NOTHING_JUDGED
) -> dict[str, Any]:
    """The document of ``pull --json`` where a variant must be named (exit 2)."""
    variants = [
        {
            "id": offer.id,
            "size_bytes": offer.size,
            "files": [file.path for file in offer.all_files],
            "verdict": found.of(offer.id).word,
        }
        for offer in offers
    ]
    return {"schema": 1, "target": target, "recommended": found.recommended, "variants": variants}


async def _several(services: Services, options: argparse.Namespace, error: pull.SeveralVariants) -> int:
    found = await pull_outlook.recommend(services, error)
    if found.problem is not None:
        _say([errors.text(found.problem)])
    if options.json:
        print(json.dumps(variants_document(error.target, error.offers, found), ensure_ascii=False))
    else:
        _say(texts.several_lines(error.target, error.offers, found))
    return SEVERAL


def _note(note: Reason) -> dict[str, str]:
    return {"code": note.code, "text": reasons.text(note)}


def _say(lines: list[str]) -> None:
    """On stderr: stdout holds the result only."""
    for line in lines:
        print(line, file=sys.stderr)
