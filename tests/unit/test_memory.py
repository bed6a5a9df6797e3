"""Bytes by device and cause against the figures of docs/numbers.md, sections 1, 4 and 5."""

import pytest

from autoglm_desktop.core import memory, torch_memory
from autoglm_desktop.core.catalog import Model
from autoglm_desktop.core.memory import Budget, Placement
from autoglm_desktop.core.subject import GgufWeights, Subject, of_model
from autoglm_desktop.core.units import GB, GIB, MIB
from autoglm_desktop.store import catalog
from tests.fakes import made_machines as made

GPU = Budget("gpu:0", None, None, 300 * MIB, 330 * MIB)
RAM = Budget("ram", None, None, 512 * MIB)
EVERYTHING = 41


def autoglm() -> Subject:
    return of_model(catalog.load().models[0])


def weights(variant: str = "Q4_K_M") -> GgufWeights:
    found = autoglm().weights(variant)
    assert found is not None
    return found


def placed(place: Placement, variant: str = "Q4_K_M", features: tuple[str, ...] = ()) -> dict:
    subject = autoglm()
    gpu = (GPU,) if place.gpu_layers else ()
    return memory.gguf_memory(subject.shape, weights(variant), subject.projector, place, gpu, RAM, features)


@pytest.mark.parametrize(
    ("variant", "full_gpu", "host"),
    [
        ("Q8_0", 8898, 629), ("Q6_K", 7389, 486), ("Q5_K_M", 6308, 407), ("Q4_K_M", 5539, 333), ("Q4_0", 4865, 333),
        ("IQ4_XS", 4745, 315), ("Q3_K_M", 4480, 254), ("Q2_K", 3617, 194),
    ],
)  # fmt: skip
def test_full_offload(variant: str, full_gpu: int, host: int) -> None:
    found = placed(Placement(8192, gpu_layers=EVERYTHING), variant)
    assert found["gpu:0"].weights / MIB == pytest.approx(full_gpu, abs=1)
    assert found["ram"].mapped / MIB == pytest.approx(host, abs=1)


@pytest.mark.parametrize(("kv_type", "mib"), [("f16", 320), ("q8_0", 170)])
def test_kv_cache_at_8k(kv_type: str, mib: int) -> None:
    assert placed(Placement(8192, kv_type, EVERYTHING))["gpu:0"].kv_cache == mib * MIB


def test_kv_cache_goes_with_its_layers() -> None:
    half = placed(Placement(8192, gpu_layers=21))
    assert half["gpu:0"].kv_cache == half["ram"].kv_cache == 160 * MIB


def test_compute_buffers_with_one_output() -> None:
    assert placed(Placement(8192, gpu_layers=EVERYTHING))["gpu:0"].compute / MIB == pytest.approx(112, abs=1)
    assert placed(Placement(8192, gpu_layers=20))["gpu:0"].compute / MIB == pytest.approx(145, abs=1)
    assert placed(Placement(8192, gpu_layers=20))["ram"].compute / MIB == pytest.approx(24, abs=0.5)


@pytest.mark.parametrize(("context", "mib"), [(4096, 116.27), (8192, 120.27), (16384, 128.27)])
def test_cpu_compute_buffer_as_the_dry_run_says(context: int, mib: float) -> None:
    assert placed(Placement(context))["ram"].compute / MIB == pytest.approx(mib, abs=0.05)


@pytest.mark.parametrize(
    ("free", "margin", "kv_type", "vision", "all_logits", "expected"),
    [
        (7000, 1024, "f16", False, True, 39), (5000, 1024, "f16", False, True, 24), (3300, 512, "f16", False, True, 15),
        (7000, 1024, "f16", True, True, 20), (7000, 300, "q8_0", False, False, 41),
        (7000, 300, "q8_0", True, False, 27), (5200, 300, "q8_0", False, False, 33),
        (11000, 300, "q8_0", True, False, 41),
    ],
)  # fmt: skip
def test_layers_like_llama_cpp_fits_them(
    free: int, margin: int, kv_type: str, vision: bool, all_logits: bool, expected: int
) -> None:
    """Section 4, Q4_K_M at 8K: without the driver's context; with the logits of all tokens 304 MiB instead of 145;
    ``vision``: 1704 + 816 MiB."""
    more = (304 - 144.25) * MIB if all_logits else 0
    counts = [
        layers
        for layers in range(1, EVERYTHING + 1)
        if (found := placed(Placement(8192, kv_type, layers, "gpu" if vision else "none"))["gpu:0"]).total
        - found.overhead
        + more
        <= (free - margin) * MIB
    ]
    assert max(counts) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("variant", "gigabytes", "full_gpu", "host"),
    [
        ("Q8_0", 9.99, 8898, 629), ("Q6_K", 8.26, 7389, 486), ("Q5_K_M", 7.04, 6308, 407), ("Q4_K_M", 6.17, 5539, 333),
        ("Q4_0", 5.45, 4865, 333), ("IQ4_XS", 5.31, 4745, 315), ("Q3_K_M", 4.97, 4480, 254), ("Q2_K", 4.00, 3617, 194),
    ],
)  # fmt: skip
def test_files_and_full_offload_by_the_tables(
    variant: str, gigabytes: float, full_gpu: int, host: int
) -> None:
    """Section 1, within 1 %."""
    found = placed(Placement(8192, gpu_layers=EVERYTHING), variant)
    assert weights(variant).file_bytes / GB == pytest.approx(gigabytes, rel=0.01)
    assert found["gpu:0"].weights / MIB == pytest.approx(full_gpu, rel=0.01)
    assert found["ram"].weights / MIB == pytest.approx(host, rel=0.01)


