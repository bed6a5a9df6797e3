"""``check --measure`` and ``--fetch-headers``: what is done before the check speaks, with progress on stderr."""

from __future__ import annotations

import argparse
import sys

from .cli_progress import ProgressLine
from .core.errors import AppError
from .texts import errors, measuring
from .usecases.check import CheckOptions, CheckResult, run_check
from .usecases.headers import fetch_header
from .usecases.measure import Step, measure, wanted_variants
from .usecases.services import Services


async def prepared(services: Services, wanted: CheckOptions, options: argparse.Namespace) -> CheckResult:
    """The check after what was asked for besides. Raises AppError (engine_not_installed …)."""
    if not (options.measure or options.fetch_headers):
        return await run_check(services, wanted)
    result = await run_check(services, wanted)
    if options.fetch_headers:
        await _fetch(services, result)
    if options.measure:
        await _measure(services, result, wanted)
    return await run_check(services, wanted)


async def _fetch(services: Services, result: CheckResult) -> None:
    """The header of the variant that each model's plan is about. What can't be had is said, and the check goes on."""
    for subject, plan in zip(result.subjects, result.models, strict=True):
        variant = subject.variant or (plan.recommended.variant if plan.recommended is not None else None)
        if subject.model is None or variant is None or subject.subject.weights(variant) is None:
            continue
        try:
            await fetch_header(services, f"{subject.model.id}:{variant}")
        except AppError as error:
            print(errors.text(error), file=sys.stderr)
        finally:
            await services.web.close()


async def _measure(services: Services, result: CheckResult, wanted: CheckOptions) -> None:
    """Of the first model the variant that was named, or that would start or is recommended; where the figures make
    another one the recommended, that one too."""
    if not any(one.description.backend == "llama.cpp" for one in services.environments.installed()):
        raise AppError("engine_not_installed", name="llama-cpu")
    line = ProgressLine()

    def tell(step: Step) -> None:
        line.show(measuring.step_text(step), f"{step.part} {step.device} {step.variant}", step.fraction)

    variants = _variants(result, wanted)
    subject = result.subjects[0].subject if result.subjects else None
    try:
        found = await measure(services, result.machine, subject, variants, tell)
        failed = found.failed
        again = await run_check(services, wanted)
        more = tuple(variant for variant in _variants(again, wanted) if variant not in variants)
        if more and not failed:
            failed = (await measure(services, result.machine, subject, more, tell, ("model",))).failed
    finally:
        line.end()
    for what, reason in failed:
        print(measuring.failure_text(what, reason), file=sys.stderr)


def _variants(result: CheckResult, wanted: CheckOptions) -> tuple[str, ...]:
    """What to measure of the first model."""
    if not result.models:
        return ()
    plan, subject = result.models[0], result.subjects[0]
    started = plan.rung(plan.chosen).variant if plan.chosen is not None else None
    recommended = plan.recommended.variant if plan.recommended is not None else None
    return wanted_variants(subject.subject, wanted.variant or subject.variant or started or recommended)
