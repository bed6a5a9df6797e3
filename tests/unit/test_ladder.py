"""The ladder by tables of made machines."""

from dataclasses import replace
from itertools import pairwise

import pytest

from autoglm_desktop.core.catalog import Model
from autoglm_desktop.core.checks import deciding_plan
from autoglm_desktop.core.ladder import NEVER_AUTOMATIC, engines_of, plan_model, smaller_plans
from autoglm_desktop.core.machine import EngineInfo, Machine, Memory, OsInfo
from autoglm_desktop.core.rungs import RUNGS, CrashNote, EngineState, ModelPlan
from autoglm_desktop.core.subject import Installed, Subject, of_model
from autoglm_desktop.core.units import GB, GIB, MIB
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.services import gpu_table
from tests.fakes import made_machines as made

CPU_ENGINE = EngineState("llama-cpu", "llama.cpp", True, "passed")
SAFE_ENGINE = replace(CPU_ENGINE, self_test="safe_mode")
CUDA_ENGINE = EngineState("llama-cuda", "llama.cpp", True, "passed", gpu=True)
TORCH_ENGINE = EngineState("torch-cuda", "transformers", True, "passed", gpu=True)

MACHINES = {
    "rtx 4060": made.made_rtx_4060(),
    "rtx 4060, known ram": made.made_rtx_4060(bandwidth=made.DDR4_DUAL),
    "rtx 3060": made.made_rtx_3060(),
    "rtx 4090": made.made_rtx_4090(),
    "gtx 1060": made.made_gtx_1060(),
    "laptop": made.made_laptop(),
    "laptop, known ram": made.made_laptop(made.DDR4_DUAL),
    "8 GB": made.made_small(),
    "mac": made.made_mac(),
    "nothing known": Machine(),
}


def autoglm(*variants: str, projector: bool = False) -> Subject:
    return of_model(catalog.load().models[0], Installed(frozenset(variants), projector))


def plan(machine: Machine, wish: str | None = None, **more: object) -> ModelPlan:
    subject = more.pop("subject", autoglm())
    return plan_model(machine, subject, wish, cards=gpu_table(), **more)  # type: ignore[arg-type]


def codes(found: ModelPlan) -> dict[str, str | None]:
    return {row.rung: row.reason.code if row.reason else None for row in found.ladder}


@pytest.mark.parametrize("wish", ["phone", "text"])
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_promises_hold_everywhere(machine: Machine, wish: str) -> None:
    found = plan(machine, wish)
    assert [row.rung for row in found.ladder] == list(RUNGS)
    for row in found.ladder:
        assert row.status in ("fits", "too_big", "unavailable")
        assert row.reason is not None or row.status == "fits"
        if row.status == "fits":
            assert row.context is not None and row.context >= (8_192 if wish == "phone" else 4_096)
            for device in row.memory.values():
                assert device.available is None or device.total + device.margin <= device.available
        for device in row.memory.values():
            causes = (device.weights, device.kv_cache, device.compute, device.projector, device.overhead)
            assert device.total == sum(causes) and all(type(size) is int and size >= 0 for size in causes)
        ram = row.memory.get("ram")
        if ram is not None:
            assert ram.mapped is not None and ram.private is not None
            assert ram.mapped + ram.private == ram.total
        assert row.tokens_per_s is None or row.tokens_per_s > 0
    fits = any(row.status == "fits" for row in found.ladder)
    assert (found.verdict == "cannot") == (not fits) == (found.recommended is None)
    if found.recommended is not None:
        row = found.rung(found.recommended.rung)
        assert (row.status, row.variant) == ("fits", found.recommended.variant)


def test_8_gb_card_runs_q4_k_m_on_the_gpu_in_text() -> None:
    found = plan(made.made_rtx_4060(), "text")
    row = found.rung("gguf-gpu")
    assert (row.status, row.variant, row.context, row.kv_type) == ("fits", "Q4_K_M", 4096, "f16")
    assert row.gpu_layers == 41
    assert found.verdict == "runs_well"
    assert row.tokens_per_s == pytest.approx(37 * 5539 / 5872, rel=0.05)


