"""Placements against brute force; several cards; orders; measured speeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoglm_desktop.core import limits
from autoglm_desktop.core.choice import DESIGNED, FASTEST, QUALITY
from autoglm_desktop.core.gguf_plans import best_plan, layers_of, plan_at
from autoglm_desktop.core.ladder import plan_model, smaller_plans
from autoglm_desktop.core.machine import Gpu, Machine
from autoglm_desktop.core.measured import LayerSpeed, Measurements
from autoglm_desktop.core.memory import Placement
from autoglm_desktop.core.protocol import Layout
from autoglm_desktop.core.rungs import EngineState, ModelPlan, RungPlan
from autoglm_desktop.core.setting import Setting
from autoglm_desktop.core.subject import Installed, Subject, of_model
from autoglm_desktop.core.units import GB, MIB
from autoglm_desktop.core.wishes import need_for
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.services import gpu_table
from tests.fakes import made_machines as made

RTX_4060 = {"pcie_generation_max": 4, "pcie_width": 8}
"""The link is half as wide as the slot."""


def autoglm(*variants: str) -> Subject:
    return of_model(catalog.load().models[0], Installed(frozenset(variants), bool(variants)))


def rtx_4060(**more: object) -> Machine:
    return made.with_gpu(made.made_rtx_4060(bandwidth=made.DDR4_DUAL), **{**RTX_4060, **more})


def planned(machine: Machine, subject: Subject, wish: str, **more: object) -> ModelPlan:
    return plan_model(machine, subject, wish, cards=gpu_table(), **more)  # type: ignore[arg-type]


def setting_of(machine: Machine, subject: Subject, wish: str) -> Setting:
    card = limits.best_gpu(machine)
    return Setting(
        machine, subject, need_for(subject, wish), card,
        more_gpus=limits.companions(machine, card), cards=gpu_table(),
    )  # fmt: skip


def every_placement(setting: Setting, context: int) -> list[RungPlan]:
    """By brute force: each KV type, projector place and type, number of layers."""
    weights = setting.subject.weights("Q4_K_M")
    assert weights is not None
    plans = []
    for kv_type in ("f16", "q8_0"):
        for projector in ("gpu", "cpu"):
            for kind in ("f16", "q8_0"):
                for layers in range(1, layers_of(setting.subject) + 1):
                    place = Placement(context, kv_type, layers, projector, projector_type=kind)
                    plans.append(plan_at(setting, "gguf-split", weights, place))
    return [plan for plan in plans if plan.status == "fits"]


@pytest.mark.parametrize("free", [5200, 6200, 7000, 7800])
def test_the_phone_step_is_the_smallest_of_all_placements(free: int) -> None:
    machine = rtx_4060(memory_free_bytes=free * MIB, display_attached=False)
    subject = autoglm().only("Q4_K_M")
    setting = setting_of(machine, subject, "phone")
    weights = subject.weights("Q4_K_M")
    assert weights is not None
    plans = [best_plan(setting, rung, weights) for rung in ("gguf-gpu", "gguf-split")]
    found = min(plan.phone_step_s for plan in plans if plan is not None and plan.status == "fits")  # type: ignore[type-var]
    least = min(plan.phone_step_s for plan in every_placement(setting, 10_240))  # type: ignore[type-var]
    assert least is not None and found is not None
    assert least <= found <= least * 1.03  # nearly equal ones are decided by the better KV cache


def test_layers_beside_the_projector_as_llama_cpp_would_fit_them() -> None:
    """Section 4: 7000 MiB free, 8K, q8_0 KV cache, margin 300, 1704 + 816 MiB for pictures: 27 layers."""
    machine = rtx_4060(display_attached=False)
    subject = autoglm().only("Q4_K_M")
    setting = setting_of(machine, subject, "phone")
    weights = subject.weights("Q4_K_M")
    assert weights is not None and setting.gpu_budget is not None
    fitting = []
    for layers in range(1, 42):
        place = Placement(8192, "q8_0", layers, "gpu")
        device = plan_at(setting, "gguf-split", weights, place).memory["gpu:0"]
        if (
            device.total - device.overhead + device.margin <= 7000 * MIB
        ):  # that figure is without a driver's context
            fitting.append(layers)
    assert max(fitting) == pytest.approx(27, abs=1)


def two_cards(first: int, second: int) -> Machine:
    machine = rtx_4060(memory_free_bytes=first * MIB)
    other = replace(machine.gpus[0], index=1, memory_free_bytes=second * MIB)
    return replace(machine, gpus=(machine.gpus[0], other))


def test_two_cards_share_what_neither_holds() -> None:
    alone = planned(two_cards(7000, 500), autoglm(), "phone", variant="Q4_K_M").rung("gguf-gpu")
    assert alone.status == "too_big"
    plan = planned(two_cards(7000, 6900), autoglm(), "phone", variant="Q4_K_M").rung("gguf-gpu")
    assert plan.status == "fits" and plan.gpu_layers == 41
    assert sum(plan.layers_by_gpu.values()) == 41 and set(plan.layers_by_gpu) == {"gpu:0", "gpu:1"}
    assert plan.memory["gpu:0"].projector and not plan.memory["gpu:1"].projector
    weights = autoglm().weights("Q4_K_M")
    assert weights is not None
    on_cards = sum(plan.memory[key].weights for key in ("gpu:0", "gpu:1"))
    assert on_cards == weights.table.full_gpu
    assert sum(plan.memory[key].kv_cache for key in ("gpu:0", "gpu:1")) == 40_960 * (plan.context or 0)
    for key in ("gpu:0", "gpu:1"):
        device = plan.memory[key]
        assert device.available is not None and device.total + device.margin <= device.available


def test_a_second_card_is_left_alone_where_one_is_enough() -> None:
    plan = planned(two_cards(7000, 6900), autoglm(), "text", variant="Q4_K_M").rung("gguf-gpu")
    assert plan.status == "fits" and plan.layers_by_gpu == {} and "gpu:1" not in plan.memory


def test_cards_of_other_kinds_do_not_share() -> None:
    machine = rtx_4060()
    graphics = Gpu(1, "intel", "made graphics", 16 * GB, 12 * GB, integrated=True)
    assert limits.companions(replace(machine, gpus=(machine.gpus[0], graphics)), machine.gpus[0]) == ()


def test_sixteen_cards_are_planned() -> None:
    machine = rtx_4060(memory_free_bytes=3000 * MIB)
    many = replace(machine, gpus=tuple(replace(machine.gpus[0], index=index) for index in range(16)))
    plan = planned(many, autoglm(), "text", variant="Q4_K_M").rung("gguf-gpu")
    assert plan.status == "fits" and sum(plan.layers_by_gpu.values()) == 41


def test_smaller_plans_of_two_cards_stay_on_two() -> None:
    machine = two_cards(7000, 6900)
    plan = planned(machine, autoglm(), "phone", variant="Q4_K_M").rung("gguf-gpu")
    smaller = list(smaller_plans(plan, machine, autoglm().only("Q4_K_M")))
    assert smaller and all(set(one.layers_by_gpu) == {"gpu:0", "gpu:1"} for one in smaller)
    totals = [sum(device.total for device in one.memory.values()) for one in (plan, *smaller)]
    assert totals == sorted(totals, reverse=True)


def test_orders() -> None:
    machine = made.made_rtx_3060()
    by_order = {
        order: planned(machine, autoglm(), "text", order=order).recommended
        for order in (DESIGNED, FASTEST, QUALITY)
    }
    assert by_order[DESIGNED].variant == by_order[QUALITY].variant == "Q8_0"  # type: ignore[union-attr]
    assert by_order[FASTEST].variant == "IQ4_XS"  # type: ignore[union-attr]
    small = rtx_4060()
    quality = planned(small, autoglm(), "text", order=QUALITY).recommended
    assert quality is not None and quality.variant in ("Q8_0", "Q6_K")  # runs, if slowly


def test_the_order_decides_what_starts() -> None:
    engine = EngineState("llama-cuda", "llama.cpp", True, "passed", gpu=True)
    subject = autoglm("Q4_K_M")
    machine = rtx_4060(memory_free_bytes=7800 * MIB)
    designed = planned(machine, subject, "text", engines=(engine,))
    fastest = planned(machine, subject, "text", engines=(engine,), order=FASTEST)
    assert designed.chosen == fastest.chosen == "gguf-gpu"


def layer_speed(device: str, variant: str, key: str, seconds: float = 0.004) -> LayerSpeed:
    return LayerSpeed(
        device, key, variant, decode_layer_s=seconds, decode_head_s=0.02, prefill_layer_s=0.0005,
        prefill_head_s=0.05, decode_cell_s=1e-8, prefill_cell_s=1e-9, layer_bytes=132 * MIB,
        layer_parameters=203_900_000,
    )  # fmt: skip


def test_a_measured_variant_is_told_from_its_cuts() -> None:
    subject = autoglm()
    known = Measurements("here", layers=(layer_speed("cpu", "Q4_K_M", subject.shape.key),))
    machine = made.made_laptop()
    plan = planned(machine, subject, "text", measured=known, variant="Q4_K_M").rung("gguf-cpu")
    assert plan.basis.speed == "measured"
    assert plan.tokens_per_s == pytest.approx(1 / (40 * (0.004 + 512e-8) + 0.02))
    assert plan.prompt_tokens_per_s == pytest.approx(512 / (512 * 40 * 0.0005 + 0.05))
    safe = planned(machine, subject, "text", measured=known, variant="Q4_K_M").rung("gguf-cpu-safe")
    assert safe.basis.speed == "estimated"


def test_another_variant_is_estimated_from_the_measured_one() -> None:
    subject = autoglm()
    known = Measurements("here", layers=(layer_speed("cpu", "Q4_K_M", subject.shape.key),))
    plan = planned(made.made_laptop(), subject, "text", measured=known, variant="Q8_0").rung("gguf-cpu")
    weights = subject.weights("Q8_0")
    assert weights is not None and plan.basis.speed == "estimated"
    rate = 132 * MIB / 0.004
    assert plan.tokens_per_s == pytest.approx(rate / weights.table.full_gpu, rel=0.01)


def test_a_split_needs_both_measured() -> None:
    subject = autoglm()
    key = subject.shape.key
    machine = rtx_4060(memory_free_bytes=5000 * MIB)
    cpu, gpu = layer_speed("cpu", "Q4_K_M", key), layer_speed("gpu:0", "Q4_K_M", key, 0.0005)
    for layers, basis in (((cpu, gpu), "measured"), ((cpu,), "estimated"), ((gpu,), "estimated")):
        known = Measurements("here", layers=layers)
        plan = planned(machine, subject, "text", measured=known, variant="Q4_K_M").rung("gguf-split")
        assert plan.basis.speed == basis
        assert plan.tokens_per_s


def test_a_dry_run_replaces_the_formulas() -> None:
    subject = autoglm()
    told = {("Q4_K_M", Layout(4096, "f16", 0)): {"ram": {"compute": 77 * MIB, "kv_cache": 5 * MIB}}}
    plan = planned(made.made_laptop(), subject, "text", variant="Q4_K_M", dry_runs=told).rung("gguf-cpu")
    assert plan.basis.memory == "dry_run"
    assert (plan.memory["ram"].compute, plan.memory["ram"].kv_cache) == (77 * MIB, 5 * MIB)
    other = planned(made.made_laptop(), subject, "text", variant="Q8_0", dry_runs=told).rung("gguf-cpu")
    assert other.basis.memory == "table"
