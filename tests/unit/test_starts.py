"""The ``load`` command of a plan: every field of both backends, and the engine's names of a plan's cards."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core.protocol import EngineOptions, Projector
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.starts import Files, Start, load_job, native_devices

STEP = PhoneStep(3354, 2000, 0, 200)


def environment(backend="llama.cpp", devices=(), **record):
    description = Description("made", backend, "made", "made")
    return Environment(description, Path(), Record("made", devices=devices, **record), own=False)


def test_a_gguf_plan_over_two_cards_with_its_projector():
    plan = RungPlan(
        "gguf-gpu", context=10240, kv_type="q8_0", gpu_layers=41, projector="gpu", phone_step=STEP,
        layers_by_gpu={"gpu:1": 30, "gpu:0": 11},
    )  # fmt: skip
    made = environment(devices=("CUDA0 (RTX 3060)", "CUDA1 (RTX 4090)", "CPU (made)"))
    cards = (("gpu:0", "RTX 3060"), ("gpu:1", "RTX 4090"))
    job = load_job(Start(plan, made, Files(Path("/m/a.gguf"), Path("/m/p.gguf")), cards), threads=8)
    assert (job.backend, job.model, job.context, job.kv_type) == (
        "llama.cpp",
        str(Path("/m/a.gguf")),
        10240,
        "q8_0",
    )
    assert job.devices == ("CUDA1", "CUDA0") and job.split == (30, 11) and job.gpu_layers == 41
    assert job.projector == Projector(str(Path("/m/p.gguf")), True, 3354) and job.threads == 8
    assert (job.dtype, job.quantisation, job.max_memory, job.saved, job.save) == (None, None, {}, None, False)


def test_a_text_plan_takes_no_projector_and_one_card_needs_no_name():
    plan = RungPlan("gguf-split", context=4096, gpu_layers=7, memory={"gpu:0": DeviceMemory()})
    made = environment(devices=("Vulkan0 (made)", "CPU"))
    job = load_job(Start(plan, made, Files(Path("a"), Path("p")), (("gpu:0", "made"),)))
    assert job.projector is None and job.devices == () == job.split and job.kv_type == "f16"


@pytest.mark.parametrize(
    ("rung", "dtype", "expected"),
    [
        ("transformers-16bit", "bfloat16", ("bf16", None)),
        ("transformers-16bit", "float16", ("fp16", None)),
        ("transformers-int8", "int8", ("fp16", "int8")),
        ("transformers-nf4", "nf4", ("fp16", "nf4")),
        ("transformers-nf4-lean", "nf4", ("fp16", "nf4-lean")),
    ],
)
def test_a_transformers_plan(rung, dtype, expected):
    card = DeviceMemory(kv_cache=400, compute=600, overhead=300, margin=700, available=10_000)
    plan = RungPlan(
        rung, dtype=dtype, context=10240, memory={"gpu:0": card, "ram": DeviceMemory(available=None)}
    )
    files = Files(Path("/m/folder"), saved=Path("/m/folder/nf4"), save=True)
    job = load_job(Start(plan, environment("transformers"), files, dtype="float16"))
    assert (job.dtype, job.quantisation) == expected
    assert job.max_memory == {"gpu:0": 8_000} and job.projector is None
    assert job.saved == str(Path("/m/folder/nf4")) and job.save


@pytest.mark.parametrize(
    ("device", "step", "expected"),
    [("gpu:0", STEP, Projector("", True, 3354)), ("gpu:0", None, None), ("ram", STEP, None)],
)
def test_a_folder_proves_the_largest_picture_of_a_phone_step_on_a_card(device, step, expected):
    plan = RungPlan("transformers-nf4", phone_step=step, memory={device: DeviceMemory(available=1000)})
    job = load_job(Start(plan, environment("transformers"), Files(Path("/m/folder"))))
    assert job.projector == expected


@pytest.mark.parametrize("backend", ["llama.cpp", "transformers"])
def test_how_many_answers_at_once_is_told_to_every_engine(backend):
    plan = RungPlan("transformers-16bit" if backend == "transformers" else "gguf-cpu")
    start = Start(plan, environment(backend), Files(Path("/m/x")), batch=4)
    assert load_job(start).batch == 4
    assert load_job(replace(start, batch=1)).batch == 1


def test_an_environment_that_needs_safe_options_gets_them_on_every_rung():
    safe = EngineOptions(use_extra_bufts=False)
    made = environment(self_test="safe_mode", options=safe)
    assert load_job(Start(RungPlan("gguf-gpu"), made, Files(Path("a")))).options == safe
    assert load_job(Start(RungPlan("gguf-gpu"), environment(), Files(Path("a")))).options.use_extra_bufts
    assert not load_job(
        Start(RungPlan("gguf-cpu-safe"), environment(), Files(Path("a")))
    ).options.use_extra_bufts


TWO = ("Vulkan0 (AMD Radeon made)", "Vulkan1 (NVIDIA GeForce RTX 4060)", "CPU")
BEGINNING = ("CUDA0 (RTX 4060 Ti)", "CUDA1 (RTX 4060)", "CPU")
SAME = ("CUDA0 (NVIDIA RTX 3090)", "CUDA1 (NVIDIA RTX 3090)", "CPU")


@pytest.mark.parametrize(
    ("keys", "devices", "cards", "expected"),
    [
        (["gpu:0"], TWO, {"gpu:0": "NVIDIA GeForce RTX 4060", "gpu:1": "AMD Radeon made"}, ("Vulkan1",)),
        (["gpu:1"], SAME, {"gpu:0": "NVIDIA RTX 3090", "gpu:1": "NVIDIA RTX 3090"}, ("CUDA1",)),
        (
            ["gpu:1", "gpu:0"],
            SAME,
            {"gpu:0": "NVIDIA RTX 3090", "gpu:1": "NVIDIA RTX 3090"},
            ("CUDA1", "CUDA0"),
        ),
        (["gpu:0"], TWO, {"gpu:0": "another name"}, ()),
        (["gpu:0"], BEGINNING, {"gpu:0": "RTX 4060", "gpu:1": "RTX 4060 Ti"}, ("CUDA1",)),
        (["gpu:1", "gpu:0"], BEGINNING, {"gpu:0": "RTX 4060", "gpu:1": "RTX 4060 Ti"}, ("CUDA0", "CUDA1")),
        (["gpu:0"], TWO, {}, ()),
        (["gpu:0"], ("CUDA0 (made)",), {"gpu:0": "made"}, ()),
        ([], TWO, {"gpu:0": "AMD Radeon made"}, ()),
        (
            ["gpu:1"],
            ("CUDA0 (NVIDIA RTX 3090)", "CUDA1 (NVIDIA RTX 4090)"),
            {"gpu:0": "NVIDIA RTX 3090", "gpu:1": "NVIDIA RTX 3090"},
            (),
        ),
    ],
)
def test_the_engines_names_of_a_plans_cards(keys, devices, cards, expected):
    assert native_devices(keys, devices, cards) == expected