def test_8_gb_card_splits_for_a_phone() -> None:
    found = plan(made.made_rtx_4060(), "phone")
    row = found.rung("gguf-split")
    assert (row.status, row.variant, row.projector) == ("fits", "Q4_K_M", "gpu")
    assert row.projector_type == "q8_0"  # what it frees holds more layers
    assert row.gpu_layers is not None and 27 <= row.gpu_layers <= 34
    assert plan(made.made_rtx_4060(), "phone", variant="Q4_K_M").rung("gguf-gpu").status == "too_big"
    assert found.verdict == "slow" and found.headline.code == "fits_speed_unmeasured"


def test_the_split_takes_as_many_layers_as_fit() -> None:
    machine = made.made_rtx_4060()
    row = plan(machine, "text", variant="Q6_K").rung("gguf-split")
    assert row.gpu_layers is not None
    free = machine.gpus[0].memory_free_bytes
    device = row.memory["gpu:0"]
    assert free is not None
    one_layer = 173 * MIB
    assert 0 <= free - device.total - device.margin < one_layer


@pytest.mark.parametrize("free", [6000, 7000, 7600, 8188])
def test_nf4_never_fits_an_8_gb_card(free: int) -> None:
    machine = made.with_gpu(made.made_rtx_4060(), memory_free_bytes=free * MIB, display_attached=False)
    for wish in ("phone", "text"):
        assert plan(machine, wish).rung("transformers-nf4").status == "too_big"


def test_16_bit_on_a_24_gb_card_depends_on_what_is_free() -> None:
    assert plan(made.made_rtx_4090(23_000), "phone").rung("transformers-16bit").status == "fits"
    assert plan(made.made_rtx_4090(22_000), "phone").rung("transformers-16bit").status == "too_big"


def test_memory_in_the_hands_of_others_counts() -> None:
    assert plan(made.made_rtx_3060(), "phone").rung("gguf-gpu").status == "fits"
    busy = plan(made.with_game(made.made_rtx_3060()), "phone", variant="Q6_K").rung("gguf-gpu")
    assert busy.status == "too_big"
    assert busy.memory["gpu:0"].available == 11000 * MIB - 3 * GIB


def test_full_context_is_never_assumed() -> None:
    for row in plan(made.made_rtx_4060(), "text").ladder:
        assert row.context is None or row.context == 4_096


def test_phone_takes_the_recommended_context_where_there_is_room() -> None:
    assert plan(made.made_rtx_3060(), "phone").rung("gguf-gpu").context == 16_384
    assert plan(made.made_rtx_4060(), "phone").rung("gguf-split").context == 10_240


def test_the_least_phone_context_is_said() -> None:
    rows = (
        plan(_laptop_with(free), "phone", variant="Q4_K_M").rung("gguf-cpu")
        for free in range(8_000, 10_000, 10)
    )
    row = next(row for row in rows if row.reason is not None and row.reason.code == "small_context")
    assert row.status == "fits" and row.context == 8_192 and row.kv_type == "q8_0"
    assert row.reason is not None and row.reason.as_dict()["reply_tokens"] == 2_500


def test_a_smaller_screenshot_only_where_the_full_one_does_not_run() -> None:
    tight = plan(_laptop_with(8_300), "phone", variant="Q4_K_M").rung("gguf-cpu")
    assert tight.status == "fits" and tight.reason is not None and tight.reason.code == "smaller_screenshot"
    assert tight.reason.as_dict() == {"size": "720×1600", "full": "1080×2400"}
    assert tight.phone_step is not None and tight.phone_step.image_tokens == 1_482
    assert plan(made.made_laptop(), "phone").ladder[-1].phone_step.image_tokens == 3_354  # fits, if slowly
    for machine in (made.made_rtx_3060(), made.made_rtx_4090()):
        steps = [row.phone_step for row in plan(machine, "phone").ladder if row.phone_step is not None]
        assert steps and all(step.image_tokens == 3_354 for step in steps)


