"""Which real model the demo points to: a table of made plans; and on made machines, by the real planner."""

import pytest

from autoglm_desktop.core.best_model import best_model, verdict_of
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.rungs import ModelPlan, Recommendation
from autoglm_desktop.core.units import GIB

UNKNOWN = Reason.of("fits_speed_unmeasured")


def plan(name, verdict, size=6 * GIB, headline=None, recommended=True, rung="gguf-gpu"):
    """made: a plan of a model."""
    advised = Recommendation(rung, "Q4_K_M", size) if recommended else None
    return ModelPlan(name, "text", verdict, headline or Reason.of("made"), None, advised, ())


def step_unmeasured(tokens_per_s):
    return Reason.of("fits_step_unmeasured", tokens_per_s=tokens_per_s)


PHONE, OTHER, BIG, SMALL = "phone", "other-phone", "big", "small"


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ([], None),
        ([plan(PHONE, "cannot"), plan(BIG, "cannot", recommended=False)], None),
        ([plan(BIG, "cannot"), plan(SMALL, "slow", 1 * GIB)], SMALL),
        ([plan(BIG, "runs_well"), plan(PHONE, "runs_well")], PHONE),
        ([plan(BIG, "runs_well"), plan(PHONE, "runs")], PHONE),
        ([plan(PHONE, "runs"), plan(OTHER, "runs_well"), plan(BIG, "runs_well")], OTHER),
        ([plan(PHONE, "runs_well"), plan(OTHER, "runs_well")], PHONE),
        ([plan(PHONE, "slow"), plan(BIG, "runs")], BIG),
        ([plan(PHONE, "slow"), plan(SMALL, "runs_well", 1 * GIB), plan(BIG, "runs")], SMALL),
        ([plan(SMALL, "runs_well", 1 * GIB), plan(BIG, "runs_well")], BIG),
        ([plan(SMALL, "runs", 1 * GIB), plan(BIG, "runs")], BIG),
        ([plan(PHONE, "slow"), plan(BIG, "slow"), plan(SMALL, "slow", 1 * GIB)], SMALL),
        ([plan(SMALL, "slow", 1 * GIB), plan(BIG, "slow", headline=UNKNOWN)], BIG),
        ([plan(PHONE, "slow", headline=UNKNOWN), plan(BIG, "slow", headline=UNKNOWN)], PHONE),
        ([plan(BIG, "runs_well"), plan(PHONE, "slow", headline=UNKNOWN, rung="gguf-split")], PHONE),
        ([plan(BIG, "runs_well"), plan(PHONE, "slow", headline=UNKNOWN, rung="gguf-cpu")], BIG),
        ([plan(BIG, "runs_well"), plan(PHONE, "slow", headline=step_unmeasured(22.0))], PHONE),
        ([plan(BIG, "runs"), plan(PHONE, "slow", headline=step_unmeasured(2.0), rung="gguf-cpu")], BIG),
    ],
)
def test_the_best_model(plans, expected):
    found = best_model(plans, (PHONE, OTHER))
    assert (found.id if found is not None else None) == expected


def test_equal_ones_come_in_the_order_of_the_catalogue():
    one, other = plan("one", "runs_well"), plan("other", "runs_well")
    assert best_model([one, other], ()) is one and best_model([other, one], ()) is other


def test_a_speed_that_nobody_knows_is_not_called_slow():
    assert verdict_of(plan(BIG, "slow", headline=UNKNOWN)) is None
    assert verdict_of(plan(BIG, "slow", headline=step_unmeasured(2.0))) is None
    assert verdict_of(plan(BIG, "slow")) == "slow"
    assert verdict_of(plan(BIG, "runs")) == "runs"
