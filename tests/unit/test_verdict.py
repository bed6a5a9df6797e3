"""Verdicts at their borders, and the choice among plans."""

from dataclasses import replace

import pytest

from autoglm_desktop.core import choice, verdict
from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.rungs import Basis, PhoneStep, RungPlan

STEP = PhoneStep(3354, 2000, 0, 200)


def text(variant: str, speed: float | None, rung: str = "gguf-gpu", **more: object) -> RungPlan:
    return RungPlan(rung, variant=variant, status="fits", tokens_per_s=speed, **more)  # type: ignore[arg-type]


def phone(variant: str, seconds: float | None, **more: object) -> RungPlan:
    return RungPlan("gguf-gpu", variant=variant, status="fits", phone_step_s=seconds, phone_step=STEP, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plan", "wish", "expected"),
    [
        (text("Q4_K_M", 15.0), "text", "runs_well"),
        (text("Q4_K_M", 14.9), "text", "runs"),
        (text("Q4_K_M", 5.0), "text", "runs"),
        (text("Q4_K_M", 4.9), "text", "slow"),
        (text("Q4_K_M", None), "text", None),
        (phone("Q4_K_M", 15.0), "phone", "runs_well"),
        (phone("Q4_K_M", 15.1), "phone", "runs"),
        (phone("Q4_K_M", 60.0), "phone", "runs"),
        (phone("Q4_K_M", 60.1), "phone", "slow"),
        (phone("Q4_K_M", None), "phone", None),
    ],
)
def test_borders(plan: RungPlan, wish: str, expected: str | None) -> None:
    assert verdict.judge(plan, wish) == expected


def test_an_unknown_speed_is_slow_and_said_to_be_unmeasured() -> None:
    word, headline = verdict.of_model(text("Q4_K_M", None), "text", vision=True, nearest=None)
    assert (word, headline.code) == ("slow", "fits_speed_unmeasured")
    assert "tokens_per_s" not in headline.as_dict()
    half_known = phone("Q4_K_M", None, tokens_per_s=30.0)
    word, headline = verdict.of_model(half_known, "phone", vision=True, nearest=None)
    assert (word, headline.code) == ("slow", "fits_step_unmeasured")


def test_headlines_tell_measured_from_estimated() -> None:
    for basis, measured in (("measured", True), ("estimated", False)):
        plan = text("Q4_K_M", 20.0, basis=Basis(speed=basis))
        _word, headline = verdict.of_model(plan, "text", vision=True, nearest=None)
        assert headline.code == "text_runs_well"
        assert headline.as_dict()["measured"] is measured


def test_nothing_fits_names_what_is_missing() -> None:
    reason = Reason.of("ram_short", short_bytes=1)
    near = RungPlan("gguf-cpu", variant="Q2_K", status="too_big", reason=reason)
    word, headline = verdict.of_model(None, "text", vision=True, nearest=near)
    assert (word, headline.code) == ("cannot", "cannot_because")
    assert headline.as_dict() == {"why": reason, "variant": "Q2_K"}
    word, headline = verdict.of_model(None, "text", vision=True, nearest=None)
    assert (word, headline.code) == ("cannot", "nothing_fits_here")
    unknown = RungPlan("gguf-cpu-safe", reason=Reason.of("ram_unknown"))
    word, headline = verdict.of_model(None, "text", vision=True, nearest=unknown)
    assert (word, headline.code) == ("cannot", "cannot_here")


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        # the first in the order of quality that runs well
        ([text("Q4_K_M", 40.0), text("Q8_0", 16.0), text("Q6_K", 25.0)], "Q8_0"),
        ([text("Q4_K_M", 40.0), text("Q8_0", 14.0), text("Q6_K", 25.0)], "Q6_K"),
        # else the fastest of 4 bits and more that runs
        ([text("Q4_K_M", 6.0), text("IQ4_XS", 8.0), text("Q2_K", 20.0)], "IQ4_XS"),
        ([text("Q4_K_M", 7.9), text("IQ4_XS", 8.0)], "IQ4_XS"),
        ([text("Q4_K_M", 8.0), text("IQ4_XS", 8.0)], "Q4_K_M"),
        # else the same below 4 bits
        ([text("Q4_K_M", 3.0), text("Q3_K_M", 6.0), text("Q2_K", 20.0)], "Q2_K"),
        # else the fastest that fits
        ([text("Q4_K_M", 2.0), text("Q2_K", 4.0)], "Q2_K"),
        # where none runs, of nearly equal ones the better
        ([text("Q4_K_M", 3.9), text("Q2_K", 4.0)], "Q4_K_M"),
        # unknown speeds: the variant in use; before measured ones of fewer bits
        ([text("Q8_0", None), text("Q4_K_M", None), text("IQ4_XS", None)], "Q4_K_M"),
        ([text("Q4_K_M", None), text("Q2_K", 20.0)], "Q4_K_M"),
        ([text("Q5_K_M", 5.0), text("Q4_K_M", None)], "Q5_K_M"),
        ([text("Q2_K", None)], "Q2_K"),
    ],
)
def test_the_order_of_recommending(plans: list[RungPlan], expected: str) -> None:
    for order in (plans, plans[::-1]):
        found = choice.best(order, "text")
        assert found is not None and found.variant == expected


def test_each_variant_stands_on_its_fastest_rung() -> None:
    plans = [
        text("Q4_K_M", 6.0, "gguf-cpu"),
        text("Q4_K_M", 9.0, "gguf-split"),
        text("Q4_K_M", 8.0, "gguf-cpu-safe"),
    ]
    found = choice.recommended(plans, "text")
    assert found is not None and found.rung == "gguf-split"
    assert choice.recommended([], "text") is None


def test_unmeasured_gpu_before_split_before_cpu_before_transformers() -> None:
    rungs = ["transformers-16bit", "gguf-cpu", "gguf-split", "gguf-gpu"]
    plans = [text("Q4_K_M", None, rung) for rung in rungs]
    while plans:
        found = choice.best(plans, "text")
        assert found is plans.pop()


def test_a_gpu_of_unknown_speed_is_tried_before_a_slow_cpu() -> None:
    """A part of a divided card tells no bandwidth; minutes for a step on the CPU are known all the same."""
    slow = [replace(phone(variant, 300.0), rung="gguf-cpu") for variant in ("Q4_K_M", "IQ4_XS")]
    on_gpu = phone("Q4_K_M", None)
    whole = replace(phone("Q8_0", None), rung="gguf-split")
    assert choice.recommended([*slow, on_gpu, whole], "phone") is on_gpu
    runs = replace(phone("Q4_K_M", 30.0), rung="gguf-cpu")
    assert choice.recommended([runs, on_gpu, whole], "phone") is runs


def test_placements_within_three_percent_keep_the_better_cache() -> None:
    sharp = text("Q4_K_M", 30.0, kv_type="f16", gpu_layers=41)
    assert choice.best_placement([sharp, text("Q4_K_M", 30.5, kv_type="q8_0", gpu_layers=41)]) is sharp
    faster = text("Q4_K_M", 34.0, kv_type="q8_0", gpu_layers=41)
    assert choice.best_placement([sharp, faster]) is faster
    assert choice.best_placement([]) is None


def test_pictures_stay_on_the_gpu_while_a_step_is_unknown() -> None:
    on_gpu = phone("Q4_K_M", None, projector="gpu", tokens_per_s=10.0, gpu_layers=20, kv_type="f16")
    on_cpu = phone("Q4_K_M", None, projector="cpu", tokens_per_s=30.0, gpu_layers=41, kv_type="f16")
    assert choice.best_placement([on_cpu, on_gpu]) is on_gpu
