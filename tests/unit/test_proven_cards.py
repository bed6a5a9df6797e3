"""A proof in the plan's names of cards, and pictures that a load must prove. Values are made up."""

from dataclasses import replace

from autoglm_desktop.core.protocol import Load, Projector, Proof
from autoglm_desktop.core.rungs import DeviceMemory, PhoneStep, RungPlan
from autoglm_desktop.host.environments import Description, Environment, Record
from autoglm_desktop.host.proven import in_plans_words, unproven
from autoglm_desktop.host.starts import PROOF_TOKENS_ON_CPU, Files, Start, load_job

STEP = PhoneStep(3354, 2000, 0, 200)


def plan(*cards, **values):
    memory = {key: DeviceMemory(weights=100, total=100) for key in cards} | {"ram": DeviceMemory()}
    return RungPlan("gguf-split", "Q4_K_M", context=4096, gpu_layers=3, memory=memory, **values)


def proof(**devices):
    memory = {name.replace("_", ":"): {"weights": size} for name, size in devices.items()}
    return Proof("llama.cpp", "made", gpu_layers=3, total_layers=41, memory=memory)


def load(*devices, **values):
    return Load("llama.cpp", "a.gguf", 4096, gpu_layers=3, devices=devices, **values)


def test_one_card_has_the_plans_number():
    found = in_plans_words(plan("gpu:1"), load(), proof(gpu_0=100, ram=5))
    assert found.memory == {"gpu:1": {"weights": 100}, "ram": {"weights": 5}}


def test_several_cards_by_the_devices_that_were_asked_for():
    both = plan("gpu:2", "gpu:0")
    found = in_plans_words(both, load("CUDA1", "CUDA0"), proof(gpu_0=7, gpu_1=100))
    assert found.memory == {"gpu:0": {"weights": 7}, "gpu:2": {"weights": 100}}


def test_what_cannot_be_told_apart_stays():
    several = proof(gpu_0=1, gpu_1=2)
    assert in_plans_words(plan("gpu:1", "gpu:3"), load(), several) == several
    assert in_plans_words(plan(), load(), several) == several
    assert in_plans_words(plan("gpu:1"), load("CUDA0", "CUDA1"), several) == several


def test_a_gguf_that_should_see_and_got_no_projector_is_not_proven():
    seeing = plan("gpu:0", projector="cpu")
    reason = unproven(seeing, load(), proof(gpu_0=100))
    assert reason is not None and reason.code == "proof_no_projector"
    with_it = load(projector=Projector("p.gguf"))
    assert unproven(seeing, with_it, replace(proof(gpu_0=100), projector="cpu glm4v F16")) is None
    assert unproven(replace(seeing, projector="none"), load(), proof(gpu_0=100)) is None


def test_on_the_processor_a_small_picture_is_proved_and_a_screenshot_is_taken(tmp_path):
    environment = Environment(
        Description("llama-cpu", "llama.cpp", "x", "x"), tmp_path, Record("llama-cpu", "1"), own=True
    )
    files = Files(tmp_path / "a.gguf", tmp_path / "p.gguf")
    on_cpu = load_job(Start(plan(projector="cpu", phone_step=STEP), environment, files)).projector
    assert (on_cpu.image_tokens, on_cpu.proof_tokens, on_cpu.gpu) == (3354, PROOF_TOKENS_ON_CPU, False)
    on_gpu = load_job(Start(plan(projector="gpu", phone_step=STEP), environment, files)).projector
    assert (on_gpu.image_tokens, on_gpu.proof_tokens, on_gpu.gpu) == (3354, None, True)
