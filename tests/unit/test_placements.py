"""Placements against brute force; several cards; orders; measured speeds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from autoglm_desktop.core import choice, limits
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


RUNG_OF = {0: "gguf-cpu", 41: "gguf-gpu"}


def every_placement(setting: Setting, context: int, variant: str = "Q4_K_M") -> list[RungPlan]:
    """By brute force: each KV type, projector place and type, number of layers; those that fit."""
    weights = setting.subject.weights(variant)
    assert weights is not None
    places = [(place, kind) for place in ("gpu", "cpu") for kind in ("f16", "q8_0")]
    if setting.need.step is None:
        places = [("none", "f16")]
    plans = []
    for kv_type in ("f16", "q8_0"):
        for projector, kind in places:
            for layers in range(layers_of(setting.subject) + 1):
                rung = (
                    "gguf-split" if layers == 41 and projector == "cpu" else RUNG_OF.get(layers, "gguf-split")
                )
                if layers or projector != "gpu":
                    place = Placement(context, kv_type, layers, projector, rung == "gguf-cpu", kind)
                    plans.append(plan_at(setting, rung, weights, place))
    return [plan for plan in plans if plan.status == "fits"]


def fits_by_hand(plan: RungPlan, free_mib: int, margin_mib: int, ram_mib: int) -> bool:
    """By the figures of docs/numbers.md, sections 1 and 5 (the projector in Q8_0: 864.6 M weights of 8.5 bits), and
    nothing of the planner's: MiB on the card and beside it.

    Q4_K_M at 10,240 tokens; layers are 126.3 MiB on average (116 to 136): a few MiB of doubt are the caller's.
    """
    layers = plan.gpu_layers or 0
    kv = (40_960 if plan.kv_type == "f16" else 21_760) * 10_240 / MIB
    here = max(layers - 1, 0) / 40
    vision = {"f16": 1704, "q8_0": 929}[plan.projector_type or "f16"] + 816
    card = (486 + here * 40 * 126.3 + here * kv + (112 if layers == 41 else 145) + 330) if layers else 0
    ram = (
        333
        + (0 if layers else 486)
        + (1 - here) * 40 * 126.3
        + (1 - here) * kv
        + (34 if layers else 122)
        + 90
    )
    if plan.projector == "gpu":
        card += vision
    else:
        ram += vision
    return (not card or card + margin_mib <= free_mib) and ram + 512 <= ram_mib


@pytest.mark.parametrize(("display", "margin"), [(True, 600), (False, 300)])
def test_rtx_4060_takes_the_smallest_phone_step_of_all_placements(display: bool, margin: int) -> None:
    """7000 MiB free, Q4_K_M, the whole screenshot: exactly the smallest, of what fits by the published figures too."""
    machine = rtx_4060(display_attached=display)
    setting = setting_of(machine, autoglm().only("Q4_K_M"), "phone")
    fitting = every_placement(setting, 10_240)
    best = min(fitting, key=lambda plan: plan.phone_step_s or 1e9)
    found = planned(machine, autoglm(), "phone", variant="Q4_K_M")
    assert found.recommended is not None
    row = found.rung(found.recommended.rung)
    assert row.phone_step is not None and row.phone_step.image_tokens == 3_354
    assert row.phone_step_s == best.phone_step_s
    assert (row.gpu_layers, row.kv_type, row.projector, row.projector_type) == (
        best.gpu_layers, best.kv_type, best.projector, best.projector_type,
    )  # fmt: skip
    assert all(fits_by_hand(plan, 7000 + 25, margin, 11 * 1024 + 25) for plan in fitting)
    more = replace(best, gpu_layers=(best.gpu_layers or 0) + 1)
    assert not fits_by_hand(more, 7000 - 25, margin, 11 * 1024)


@pytest.mark.parametrize("wish", ["phone", "text"])
@pytest.mark.parametrize("free", [1500, 2500, 3300, 4500, 5200, 6200, 7000, 7800])
@pytest.mark.parametrize("variant", ["Q8_0", "Q4_K_M", "Q2_K"])
def test_no_placement_is_clearly_faster(free: int, variant: str, wish: str) -> None:
    machine = rtx_4060(memory_free_bytes=free * MIB, display_attached=False)
    setting = setting_of(machine, autoglm().only(variant), wish)
    weights = setting.subject.weights(variant)
    assert weights is not None
    by_hand: dict[str, list[RungPlan]] = {}
    for plan in every_placement(setting, setting.need.context, variant):
        by_hand.setdefault(plan.rung, []).append(plan)
    for rung in ("gguf-gpu", "gguf-split", "gguf-cpu"):
        found = best_plan(setting, rung, weights)
        fits = found is not None and found.status == "fits" and (found.context or 0) >= setting.need.context
        assert fits == (rung in by_hand)
        if found is not None and fits:
            least, seconds = min(choice.cost(plan) or 0 for plan in by_hand[rung]), choice.cost(found)
            assert seconds is not None and least <= seconds <= least * choice.CLOSE
            assert seconds == least or found.kv_type == "f16", "only for the better KV cache"


def test_few_layers_where_the_processor_reads_faster_than_the_card() -> None:
    """A server's RAM beside a small card: each layer on the card makes a token slower, but less must lie in RAM."""
    machine = made.made_machine(
        made.made_gpu("NVIDIA GeForce GTX 1060 6GB", 6144, 4904, (6, 1), 192), bandwidth=400 * GB, ram_gib=64,
        free_gib=60,
    )  # fmt: skip
    for free in (60, 6):
        little = replace(machine, memory=replace(machine.memory, available_bytes=free << 30))
        setting = setting_of(little, autoglm().only("Q5_K_M"), "text")
        weights = setting.subject.weights("Q5_K_M")
        assert weights is not None
        found = best_plan(setting, "gguf-split", weights)
        plans = [p for p in every_placement(setting, 4096, "Q5_K_M") if p.rung == "gguf-split"]
        assert found is not None and found.status == "fits"
        assert (choice.cost(found) or 9) <= min(choice.cost(plan) or 9 for plan in plans) * choice.CLOSE
        assert found.gpu_layers == min(
            plan.gpu_layers or 0 for plan in plans if plan.kv_type == found.kv_type
        )


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


