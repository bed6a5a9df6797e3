"""``check --measure``, ``--forget-measurements`` and ``--fetch-headers``: what is done before the check speaks, with
progress on stderr; and what was measured, for people."""

from __future__ import annotations

import argparse
import sys

from .cli_progress import ProgressLine
from .core.errors import AppError
from .i18n import _
from .texts import errors, measuring
from .usecases.check import CheckOptions, CheckResult, run_check
from .usecases.headers import fetch_header
from .usecases.measure import Step, forget
from .usecases.measure_check import measure_and_check
from .usecases.services import Services


async def prepared(services: Services, wanted: CheckOptions, options: argparse.Namespace) -> CheckResult:
    """The check after what was asked for besides. Raises AppError (engine_not_installed …)."""
    result = await run_check(services, wanted)
    if options.forget_measurements:
        await _forget(services, result)
    if options.fetch_headers:
        await _fetch(services, result)
    if options.forget_measurements or options.fetch_headers:
        result = await run_check(services, wanted)
    return await _measured(services, result, wanted) if options.measure else result


async def _forget(services: Services, result: CheckResult) -> None:
    known = await forget(services, result.machine)
    said = _("What was measured here is forgotten.") if known else _("Nothing was measured here.")
    print(said, file=sys.stderr)


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


async def _measured(services: Services, result: CheckResult, wanted: CheckOptions) -> CheckResult:
    """Typing ``--measure`` is consent. Without an engine nothing is measured. Raises AppError."""
    if not any(one.description.backend == "llama.cpp" for one in services.environments.installed()):
        raise AppError("engine_not_installed", name="llama-cpu")
    line = ProgressLine()

    def tell(step: Step | None) -> None:
        if step is None:
            line.show(_("Checking …"), "check")
        else:
            line.show(measuring.step_text(step), f"{step.part} {step.device} {step.variant}", step.fraction)

    try:
        outcome = await measure_and_check(services, result, wanted, tell)
    finally:
        line.end()
    for what, reason in outcome.failed:
        print(measuring.failure_text(what, reason), file=sys.stderr)
    return outcome.result


def known_lines(result: CheckResult) -> list[str]:
    """What was measured here and when, and what of it no longer counts; nothing of a machine in a file."""
    if result.described:
        return []
    known = result.known
    return [*measuring.known_lines(known.measured), *map(measuring.outdated_text, known.outdated)]
