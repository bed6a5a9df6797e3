"""A proof against its plan: what was asked for and did not come is told; what is unknown is not held against it."""

import dataclasses

import pytest

from autoglm_desktop.core.protocol import Load, Projector, Proof
from autoglm_desktop.core.rungs import DeviceMemory, RungPlan
from autoglm_desktop.host.proven import told, unproven
from autoglm_desktop.texts import reasons

GPU_PLAN = RungPlan(
    "gguf-gpu", gpu_layers=41, memory={"gpu:0": DeviceMemory(weights=6_000), "ram": DeviceMemory(weights=300)}
)
SPLIT = dataclasses.replace(
    GPU_PLAN,
    rung="gguf-split",
    gpu_layers=20,
    memory={"gpu:0": DeviceMemory(weights=3_000), "ram": DeviceMemory(weights=3_300)},
)
NF4 = RungPlan(
    "transformers-nf4", dtype="nf4", memory={"gpu:0": DeviceMemory(weights=5_000, projector=1_000)}
)
BF16 = RungPlan(
    "transformers-16bit", dtype="bfloat16", memory={"gpu:0": DeviceMemory(weights=19_000, projector=1_800)}
)
CPU = RungPlan("gguf-cpu", gpu_layers=0, memory={"ram": DeviceMemory(weights=6_300)})


def gguf(layers, **memory):
    return Proof("llama.cpp", "made", gpu_layers=layers, total_layers=41, memory=memory)


def torch(modules, footprint, gpu=5_100):
    return Proof(
        "transformers",
        "made",
        quantised_modules=modules,
        footprint_bytes=footprint,
        memory={"gpu:0": {"weights": gpu}},
    )


ON_CARD = {"gpu:0": {"weights": 6_000}, "ram": {"weights": 300}}
CASES = [
    ("all on the card", GPU_PLAN, gguf(41, **ON_CARD), None),
    ("not one layer", GPU_PLAN, gguf(0, ram={"weights": 6_300}), "proof_layers"),
    ("one layer less", GPU_PLAN, gguf(40, **ON_CARD), "proof_layers"),
    ("layers unknown", GPU_PLAN, dataclasses.replace(gguf(41, **ON_CARD), gpu_layers=None), "proof_layers"),
    ("bytes elsewhere", GPU_PLAN, gguf(41, ram={"weights": 6_300}), "proof_device_bytes"),
    ("half of the bytes", GPU_PLAN, gguf(41, **{"gpu:0": {"weights": 3_000}}), "proof_device_bytes"),
    ("bytes a little off", GPU_PLAN, gguf(41, **{"gpu:0": {"weights": 5_700}}), None),
    ("bytes not told", GPU_PLAN, gguf(41), None),
    (
        "over two cards",
        GPU_PLAN,
        gguf(41, **{"gpu:0": {"weights": 3_500}, "gpu:1": {"weights": 2_500}}),
        None,
    ),
    ("a split", SPLIT, gguf(20, **{"gpu:0": {"weights": 3_000}}), None),
    ("a split with fewer layers", SPLIT, gguf(12, **{"gpu:0": {"weights": 3_000}}), "proof_layers"),
    ("a CPU rung", CPU, gguf(0, ram={"weights": 6_300}), None),
    ("nf4", NF4, torch(280, 6_100), None),
    ("nf4 without a module", NF4, torch(0, 6_100), "proof_not_quantised"),
    ("nf4, modules unknown", NF4, torch(None, 6_100), "proof_not_quantised"),
    ("nf4 that stayed 16 bits wide", NF4, torch(280, 20_600, 19_000), "proof_footprint"),
    ("nf4, footprint unknown", NF4, torch(280, None), None),
    ("nf4 on the processor", NF4, torch(280, 6_000, 0), "proof_device_bytes"),
    ("16 bits", BF16, torch(None, 20_600, 19_000), None),
    ("16 bits, half offloaded", BF16, torch(None, 20_600, 9_000), "proof_device_bytes"),
]


@pytest.mark.parametrize(
    ("plan", "proof", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_proof_against_its_plan(plan, proof, code):
    job = Load(proof.backend, "made", 4096, gpu_layers=plan.gpu_layers or 0)
    reason = unproven(plan, job, proof)
    assert (reason.code if reason is not None else None) == code
    if reason is not None:
        assert code in told(reason)
        sentence = reasons.text(reason)
        assert sentence and "?" not in sentence and "{" not in sentence and code not in sentence


def test_all_layers_by_minus_one_are_the_engines_own_total():
    job = Load("llama.cpp", "made", 4096, gpu_layers=-1)
    assert unproven(GPU_PLAN, job, gguf(41, **ON_CARD)) is None
    assert unproven(GPU_PLAN, job, gguf(40, **ON_CARD)).code == "proof_layers"


@pytest.mark.parametrize(
    ("gpu", "found", "code"),
    [
        (True, "gpu", None),
        (True, "cpu", "proof_projector_on_cpu"),
        (False, "cpu", None),
        (False, None, "proof_no_projector"),
        (True, None, "proof_no_projector"),
    ],
)
def test_a_projector_that_was_asked_for(gpu, found, code):
    job = Load("llama.cpp", "made", 4096, gpu_layers=41, projector=Projector("made", gpu, 3354))
    reason = unproven(GPU_PLAN, job, dataclasses.replace(gguf(41, **ON_CARD), projector=found))
    assert (reason.code if reason is not None else None) == code
