"""What the Measure button does on the loop: measure, check again, measure what is recommended then."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ...core.errors import Reason
from ...usecases.check import CheckOptions, CheckResult, OnPart
from ...usecases.measure import Measured, Step, measure, wanted_variants
from ...usecases.services import Services

Check = Callable[[Services, CheckOptions, OnPart], Coroutine[Any, Any, CheckResult]]
Measure = Callable[..., Coroutine[Any, Any, Measured]]


@dataclass(frozen=True)
class Outcome:
    """The check after measuring, and what could not be measured with the reason."""

    result: CheckResult
    failed: tuple[tuple[str, Reason], ...] = ()


def variants(result: CheckResult, options: CheckOptions) -> tuple[str, ...]:
    """Of the first model: what was named, else what would start, else what is recommended."""
    if not result.models:
        return ()
    plan, subject = result.models[0], result.subjects[0]
    started = plan.rung(plan.chosen).variant if plan.chosen is not None else None
    recommended = plan.recommended.variant if plan.recommended is not None else None
    named = options.variant or subject.variant or started or recommended
    return wanted_variants(subject.subject, named)


async def measure_and_check(
    services: Services,
    result: CheckResult,
    options: CheckOptions,
    tell: Callable[[Step | None], None],
    check: Check,
    measured: Measure = measure,
) -> Outcome:
    """Measure for the first model; where the figures make another variant the recommended, that one too.
    ``tell(None)``: the check runs. Raises AppError as ``usecases.measure.measure`` and the check do."""
    subject = result.subjects[0].subject if result.subjects else None
    wanted = variants(result, options)
    failed = (await measured(services, result.machine, subject, wanted, tell)).failed
    tell(None)
    again = await check(services, options, _nothing)
    more = tuple(variant for variant in variants(again, options) if variant not in wanted)
    if not more or failed:
        return Outcome(again, failed)
    failed = (await measured(services, result.machine, subject, more, tell, ("model",))).failed
    tell(None)
    return Outcome(await check(services, options, _nothing), failed)


def _nothing(_name: str, _value: object) -> None:
    """Parts are not shown one by one here."""