def test_the_least_phone_context_only_where_a_variant_has_no_other_way() -> None:
    """8.5 GB free: all of Q4_K_M fits on the card at 8,192 tokens, all but a layer at 10,240."""
    machine = made.with_gpu(made.made_rtx_3060(), memory_free_bytes=8500 * MIB)
    known = replace(machine, cpu=replace(machine.cpu, memory_bandwidth_bytes_per_s=made.DDR4_DUAL))
    found = plan(known, "phone", variant="Q4_K_M")
    whole = found.rung("gguf-gpu")
    assert (whole.context, whole.reason.code if whole.reason else None) == (8_192, "small_context")
    assert found.recommended is not None and found.recommended.rung == "gguf-split"
    assert found.rung("gguf-split").context == 10_240 and found.verdict == "runs_well"
    unknown = plan(machine, "phone", variant="Q4_K_M").recommended  # how fast the split is, nobody knows
    assert unknown is not None and unknown.rung == "gguf-gpu"


@pytest.mark.parametrize("free", [7000, 7168, 7300])
def test_no_smaller_screenshot_where_any_variant_runs_with_the_full_one(free: int) -> None:
    """Q2_K does, on the card alone; that Q4_K_M's split is not measured yet makes its picture no smaller."""
    machine = made.with_gpu(made.made_rtx_4060(), memory_free_bytes=free * MIB)
    found = plan(machine, "phone")
    whole = found.rung("gguf-gpu")
    assert (whole.variant, whole.phone_step_s) == ("Q2_K", pytest.approx(9.0, rel=0.1))
    assert {row.phone_step.image_tokens for row in found.ladder if row.phone_step is not None} == {3_354}
    assert found.recommended is not None and found.recommended.variant == "Q4_K_M"


def test_of_the_variants_that_run_the_fastest() -> None:
    """The designed order names a variant only where it runs well; else the step decides."""
    machine = made.made_rtx_4060(bandwidth=made.DDR4_DUAL)
    best = plan(machine, "phone")
    assert best.verdict == "runs" and best.recommended is not None
    steps = {}
    for variant in ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS"):
        one = plan(machine, "phone", variant=variant)
        assert one.recommended is not None
        steps[variant] = one.rung(one.recommended.rung).phone_step_s or 1e9
    assert best.recommended.variant == min(steps, key=lambda name: steps[name])


def _laptop_with(free_mib: int) -> Machine:
    return made.made_machine(free_gib=free_mib / 1024)


def test_contexts_that_the_user_or_the_model_set() -> None:
    assert plan(made.made_rtx_3060(), "text", context=20_000).rung("gguf-gpu").context == 20_000
    tiny = autoglm()
    tiny = replace(tiny, shape=replace(tiny.shape, context=2_048))
    assert plan(made.made_rtx_3060(), "text", subject=tiny).rung("gguf-gpu").context == 2_048


def test_variant_restricts_gguf_rungs_only() -> None:
    found = plan(made.made_rtx_4090(), "text", variant="q5_k_m")
    assert {row.variant for row in found.ladder} == {"Q5_K_M", "safetensors"}


def test_a_variant_that_is_nowhere_is_planned_only_when_named() -> None:
    """No public Q4_0 copy is evidenced, so it is not what somebody is told to get."""
    machine = made.made_laptop(made.DDR4_DUAL)
    assert plan(machine, "text").rung("gguf-cpu").variant == "IQ4_XS"
    assert plan(machine, "text", variant="Q4_0").rung("gguf-cpu").variant == "Q4_0"
    assert plan(machine, "text", subject=autoglm("Q4_0")).rung("gguf-cpu").variant == "Q4_0"


