"""From a plan's numbers to a word: runs_well, runs, slow, cannot; and the sentence above it. Pure.

Phone wish: a phone step of at most 15 s runs well, of at most 60 s runs. Text wish: 15 and 5 tokens/s. A
speed that is unknown counts as slow, and the headline says that it was not measured.
"""

from __future__ import annotations

from .errors import Reason
from .rungs import RungPlan

RUNS_WELL, RUNS, SLOW, CANNOT = "runs_well", "runs", "slow", "cannot"
VERDICTS = (RUNS_WELL, RUNS, SLOW, CANNOT)

PHONE_STEP_S = (15.0, 60.0)
TOKENS_PER_S = (15.0, 5.0)


def judge(plan: RungPlan, wish: str) -> str | None:
    """The verdict for one plan that fits; None where its speed is unknown."""
    if wish == "phone":
        if plan.phone_step_s is None:
            return None
        well, runs = PHONE_STEP_S
        return RUNS_WELL if plan.phone_step_s <= well else RUNS if plan.phone_step_s <= runs else SLOW
    if plan.tokens_per_s is None:
        return None
    well, runs = TOKENS_PER_S
    return RUNS_WELL if plan.tokens_per_s >= well else RUNS if plan.tokens_per_s >= runs else SLOW


def of_model(
    best: RungPlan | None, wish: str, *, vision: bool, nearest: RungPlan | None
) -> tuple[str, Reason]:
    """Verdict and headline from the best plan that fits; without one, from the ``nearest`` that doesn't.

    A phone wish of a model without ``vision``, or in a context that holds no phone step, cannot be met, whatever
    fits.
    """
    if wish == "phone" and not vision:
        return CANNOT, Reason.of("no_vision")
    if best is None:
        return CANNOT, _why_not(nearest)
    step, tokens = best.phone_step, best.context
    if step is not None and tokens is not None and tokens < step.tokens:
        return CANNOT, Reason.of("context_too_small", tokens=tokens, needed_tokens=step.tokens)
    verdict = judge(best, wish)
    measured = best.basis.speed == "measured"
    place = "place_processor-16bit" if best.on_processor else f"place_{best.rung}"
    values: dict[str, object] = {
        "variant": best.variant,
        "place": Reason.of(place),
        "measured": measured,
    }
    if verdict is None:
        if best.tokens_per_s is not None:
            return SLOW, Reason.of("fits_step_unmeasured", **values, tokens_per_s=best.tokens_per_s)
        return SLOW, Reason.of("fits_speed_unmeasured", **values)
    if wish == "phone":
        return verdict, Reason.of(f"phone_{verdict}", **values, step_s=best.phone_step_s)
    return verdict, Reason.of(f"text_{verdict}", **values, tokens_per_s=best.tokens_per_s)


def _why_not(nearest: RungPlan | None) -> Reason:
    """The headline where nothing fits: what is missing on, or speaks against, the rung that comes closest."""
    if nearest is None or nearest.reason is None:
        return Reason.of("nothing_fits_here")
    if nearest.status == "unavailable":
        return Reason.of("cannot_here", why=nearest.reason)
    return Reason.of("cannot_because", why=nearest.reason, variant=nearest.variant)
