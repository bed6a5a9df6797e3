"""What a picture costs at the sizes to choose from: tokens, seconds and its share of the KV cache."""

import dataclasses

import pytest

from autoglm_desktop.core import speed
from autoglm_desktop.core.errors import AppError
from autoglm_desktop.core.memory import KV_CELLS
from autoglm_desktop.core.picture_cost import ESTIMATE_SPREAD, PictureCost, Range, choices, cost
from autoglm_desktop.core.pictures import PictureSize, shown_size
from autoglm_desktop.core.rungs import Basis, DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.texts import values

SCREENSHOT = shown_size(1080, 2400)
KV_PER_TOKEN = 40_960
PLAN = RungPlan(
    "gguf-gpu", context=10_240, prompt_tokens_per_s=1000.0, image_s=2.0,
    phone_step=PhoneStep(SCREENSHOT.tokens, 2000, 0, 200),
    memory={name: DeviceMemory(kv_cache=10_240 * KV_PER_TOKEN // 2) for name in ("gpu:0", "ram")},
)  # fmt: skip


def tokens(width, height, **more):
    return [size.tokens for size in choices(width, height, **more)]


def test_a_screenshot_is_offered_in_full_and_smaller():
    found = choices(1080, 2400)
    assert [size.tokens for size in found] == [3354, 1856, 817, 336, 189]
    assert PictureSize(532, 1204) in found, "540 × 1200: 817 tokens"


@pytest.mark.parametrize("most", [1, 5, 84, 817, 1482, 3354, 6144, 10**6])
@pytest.mark.parametrize(
    "picture", [(1080, 2400), (2400, 1080), (540, 1200), (60, 60), (28, 28), (10, 1900), (8000, 8000)]
)
def test_the_largest_comes_first_none_twice_and_none_beyond_the_room(picture, most):
    found = tokens(*picture, most=most)
    assert 1 <= len(found) <= 5 and found[0] <= most
    assert found == sorted(set(found), reverse=True)
    assert choices(*picture, most=most)[0] == shown_size(*picture, most)


def test_smaller_ones_keep_the_shape():
    assert tokens(60, 60) == [9, 1], "of 3 tokens there is only 84 × 28"
    for size in choices(1080, 2400):
        assert 0.8 <= size.width * 2400 / (size.height * 1080) <= 1.25


def test_without_room_there_is_nothing_to_choose_and_a_thread_is_refused():
    assert choices(1080, 2400, 0) == choices(1080, 2400, -5) == ()
    with pytest.raises(AppError) as refused:
        choices(1, 1000)
    assert refused.value.code == "picture_too_narrow"


def test_the_screenshot_of_the_plan_costs_what_the_plan_says():
    found = cost(SCREENSHOT, PLAN)
    seconds = 2.0 + 3354 / 1000
    assert found.tokens == 3354 and found.kv_bytes == 3354 * KV_PER_TOKEN
    assert found.seconds.low == pytest.approx(seconds * (1 - ESTIMATE_SPREAD))
    assert found.seconds.high == pytest.approx(seconds * (1 + ESTIMATE_SPREAD))


def test_a_smaller_picture_saves_more_than_its_share_of_tokens():
    """Attention grows with the square: 50 and 7 TFLOP for 3,354 and 817 tokens (docs/numbers.md, section 5)."""
    small = cost(PictureSize(532, 1204), PLAN)
    share = speed.vision_flop(817) / speed.vision_flop(3354)
    assert share == pytest.approx(7 / 50, rel=0.1) and share < 817 / 3354
    middle = (small.seconds.low + small.seconds.high) / 2
    assert middle == pytest.approx(2.0 * share + 0.817)


def test_what_loading_measured_goes_before_the_estimate():
    found = cost(SCREENSHOT, PLAN, image_s=1.0)
    assert found.seconds == Range(pytest.approx(1.0 + 3.354 * 0.85), pytest.approx(1.0 + 3.354 * 1.15))
    measured = dataclasses.replace(PLAN, basis=Basis(speed="measured"))
    assert cost(SCREENSHOT, measured, image_s=1.0).seconds == Range(
        pytest.approx(4.354), pytest.approx(4.354)
    )


@pytest.mark.parametrize("missing", [{"image_s": None}, {"prompt_tokens_per_s": None}, {"phone_step": None}])
def test_what_is_not_known_is_none(missing):
    found = cost(SCREENSHOT, dataclasses.replace(PLAN, **missing))
    assert found.seconds is None and found.kv_bytes == 3354 * KV_PER_TOKEN
    assert cost(SCREENSHOT, None) == PictureCost(3354, None, None)
    assert cost(SCREENSHOT, dataclasses.replace(PLAN, memory={})).kv_bytes is None
    assert cost(SCREENSHOT, dataclasses.replace(PLAN, context=None)).kv_bytes is None


def test_llama_cpp_makes_its_cache_for_whole_groups_of_cells():
    cells = DeviceMemory(kv_cache=(KV_CELLS * 5) * KV_PER_TOKEN)
    odd = dataclasses.replace(PLAN, context=KV_CELLS * 4 + 1, memory={"ram": cells})
    assert cost(PictureSize(28, 28), odd).kv_bytes == KV_PER_TOKEN
    exact = DeviceMemory(kv_cache=odd.context * KV_PER_TOKEN)
    folder = dataclasses.replace(odd, rung="transformers-nf4", memory={"gpu:0": exact})
    assert cost(PictureSize(28, 28), folder).kv_bytes == KV_PER_TOKEN


def test_estimates_are_as_wide_as_everywhere():
    assert ESTIMATE_SPREAD == values.ESTIMATE_SPREAD