@pytest.mark.parametrize(
    ("machine", "wish", "rung", "variant"),
    [
        (made.made_rtx_4090(), "phone", "gguf-gpu", "Q8_0"),
        (made.made_rtx_3060(), "phone", "gguf-gpu", "Q6_K"),
        (made.made_rtx_3060(), "text", "gguf-gpu", "Q8_0"),
        (made.made_rtx_4060(), "text", "gguf-gpu", "Q4_K_M"),
        (made.made_rtx_4060(), "phone", "gguf-split", "Q4_K_M"),
        (made.made_rtx_4060(bandwidth=made.DDR4_DUAL), "text", "gguf-split", "Q5_K_M"),
        (made.made_gtx_1060(), "text", "gguf-split", "Q4_K_M"),
        (made.made_laptop(), "text", "gguf-cpu", "Q4_K_M"),
        (made.made_small(), "text", "gguf-cpu", "Q2_K"),
    ],
)
def test_recommended(machine: Machine, wish: str, rung: str, variant: str) -> None:
    found = plan(machine, wish).recommended
    assert found is not None
    assert (found.rung, found.variant) == (rung, variant)


def test_downloads_count_the_projector_for_a_phone_and_what_is_there() -> None:
    projector = 1_786_959_136
    text = plan(made.made_rtx_3060(), "text", variant="Q4_K_M").rung("gguf-gpu").download_bytes
    assert text is not None and text / GB == pytest.approx(6.17, abs=0.01)
    assert (
        plan(made.made_rtx_3060(), "phone", variant="Q4_K_M").rung("gguf-gpu").download_bytes
        == text + projector
    )
    half = plan(made.made_rtx_3060(), "phone", variant="Q4_K_M", subject=autoglm("Q4_K_M"))
    assert half.rung("gguf-gpu").download_bytes == projector
    assert not half.rung("gguf-gpu").installed
    whole = plan(made.made_rtx_3060(), "phone", subject=autoglm("Q4_K_M", projector=True))
    assert whole.rung("gguf-gpu").installed and whole.rung("gguf-gpu").download_bytes == 0


def test_chosen_needs_weights_and_engine() -> None:
    machine = made.made_laptop()
    assert plan(machine, "text", engines=(CPU_ENGINE,)).chosen is None
    assert plan(machine, "text", subject=autoglm("Q4_K_M")).chosen is None
    found = plan(machine, "text", subject=autoglm("Q4_K_M"), engines=(CPU_ENGINE,))
    assert found.chosen == "gguf-cpu"


def test_an_engine_that_is_missing_changes_nothing_else() -> None:
    without = plan(made.made_rtx_4060(), "text", subject=autoglm("Q4_K_M"))
    both = plan(made.made_rtx_4060(), "text", subject=autoglm("Q4_K_M"), engines=(CPU_ENGINE, CUDA_ENGINE))
    assert [replace(row, engine_installed=False) for row in both.ladder] == list(without.ladder)
    assert (without.chosen, both.chosen) == (None, "gguf-gpu")
    cpu_only = plan(made.made_rtx_4060(), "text", subject=autoglm("Q4_K_M"), engines=(CPU_ENGINE,))
    assert cpu_only.chosen == "gguf-cpu"


def test_installed_variants_stand_in_the_ladder() -> None:
    found = plan(made.made_rtx_3060(), "text", subject=autoglm("Q4_K_M"), engines=(CUDA_ENGINE,))
    assert found.rung("gguf-gpu").variant == "Q4_K_M" and found.chosen == "gguf-gpu"
    assert found.recommended is not None and found.recommended.variant == "Q8_0"


def test_safe_mode_rules_out_the_plain_cpu_rung() -> None:
    found = plan(made.made_laptop(), "text", subject=autoglm("Q4_K_M"), engines=(SAFE_ENGINE,))
    assert found.rung("gguf-cpu").status == "unavailable"
    assert codes(found)["gguf-cpu"] == "crashes_here"
    assert found.chosen == "gguf-cpu-safe"
    assert found.recommended is not None and found.recommended.rung == "gguf-cpu-safe"