@pytest.mark.parametrize(("tokens", "mib"), [(817, 199), (1482, 361), (3354, 816), (3990, 971)])
def test_the_projectors_buffer_grows_with_the_screenshot(tokens: int, mib: int) -> None:
    """Section 5, with flash attention: 540 x 1200 to 1440 x 3200."""
    place = Placement(8192, gpu_layers=EVERYTHING, projector="gpu", image_tokens=tokens)
    assert placed(place)["gpu:0"].projector / MIB - 1704 == pytest.approx(mib, rel=0.01)


def test_projector_with_its_buffer_for_a_screenshot() -> None:
    found = placed(Placement(8192, gpu_layers=EVERYTHING, projector="gpu"))["gpu:0"]
    assert found.projector / MIB == pytest.approx(1704 + 816, abs=1)
    host = placed(Placement(8192, gpu_layers=EVERYTHING, projector="cpu"))
    assert host["gpu:0"].projector == 0
    assert host["ram"].projector / MIB == pytest.approx(1704 + 816, abs=1)


@pytest.mark.parametrize(
    ("features", "mib"), [(("avx2", "amx_int8"), 4801), (("avx2",), 3161), (("avx",), 0), (("neon",), 0)]
)
def test_weights_that_cpu_kernels_copy(features: tuple[str, ...], mib: int) -> None:
    """4801 MiB with AMX: section 5; 3161 with AVX2: ten times a four-layer file's CPU_REPACK buffer here."""
    assert memory.repacked_bytes(weights(), features) / MIB == pytest.approx(mib, abs=2)


def test_copies_are_private_and_counted_once() -> None:
    plain, copied = placed(Placement(4096)), placed(Placement(4096, repack=True), features=("avx2",))
    assert plain["ram"].total == copied["ram"].total
    assert copied["ram"].private - plain["ram"].private == memory.repacked_bytes(weights(), ("avx2",))
    for device in (plain["ram"], copied["ram"]):
        assert device.mapped + device.private == device.total


@pytest.mark.parametrize(("variant", "mib"), [("Q4_K_M", 3161), ("Q8_0", 0)])
def test_pages_that_were_copied_are_told_apart(variant: str, mib: int) -> None:
    """Section 5: they stay resident, but nobody reads them again: they are no part of what must be free."""
    found = placed(Placement(4096, repack=True), variant, ("avx2",))["ram"]
    stored = weights(variant).table.total
    assert found.copied / MIB == pytest.approx(mib, abs=2)
    assert found.weights == stored and found.mapped + found.copied == stored
    assert found.total == stored + found.kv_cache + found.compute + found.overhead
    with_gpu = placed(Placement(4096, gpu_layers=10, repack=True), variant, ("avx2",))
    assert with_gpu["ram"].copied == 0 and with_gpu["gpu:0"].copied is None
    assert placed(Placement(4096), variant, ("avx2",))["ram"].copied == 0


@pytest.mark.parametrize(
    ("context", "kv_type", "mib"), [(2048, "f16", 80), (8192, "f16", 320), (16384, "q8_0", 340)]
)
@pytest.mark.parametrize(("variant", "held"), [("Q4_K_M", 5872), ("Q8_0", 9527)])
def test_resident_memory_as_measured(variant: str, held: int, context: int, kv_type: str, mib: int) -> None:
    """Section 5: what an engine holds with copies or without them, as it was read from the system."""
    for features, copies in (((), 0), (("avx2",), 3161 if variant == "Q4_K_M" else 0)):
        found = placed(Placement(context, kv_type, repack=True), variant, features)["ram"]
        measured = (held + copies + mib + 120 + 72) * MIB
        assert found.total + found.copied == pytest.approx(measured, rel=0.03)
        assert found.overhead == pytest.approx(72 * MIB, abs=32 * MIB)


