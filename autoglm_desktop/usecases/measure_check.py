"""Measuring and the check after it: what the Measure button and ``check --measure`` both do once that was agreed to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .check import CheckOptions, CheckResult, OnPart, run_check
from .measure import Measured, Step, measure, wanted_variants
from .measure_model import Failed
from .services import Services

Check = Callable[[Services, CheckOptions, OnPart], Coroutine[Any, Any, CheckResult]]
Measure = Callable[..., Coroutine[Any, Any, Measured]]


@dataclass(frozen=True)
class Outcome:
    """The check after measuring, and what could not be measured with the reason."""

    result: CheckResult
    failed: tuple[Failed, ...] = ()


def variants(result: CheckResult, options: CheckOptions) -> tuple[str, ...]:
    """Of the first model: what was named, else what would start, else what is recommended."""
    if not result.models:
        return ()
    plan, subject = result.models[0], result.subjects[0]
    started = plan.rung(plan.chosen).variant if plan.chosen is not None else None
    recommended = plan.recommended.variant if plan.recommended is not None else None
    return wanted_variants(subject.subject, options.variant or subject.variant or started or recommended)


async def measure_and_check(
    services: Services,
    result: CheckResult,
    options: CheckOptions,
    tell: Callable[[Step | None], None],
    check: Check = run_check,
    measured: Measure = measure,
) -> Outcome:
    """Measure for the first model of ``result``; where the figures make another variant the recommended, that one too.

    ``tell(None)``: the check runs. Cancelling ends it at once. Raises AppError as ``measure`` and the check do.
    """
    subject = result.subjects[0].subject if result.subjects else None
    wanted = variants(result, options)
    first = await measured(services, result.machine, subject, wanted, tell)
    tell(None)
    again = await check(services, options, _nothing)
    told = {layer.variant for layer in first.known.layers}
    more = tuple(variant for variant in variants(again, options) if variant not in wanted)
    if not more or told.isdisjoint(wanted):
        return Outcome(again, first.failed)
    second = await measured(services, result.machine, subject, more, tell, ("model",))
    tell(None)
    failed = tuple(dict.fromkeys((*first.failed, *second.failed)))
    return Outcome(await check(services, options, _nothing), failed)


def _nothing(_name: str, _value: object) -> None:
    """Parts are not shown one by one here."""