def test_too_big_wins_over_crashes() -> None:
    found = plan(made.made_small(), "phone", engines=(SAFE_ENGINE,))
    assert found.rung("gguf-cpu").status == "too_big"


def test_a_remembered_crash_does_the_same() -> None:
    note = CrashNote("gguf-gpu", "crashed", "SIGSEGV")
    subject = autoglm("Q4_K_M")
    found = plan(
        made.made_rtx_4060(), "text", subject=subject, engines=(CPU_ENGINE, CUDA_ENGINE), crashes=(note,)
    )
    assert codes(found)["gguf-gpu"] == "crashes_here"
    assert found.chosen == "gguf-split"


def test_an_engine_that_failed_its_self_test_is_none() -> None:
    broken = replace(CPU_ENGINE, self_test="failed")
    found = plan(made.made_laptop(), "text", subject=autoglm("Q4_K_M"), engines=(broken,))
    assert codes(found)["gguf-cpu"] == "self_test_failed"
    assert found.chosen is None and not found.rung("gguf-cpu-safe").engine_installed


@pytest.mark.parametrize(
    ("changes", "rung", "code"),
    [
        ({"driver_version": "470.10"}, "gguf-gpu", "driver_too_old"),
        ({"driver_version": "528.32"}, "gguf-gpu", "driver_too_old"),
        ({"driver_version": "528.33"}, "gguf-gpu", None),
        ({"compute_capability": (7, 0)}, "transformers-int8", "card_too_old"),
        ({"compute_capability": (7, 5)}, "transformers-int8", None),
        ({"compute_capability": (5, 2)}, "transformers-nf4", "card_too_old"),
        ({"compute_capability": (12, 0)}, "transformers-nf4", "driver_too_old"),
        ({"compute_capability": (12, 0)}, "gguf-gpu", None),
        ({"memory_free_bytes": None, "memory_total_bytes": None}, "gguf-split", "gpu_memory_unknown"),
        ({"vendor": "amd"}, "transformers-16bit", "needs_nvidia"),
        ({"vendor": "amd"}, "gguf-gpu", None),
    ],
)
def test_what_driver_and_card_rule_out(changes: dict, rung: str, code: str | None) -> None:
    found = plan(made.with_gpu(made.made_rtx_4090(), **changes), "text").rung(rung)
    assert (found.reason.code if found.reason else None) == code
    assert found.status == ("fits" if code is None else "unavailable")


def test_without_a_gpu_its_rungs_say_so() -> None:
    found = codes(plan(made.made_laptop(), "phone"))
    assert {found[rung] for rung in RUNGS[:6]} == {"no_gpu"}


def test_what_does_not_fit_is_measured_by_what_is_missing_most() -> None:
    """A small card with little RAM: the split lacks a few MiB on the card and gigabytes beside it."""
    small = made.made_machine(
        ram_gib=8, free_gib=4.5, gpu=made.made_gpu("GTX 1050", 2048, 1700, (6, 1), None)
    )
    found = plan(small, "phone")
    split = found.rung("gguf-split")
    assert (split.variant, split.reason.code if split.reason else None) == ("Q2_K", "ram_short")
    assert found.verdict == "cannot"
    assert dict(found.headline.as_dict())["variant"] == "Q2_K"
    deciding = deciding_plan(found)
    assert deciding is not None and deciding.reason == found.headline.as_dict()["why"]


def test_of_equal_shortages_the_smallest_variant_is_named() -> None:
    full = made.with_gpu(made.made_rtx_4060(), memory_free_bytes=1500 * MIB)
    split = plan(full, "phone").rung("gguf-split")
    assert (split.status, split.variant) == ("too_big", "Q2_K")