def test_no_copies_beside_a_gpu() -> None:
    with_gpu = placed(Placement(4096, gpu_layers=10, repack=True), features=("avx2",))
    assert with_gpu["ram"].private == placed(Placement(4096, gpu_layers=10))["ram"].private


def test_every_byte_of_the_file_is_somewhere() -> None:
    for layers in (0, 1, 17, 40, 41):
        found = placed(Placement(4096, gpu_layers=layers))
        assert sum(device.weights for device in found.values()) == weights().table.total
        assert all(isinstance(device.total, int) for device in found.values())


@pytest.mark.parametrize(
    ("rung", "gib"),
    [("transformers-16bit", 19.17), ("transformers-nf4", 7.90), ("transformers-nf4-lean", 5.84)],
)
def test_transformers_weights(rung: str, gib: float) -> None:
    safetensors = autoglm().safetensors
    assert safetensors is not None
    text = torch_memory.transformers_text_bytes(rung, safetensors)
    vision = torch_memory.transformers_vision_bytes(rung, safetensors)
    assert (text + vision) / GIB == pytest.approx(gib, abs=0.01)


def test_lean_keeps_the_embedding_in_ram() -> None:
    subject = autoglm()
    assert subject.safetensors is not None
    found = torch_memory.transformers_memory(
        "transformers-nf4-lean", subject.shape, subject.safetensors, 10_240, 5_354, GPU, RAM
    )
    assert found["ram"].weights == 1_241_513_984
    assert (found["gpu:0"].weights + found["gpu:0"].projector) / GIB == pytest.approx(5.84 - 1.156, abs=0.01)


def test_budgets() -> None:
    known = made.made_rtx_4060()
    budget = memory.gpu_budget(known.gpus[0], known)
    assert (budget.limit, budget.margin) == (7000 * MIB, 600 * MIB)
    headless = made.with_gpu(known, display_attached=False)
    assert memory.gpu_budget(headless.gpus[0], headless).margin == 300 * MIB
    silent = made.with_gpu(known, memory_free_bytes=None)
    budget = memory.gpu_budget(silent.gpus[0], silent)
    assert budget.available is None and budget.limit == 8188 * MIB - memory.GPU_IN_USE_WHERE_UNKNOWN
    unknown = made.with_gpu(known, memory_free_bytes=None, memory_total_bytes=None)
    assert memory.gpu_budget(unknown.gpus[0], unknown).limit is None
    large = made.made_rtx_4090()
    assert memory.gpu_budget(large.gpus[0], large).overhead == 555 * MIB
    mac = made.made_mac()
    assert memory.gpu_budget(mac.gpus[0], mac).limit == 16 * GIB


@pytest.mark.parametrize(
    ("name", "mib", "above"),
    [
        ("glm-edge-1.5b-chat", 56, 0),
        ("glm-edge-4b-chat", 76, 0),
        ("glm-4-9b-0414", 116, 0),
        ("qwen3-0.6b", 26, 4),
    ],
)
def test_compute_buffers_of_the_other_models(name: str, mib: int, above: int) -> None:
    """docs/numbers.md, section 10: measured with llama.cpp on two-layer files of these shapes, 4096 tokens."""
    model = store_model(name)
    found = memory.cpu_compute_bytes(of_model(model).shape, 4096) / MIB
    assert found == pytest.approx(mib + above, abs=0.3)


@pytest.mark.parametrize("name", ["glm-edge-1.5b-chat", "qwen3-0.6b"])
def test_a_text_model_takes_no_projector(name: str) -> None:
    subject = of_model(store_model(name))
    found = memory.gguf_memory(
        subject.shape, subject.gguf[0], subject.projector, Placement(4096, gpu_layers=99), (GPU,), RAM
    )
    assert found["gpu:0"].projector == found["ram"].projector == 0


def test_a_tied_output_lies_on_the_gpu_and_in_the_file_once() -> None:
    subject = of_model(store_model("qwen3-0.6b"))
    weights = subject.weights("Q8_0")
    assert weights is not None
    found = memory.gguf_memory(subject.shape, weights, None, Placement(4096, gpu_layers=29), (GPU,), RAM)
    assert found["gpu:0"].weights == weights.table.full_gpu == weights.table.total
    assert found["ram"].mapped == weights.table.embedding
    assert weights.matmul_bytes["Q8_0"] > weights.table.embedding  # the output is multiplied with it


def store_model(name: str) -> Model:
    found = catalog.load().model(name)
    assert found is not None
    return found