@pytest.mark.parametrize("count", [16, 40])
def test_many_cards_are_planned(count: int) -> None:
    """llama.cpp shares over sixteen at most."""
    machine = rtx_4060(memory_free_bytes=3000 * MIB)
    many = replace(machine, gpus=tuple(replace(machine.gpus[0], index=index) for index in range(count)))
    plan = planned(many, autoglm(), "text", variant="Q4_K_M").rung("gguf-gpu")
    assert plan.status == "fits" and sum(plan.layers_by_gpu.values()) == 41
    assert len(plan.layers_by_gpu) == 16
    assert len(limits.companions(many, many.gpus[0])) == 15


@pytest.mark.parametrize("seed", range(25))
def test_shares_of_several_cards_fit_and_leave_nothing_out(seed: int) -> None:
    chance = random.Random(seed)
    machine = rtx_4060()
    cards = tuple(
        replace(machine.gpus[0], index=n, memory_free_bytes=chance.randint(900, 8000) * MIB)
        for n in range(chance.randint(2, 6))
    )
    subject = autoglm()
    for wish in ("phone", "text"):
        found = planned(
            replace(machine, gpus=cards), subject, wish, variant=chance.choice(["Q8_0", "Q4_K_M"])
        )
        for plan in (found.rung("gguf-gpu"), found.rung("gguf-split")):
            weights = subject.weights(plan.variant or "")
            assert weights is not None
            assert sum(device.weights for device in plan.memory.values()) == weights.table.total
            if plan.layers_by_gpu:
                assert sum(plan.layers_by_gpu.values()) == plan.gpu_layers
            for key, device in plan.memory.items():
                assert plan.status != "fits" or device.total + device.margin <= (device.available or 0)
                empty = (
                    key != "ram" and not plan.layers_by_gpu.get(key, plan.gpu_layers) and not device.projector
                )
                assert not empty or device.total == 0


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