def test_memory_that_is_shared_lacks_what_both_parts_need() -> None:
    machine = made.made_mac()
    full = replace(machine, memory=Memory(total_bytes=8 * GIB, available_bytes=5 * GIB))
    assert codes(plan(full, "phone"))["gguf-split"] == "unified_memory_short"


def test_a_guess_of_what_is_free_is_marked() -> None:
    row = plan(Machine(memory=Memory(total_bytes=8 * GIB)), "phone").rung("gguf-cpu")
    assert row.reason is not None and row.reason.as_dict()["assumed"] is True


def test_a_variant_that_was_named_is_recommended_where_it_fits() -> None:
    named = plan(made.made_rtx_3060(), "phone", variant="q2_k").recommended
    assert named is not None and (named.rung, named.variant) == ("gguf-gpu", "Q2_K")
    named = plan(made.made_rtx_4090(), "phone", variant="safetensors").recommended
    assert named is not None and named.variant == "safetensors"
    other = plan(made.made_rtx_4060(), "phone", variant="safetensors").recommended
    assert other is not None and other.rung.startswith("gguf")


def test_a_context_without_room_for_a_screenshot_drives_no_phone() -> None:
    found = plan(made.made_rtx_3060(), "phone", context=3_016)
    assert (found.verdict, found.headline.code) == ("cannot", "context_too_small")
    assert all(row.phone_step_s is None for row in found.ladder)
    assert plan(made.made_rtx_3060(), "phone", context=5_554).verdict == "runs_well"
    assert plan(made.made_rtx_3060(), "text", context=1_024).verdict == "runs_well"


def test_in_wsl_the_driver_is_that_of_windows() -> None:
    machine = made.with_gpu(made.made_rtx_4060(), driver_version="526.0")
    linux = replace(machine, os=OsInfo("Linux", wsl=False))
    assert plan(linux, "text").rung("gguf-gpu").status == "fits"
    wsl = replace(machine, os=OsInfo("Linux", wsl=True))
    assert codes(plan(wsl, "text"))["gguf-gpu"] == "driver_too_old"


def test_unified_memory_is_counted_once() -> None:
    machine = made.made_mac()
    assert plan(machine, "text").rung("gguf-gpu").status == "fits"
    full = replace(machine, memory=replace(machine.memory, available_bytes=5 * GIB))
    assert codes(plan(full, "text", variant="Q4_K_M"))["gguf-gpu"] == "unified_memory_short"


def test_16_bit_type_by_card() -> None:
    assert plan(made.made_rtx_4090(), "text").rung("transformers-16bit").dtype == "bfloat16"
    assert plan(made.made_gtx_1060(), "text").rung("transformers-16bit").dtype == "float16"


def test_int8_and_lean_are_not_automatic_where_a_gguf_fits_on_the_gpu() -> None:
    subject = autoglm("safetensors")
    found = plan(made.made_rtx_3060(), "text", subject=subject, engines=(TORCH_ENGINE,))
    assert found.chosen == "transformers-nf4"
    crashed = (CrashNote("transformers-nf4", "crashed", ""),)
    found = plan(made.made_rtx_3060(), "text", subject=subject, engines=(TORCH_ENGINE,), crashes=crashed)
    assert found.rung("transformers-nf4-lean").status == "fits"
    assert found.chosen == "transformers-nf4-lean", "nothing else is here"
    assert found.recommended is not None and found.recommended.rung not in NEVER_AUTOMATIC
    both = autoglm("safetensors", "Q4_K_M")
    engines = (TORCH_ENGINE, CUDA_ENGINE)
    found = plan(made.made_rtx_3060(), "text", subject=both, engines=engines, crashes=crashed)
    assert found.chosen == "gguf-gpu"


def test_a_model_without_vision_cannot_drive_a_phone() -> None:
    blind = replace(autoglm("Q4_K_M"), projector=None, safetensors=None)
    assert blind.default_wish == "text"
    found = plan(made.made_rtx_3060(), "phone", subject=blind)
    assert (found.verdict, found.headline.code) == ("cannot", "no_vision")
    assert {row.projector for row in found.ladder} == {"none"}


