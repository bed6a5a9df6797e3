"""Cuts of a model's shapes, and what their times say: the arithmetic, on made times."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from autoglm_desktop.core.cut_times import is_busy, solve
from autoglm_desktop.core.cuts import CUT_WORDS, Cut, Cuts, measure_job, plan_cuts, shape_key
from autoglm_desktop.core.gguf_types import TYPES, tensor_bytes
from autoglm_desktop.core.known_shapes import GLM_4_1V_9B, GLM_4_9B_0414, SHAPES
from autoglm_desktop.core.measured import LayerSpeed
from autoglm_desktop.core.protocol import Measure, Measured, Point
from autoglm_desktop.core.quantise import FTYPES, weight_table_for
from autoglm_desktop.core.shapes import AUTOGLM_PHONE_9B, ModelShapes, text_shapes

LIMIT = 1_500_000_000


def types_of(cut: Cut) -> Counter[str]:
    return Counter(kind for name, kind in cut.types if name.endswith("ffn_down.weight"))


def layers_bytes(cut: Cut) -> int:
    types = dict(cut.types)
    return sum(
        tensor_bytes(TYPES[types[t.name]], t.shape) for t in text_shapes(cut.shapes) if t.layer is not None
    )


@pytest.mark.parametrize("ftype", [ftype for ftype in FTYPES if ftype != "F32"])  # nobody offers those
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES.keys())
def test_cuts_of_every_variant_stand_for_its_layers(shapes: ModelShapes, ftype: str) -> None:
    cuts = plan_cuts(shapes, ftype)
    table = weight_table_for(ftype, shapes)
    mean = sum(table.layers) / len(table.layers)
    assert cuts.layer_bytes == round(mean)
    assert cuts.written_bytes <= LIMIT
    assert cuts.layers.shapes.layers >= 2 and cuts.head.shapes.layers == 1
    assert cuts.layers.layer_share == pytest.approx(layers_bytes(cuts.layers) / mean)
    assert cuts.head.layer_share == pytest.approx(layers_bytes(cuts.head) / mean)
    assert cuts.layers.layer_share == pytest.approx(cuts.layers.shapes.layers, rel=0.08)
    for cut in cuts.files:
        assert {name for name, _kind in cut.types} == {tensor.name for tensor in text_shapes(cut.shapes)}
        assert cut.shapes.heads == shapes.heads and cut.shapes.kv_heads == shapes.kv_heads


def test_the_mixture_of_autoglm_s_q4_k_m() -> None:
    """Half of its ffn_down are Q8_0, half Q5_0; a prefill computes all layers but the last one wholly."""
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    types = dict(cuts.layers.types)
    whole = [types[f"blk.{layer}.ffn_down.weight"] for layer in range(cuts.layers.shapes.layers - 1)]
    assert Counter(whole) == {"Q8_0": len(whole) / 2, "Q5_0": len(whole) / 2}
    assert types["output.weight"] == "Q6_K"
    assert cuts.head.shapes.vocabulary == AUTOGLM_PHONE_9B.vocabulary
    assert cuts.layers.shapes.vocabulary == CUT_WORDS


def test_types_of_a_header_count_more_than_the_quantiser_s() -> None:
    types = {tensor.name: "Q6_K" if len(tensor.shape) > 1 else "F32" for tensor in text_shapes()}
    types |= {name: "Q8_0" for name in types if name.endswith("ffn_down.weight")}
    assert types_of(plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M", types=types).layers) == {"Q8_0": 3}


def test_fewer_words_where_the_disk_limit_asks_for_it() -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q8_0", disk_limit=1_200_000_000)
    assert cuts.written_bytes <= 1_200_000_000
    assert CUT_WORDS < cuts.head.shapes.vocabulary < cuts.vocabulary == AUTOGLM_PHONE_9B.vocabulary


def test_no_cuts_without_room_or_of_an_unknown_variant() -> None:
    with pytest.raises(ValueError, match="no cuts"):
        plan_cuts(AUTOGLM_PHONE_9B, "F16", disk_limit=500_000_000)
    with pytest.raises(ValueError, match="unknown file type"):
        plan_cuts(AUTOGLM_PHONE_9B, "Q9")


@pytest.mark.parametrize("cache", [32 << 20, 96 << 20, 384 << 20])
def test_a_large_cache_holds_little_of_the_layers(cache: int) -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M", cache_bytes=cache)
    assert cuts.written_bytes <= LIMIT
    assert layers_bytes(cuts.layers) >= min(8 * cache, 700_000_000)


def test_the_job_of_a_cut_is_what_it_runs_on_and_its_share_of_the_time() -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M", gpu=True)
    on = Measure("llama.cpp", "", gpu_layers=-1, device="CUDA0")
    jobs = [measure_job(cut, f"{cut.name}.gguf", on, 10.0) for cut in cuts.files]
    assert sum(job.limit_s for job in jobs) == pytest.approx(10.0)
    assert all((job.device, job.gpu_layers) == ("CUDA0", -1) for job in jobs)
    assert [(job.model, job.depths[-1]) for job in jobs] == [
        ("layers.gguf", 0), ("head.gguf", 0), ("attention.gguf", 8192),
    ]  # fmt: skip


def test_models_of_the_same_widths_share_their_key() -> None:
    assert shape_key(AUTOGLM_PHONE_9B) == shape_key(GLM_4_1V_9B) == shape_key(GLM_4_9B_0414)
    assert shape_key(AUTOGLM_PHONE_9B) == shape_key(AUTOGLM_PHONE_9B.with_layers(2))
    assert len({shape_key(shapes) for shapes in SHAPES.values()}) == len(SHAPES) - 2


# A machine by its formula: seconds of a layer, a row of the output, a cell; of a prefill's token in a layer.
LAYER, ROW, CELL, TOKEN, TOKEN_CELL, ONE = 3e-3, 7e-8, 4e-7, 1e-3, 1.2e-7, 0.07


def decode(share: float, layers: int, words: int, cells: int) -> float:
    return share * LAYER + words * ROW + layers * cells * CELL


def prefill(layers: int, words: int, cells: int) -> float:
    return 512 * (layers - 1) * TOKEN + ONE + words * ROW + 512 * layers * cells * TOKEN_CELL


def answer(cut: Cut, noise: float = 0.0, random_: random.Random | None = None) -> Measured:
    points = []
    for depth in cut.depths:
        for kind, tokens in (("decode", 1), ("prefill", 512)):
            words, layers = cut.shapes.vocabulary, cut.shapes.layers
            seconds = (
                decode(cut.layer_share, layers, words, depth)
                if kind == "decode"
                else prefill(layers, words, depth)
            )
            seconds *= 1 + (random_.uniform(0, noise) if random_ else 0.0)
            points.append(Point(kind, depth, tokens, seconds, seconds * 0.8, 5))
    return Measured("made", tuple(points), threads=2)


def times_of(cuts: Cuts) -> dict[str, list[Measured]]:
    return {cut.name: [answer(cut)] for cut in cuts.files}


@pytest.mark.parametrize("ftype", ["Q4_K_M", "Q8_0", "F16", "IQ4_XS"])
def test_the_formula_comes_back(ftype: str) -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, ftype)
    found = solve(cuts, "cpu", times_of(cuts), engine="made-engine", build="made")
    assert isinstance(found, LayerSpeed)
    assert (found.device, found.variant, found.shape) == ("cpu", ftype, shape_key(AUTOGLM_PHONE_9B))
    assert (found.engine, found.build, found.threads, found.batch) == ("made-engine", "made", 2, 512)
    assert found.decode_layer_s == pytest.approx(LAYER)
    assert found.decode_cell_s == pytest.approx(CELL)
    assert found.decode_s(40, 5354) == pytest.approx(decode(40, 40, 151_552, 5354))
    assert found.prefill_layer_s == pytest.approx(TOKEN)
    assert found.prefill_s(40, 512) == pytest.approx(prefill(40, 151_552, 0))
    batches = sum(prefill(40, 151_552, 512 * number) for number in range(4))
    assert found.prefill_s(40, 2048) == pytest.approx(batches)
    assert found.layer_parameters == 203_948_032


def test_a_last_batch_that_is_not_full_counts_its_own_tokens() -> None:
    speed = LayerSpeed("cpu", "", "", 0, 0, 1e-3, 0, prefill_cell_s=1e-6)
    one_by_one = sum(1e-3 + 1e-6 * (token // 512 * 512) for token in range(1234))
    assert speed.prefill_layers_s(1, 1234) == pytest.approx(one_by_one)
    assert speed.prefill_layers_s(1, 0) == 0


def test_the_shortest_counts_where_there_were_hardly_any_rounds() -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    times = times_of(cuts)
    few = [
        dataclasses.replace(p, seconds=p.seconds * 1.5, least=p.seconds, rounds=2)
        for p in times["layers"][0].points
    ]
    found = solve(
        cuts, "cpu", times | {"layers": [dataclasses.replace(times["layers"][0], points=tuple(few))]}
    )
    assert found is not None and found.prefill_layer_s == pytest.approx(TOKEN)


def test_noise_is_outlived_by_a_second_round() -> None:
    cuts, random_ = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M"), random.Random(1)
    noisy = {cut.name: [answer(cut, 0.5, random_) for _ in range(12)] for cut in cuts.files}
    found = solve(cuts, "cpu", noisy)
    assert found is not None
    assert found.decode_s(40, 512) == pytest.approx(decode(40, 40, 151_552, 512), rel=0.15)
    quiet = {
        name: [*answers, answer(cut)] for (name, answers), cut in zip(noisy.items(), cuts.files, strict=True)
    }
    found = solve(cuts, "cpu", quiet)
    assert found is not None and found.decode_s(40, 512) == pytest.approx(decode(40, 40, 151_552, 512))


def scaled(answer_: Measured, kind: str, factor: float, depth: int | None = None) -> Measured:
    points = [
        dataclasses.replace(point, least=point.least * factor, seconds=point.seconds * factor)
        if point.kind == kind and depth in (None, point.depth)
        else point
        for point in answer_.points
    ]
    return dataclasses.replace(answer_, points=tuple(points))


@pytest.mark.parametrize(
    ("name", "kind", "factor"),
    [
        ("head", "decode", 0.1),  # an output that takes less than nothing
        ("layers", "prefill", 0.05),  # more layers, less time
        ("layers", "prefill", 40.0),  # reading takes longer than writing
        ("layers", "decode", 0.0),
    ],
)
def test_times_that_contradict_themselves_say_nothing(name: str, kind: str, factor: float) -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    times = times_of(cuts)
    times[name] = [scaled(times[name][0], kind, factor)]
    assert solve(cuts, "cpu", times) is None


@pytest.mark.parametrize("name", ["layers", "head"])
def test_a_cut_that_failed_says_nothing(name: str) -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    times = times_of(cuts)
    del times[name]
    assert solve(cuts, "cpu", times) is None
    assert solve(cuts, "cpu", times | {name: [Measured("made", ())]}) is None


@pytest.mark.parametrize("name", ["layers", "head"])
def test_a_busy_machine_is_noticed_and_a_quiet_round_helps(name: str) -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    times = times_of(cuts)
    quiet = times[name][0]
    points = tuple(dataclasses.replace(point, seconds=point.least * 2.1) for point in quiet.points)
    times[name] = [dataclasses.replace(quiet, points=points)]
    assert is_busy(cuts, times) and solve(cuts, "cpu", times) is None
    times[name].append(quiet)
    assert not is_busy(cuts, times) and solve(cuts, "cpu", times) is not None


def test_a_gpu_s_attention_is_timed_deeper() -> None:
    cpu, gpu = (plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M", gpu=gpu).attention for gpu in (False, True))
    assert gpu.depths[-1] > cpu.depths[-1] and gpu.shapes.layers > cpu.shapes.layers
    assert gpu.written_bytes < 50_000_000


def test_without_the_attention_s_growth_the_rest_counts() -> None:
    cuts = plan_cuts(AUTOGLM_PHONE_9B, "Q4_K_M")
    times = times_of(cuts)
    falling = scaled(scaled(times["attention"][0], "decode", 0.01, 4096), "prefill", 0.01, 4096)
    for attention in ([], [falling], [dataclasses.replace(falling, points=falling.points[:2])]):
        found = solve(cuts, "cpu", times | {"attention": attention})
        assert found is not None and found.decode_cell_s is None and found.prefill_cell_s is None
        assert found.decode_s(40, 5000) == pytest.approx(decode(40, 40, 151_552, 0))