def test_smaller_plans_shrink_every_time() -> None:
    machine, subject = made.made_rtx_3060(), autoglm("Q4_K_M", projector=True)
    start = plan(machine, "phone", subject=subject).rung("gguf-split")
    found = [start, *smaller_plans(start, machine, subject)]
    assert [row.context for row in found[:4]] == [16_384, 10_240, 8_192, 8_192]
    assert found[3].kv_type == "q8_0" and (found[4].gpu_layers or 0) < (start.gpu_layers or 0)
    totals = [row.memory["gpu:0"].total for row in found]
    assert all(before > after for before, after in pairwise(totals))
    assert found[-1].gpu_layers is not None and found[-1].gpu_layers >= 1
    assert {row.rung for row in found} == {"gguf-split"}


@pytest.mark.parametrize("rung", ["gguf-gpu", "gguf-cpu"])
def test_smaller_plans_of_other_rungs_keep_their_layers(rung: str) -> None:
    machine, subject = made.made_rtx_3060(), autoglm("Q4_K_M")
    start = plan(machine, "text", subject=subject).rung(rung)
    found = list(smaller_plans(start, machine, subject))
    assert [(row.context, row.kv_type, row.gpu_layers) for row in found] == [(4096, "q8_0", start.gpu_layers)]
    assert list(smaller_plans(found[0], machine, subject)) == []


def test_engines_of_a_described_machine() -> None:
    infos = (EngineInfo("llama-cuda", None, devices=("CUDA0",)), EngineInfo("torch-cuda"),
             EngineInfo("llama-cpu", "llama.cpp", devices=("CPU", "BLAS", ""), self_test="safe_mode"))  # fmt: skip
    found = engines_of(infos)
    assert [(e.backend, e.gpu, e.self_test) for e in found] == [
        ("llama.cpp", True, "not_run"), ("transformers", False, "not_run"), ("llama.cpp", False, "safe_mode"),
    ]  # fmt: skip


OTHERS = [model for model in catalog.load().models if not model.phone]


@pytest.mark.parametrize("wish", [None, "phone"])
@pytest.mark.parametrize("model", OTHERS, ids=lambda model: model.id)
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_models_that_drive_no_phone(machine: Machine, model: Model, wish: str | None) -> None:
    """By themselves they are for text; for a phone only what sees can be planned."""
    found = plan_model(machine, of_model(model), wish)
    assert [row.rung for row in found.ladder] == list(RUNGS)
    assert found.wish == (wish or "text")
    if wish is None or not model.vision:
        assert all(row.projector == "none" and row.phone_step is None for row in found.ladder)
    if wish == "phone" and not model.vision:
        assert (found.verdict, found.headline.code) == ("cannot", "no_vision")
    elif found.recommended is not None:
        row = found.rung(found.recommended.rung)
        assert (row.status, row.variant) == ("fits", found.recommended.variant)
        unknown = wish == "phone" and "gguf" in row.rung  # nobody has read the projector's size
        assert (found.recommended.download_bytes is None) == unknown


def test_a_weak_machine_runs_the_small_ones() -> None:
    weak = replace(made.made_machine(bandwidth=20 * GB, ram_gib=8, free_gib=3), gpus=())
    verdicts = {model.id: plan_model(weak, of_model(model)).verdict for model in catalog.load().models}
    assert {name for name, word in verdicts.items() if word != "cannot"} == {
        "glm-edge-1.5b-chat",
        "qwen3-0.6b",
    }


def test_no_context_beyond_what_a_model_was_made_for() -> None:
    edge = next(model for model in OTHERS if model.id == "glm-edge-4b-chat")
    found = plan_model(made.made_rtx_4090(), of_model(edge), context=32_768)
    assert {row.context for row in found.ladder if row.status == "fits"} == {8192}
