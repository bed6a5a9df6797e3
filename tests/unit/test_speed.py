"""Paces and speeds against docs/numbers.md, section 6."""

import math

import pytest

from autoglm_desktop.core import cards, pace, speed
from autoglm_desktop.core.machine import Cpu, Disk, Gpu, Machine, Memory
from autoglm_desktop.core.pace import Pace
from autoglm_desktop.core.rungs import PhoneStep
from autoglm_desktop.core.speed import Share
from autoglm_desktop.core.subject import GgufWeights, TextShape, of_model
from autoglm_desktop.core.units import GB, MIB
from autoglm_desktop.probe.gpu_table import load_table
from autoglm_desktop.store import catalog, paths

TABLE = load_table(paths.resources() / "gpus.toml")
Q4_K_M = 5539 * MIB
STEP = PhoneStep(3354, 2000, 0, 200)


def gpu(
    name: str,
    gb_s: int | None,
    vendor: str = "nvidia",
    capability: tuple[int, int] | None = None,
    **more: object,
) -> Gpu:
    bandwidth = gb_s * GB if gb_s is not None else None
    return Gpu(
        0,
        vendor,
        name,
        compute_capability=capability,
        memory_bandwidth_bytes_per_s=bandwidth,
        **more,  # type: ignore[arg-type]
    )


def shape() -> TextShape:
    return of_model(catalog.load().models[0]).shape


def weights() -> GgufWeights:
    found = of_model(catalog.load().models[0]).weights("Q4_K_M")
    assert found is not None
    return found


def whole(size: int = Q4_K_M) -> Share:
    return Share(40, size, 1, 0)


def card_pace(card: Gpu) -> Pace:
    return pace.of_gpu(card, shape(), weights(), None, TABLE)


@pytest.mark.parametrize(
    ("name", "vendor", "gb_s", "expected"),
    [
        ("NVIDIA GeForce GTX 1060 6GB", "nvidia", 192, 18), ("NVIDIA GeForce RTX 2080 Ti", "nvidia", 616, 70),
        ("NVIDIA GeForce RTX 3060", "nvidia", 360, 49), ("NVIDIA GeForce RTX 4060 Ti", "nvidia", 288, 41),
        ("NVIDIA GeForce RTX 3090", "nvidia", 936, 102), ("NVIDIA GeForce RTX 4090", "nvidia", 1008, 120),
        ("NVIDIA A100-SXM4-80GB", "nvidia", 2039, 123), ("AMD Radeon RX 7600", "amd", 288, 38),
        ("Intel(R) Arc(TM) B580 Graphics", "intel", 456, 45), ("Apple M4 Pro", "apple", 273, 33),
        ("Apple M4 Max", "apple", 546, 54),
    ],
)  # fmt: skip
def test_decode_as_estimated_for_q4_k_m(name: str, vendor: str, gb_s: int, expected: int) -> None:
    seconds = speed.decode_s(whole(), card_pace(gpu(name, gb_s, vendor)), 512)
    assert seconds is not None
    assert 1 / seconds == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (gpu("NVIDIA GeForce RTX 4060 Laptop GPU", 256, capability=(8, 9)), 0.70),
        (gpu("NVIDIA GeForce GTX 1080", 320), 0.55),
        (gpu("NVIDIA Tesla V100", 900, capability=(7, 0)), 0.55),
        (gpu("NVIDIA made HBM card", 4000, capability=(9, 0)), 0.37),
        (gpu("Apple M9 Max", 500, "apple"), 0.60),
        (gpu("Apple M9", 100, "apple"), 0.75),
        (gpu("AMD Radeon RX 6600", 224, "amd"), 0.70),
        (gpu("", None, "intel"), 0.55),
    ],
)
def test_efficiency_of_cards_without_a_figure(card: Gpu, expected: float) -> None:
    assert cards.Cards().decode_efficiency(card) == expected


def test_nothing_on_a_device_takes_no_time() -> None:
    nothing = Share(0, 0, 0, 0)
    assert speed.decode_s(nothing, Pace(), 0) == 0
    assert speed.prefill_s(nothing, Pace(), shape(), 512) == 0
    assert speed.carried_s(nothing, Pace(), shape(), 512) == 0


def test_unknown_bandwidth_is_unknown_speed() -> None:
    assert speed.decode_s(whole(), card_pace(gpu("NVIDIA GeForce RTX 4060", None)), 0) is None
    assert speed.decode_s(whole(), pace.of_gpu(None, shape(), weights(), None), 0) is None
    for cpu in (Cpu(), Cpu(memory_bandwidth_bytes_per_s=0)):
        assert speed.decode_s(whole(), pace.of_cpu(Machine(cpu=cpu), shape(), weights(), None), 0) is None


def test_ram_modules_tell_a_bandwidth() -> None:
    machine = Machine(memory=Memory(speed_mt_s=3200, channels=2))
    assert pace.module_bandwidth(machine) == pytest.approx(51.2e9 * pace.THEORETICAL_SHARE)
    assert pace.module_bandwidth(Machine(memory=Memory(speed_mt_s=3200))) is None
    measured = Machine(cpu=Cpu(memory_bandwidth_bytes_per_s=30 * GB), memory=machine.memory)
    assert pace.of_cpu(measured, shape(), weights(), None).read == pytest.approx(
        30 * GB * cards.CPU_EFFICIENCY
    )
    safe = pace.of_cpu(measured, shape(), weights(), None, safe=True).read
    assert safe == pytest.approx(30 * GB * cards.CPU_EFFICIENCY * pace.SAFE_SHARE)


@pytest.mark.parametrize(
    ("name", "vendor", "seconds"), [("RTX 3060", "nvidia", 2.2), ("Apple M4", "apple", 21)]
)
def test_prefill_of_a_screenshot(name: str, vendor: str, seconds: float) -> None:
    """Section 6 scales by all parameters, this by those of the layers and adds the attention."""
    found = speed.prefill_s(whole(), card_pace(gpu(name, 100, vendor)), shape(), 3354)
    assert found == pytest.approx(seconds, rel=0.06)


def test_a_card_without_a_figure_is_judged_by_its_cores() -> None:
    card = gpu("NVIDIA made card", 272, capability=(8, 9), cores=3072, core_clock_mhz=2460)
    architecture = TABLE.architecture(card)
    assert architecture is not None and architecture.prefill_factor
    expected = 2 * 3072 * 2.46e9 * architecture.prefill_factor
    assert card_pace(card).arithmetic == pytest.approx(expected, rel=0.05)
    silent = gpu("NVIDIA made card", 272)
    assert card_pace(silent).arithmetic is None
    assert speed.prefill_s(whole(), card_pace(silent), shape(), 512) is None
    assert speed.image_s(card_pace(silent), 3354) is None


@pytest.mark.parametrize(
    ("features", "cores", "expected"),
    [
        (("avx2",), 8, 480e9), (("avx2", "avx512f"), 4, 480e9), (("neon",), 4, 160e9), ((), 2, 30e9),
        (("avx2",), None, None),
    ],
)  # fmt: skip
def test_arithmetic_of_a_processor(
    features: tuple[str, ...], cores: int | None, expected: float | None
) -> None:
    assert pace.cpu_arithmetic(Cpu(performance_cores=cores, features=features)) == expected


def test_a_screenshot_on_a_processor_takes_what_section_9_tells() -> None:
    for cores in (6, 8):
        found = pace.of_cpu(
            Machine(cpu=Cpu(physical_cores=cores, features=("avx2",))), shape(), weights(), None
        )
        seconds = speed.image_s(found, 3354)
        assert seconds is not None and 63 <= seconds <= 180


def test_links() -> None:
    assert pace.pcie(gpu("x", 1, pcie_generation=1, pcie_generation_max=4, pcie_width=8)) == pytest.approx(
        12.6e9, rel=0.01
    )
    assert pace.pcie(gpu("x", 1)) == pace.PCIE_WHERE_UNKNOWN
    assert pace.pcie(gpu("x", 1, pcie_generation_max=9, pcie_width=16)) == pace.PCIE_WHERE_UNKNOWN
    assert pace.pcie(gpu("x", 1, "apple")) == math.inf
    assert pace.pcie(gpu("x", 1, "intel", integrated=True)) == math.inf


def test_layers_in_ram_are_carried_once_a_batch() -> None:
    half = Share(20, 2 * GB, 0, 0)
    card = Pace(arithmetic=1e13, link=10e9)
    arithmetic = speed.layers_flop(shape(), 20, 1024) / 1e13
    assert speed.carried_s(half, card, shape(), 1024) == pytest.approx(2 * 2 * GB / 10e9 + arithmetic)
    assert speed.carried_s(half, Pace(arithmetic=1e13), shape(), 1024) is None


def test_vision_arithmetic() -> None:
    assert speed.vision_flop(3354) / 1e12 == pytest.approx(50, rel=0.03)
    assert speed.vision_flop(817) / 1e12 == pytest.approx(7, rel=0.03)


def test_phone_step() -> None:
    assert speed.phone_step(STEP, 2.0, 1000.0, 20.0) == pytest.approx(2 + 5.354 + 10)
    for missing in ((None, 1000.0, 20.0), (2.0, None, 20.0), (2.0, 1000.0, None)):
        assert speed.phone_step(STEP, *missing) is None


def test_load_needs_a_measured_disk() -> None:
    assert speed.load(6 * GB, Disk("x", "nvme", sequential_read_bytes_per_s=3 * GB)) == 2
    assert speed.load(6 * GB, Disk("x", "nvme")) is None
    assert speed.load(None, Disk("x", sequential_read_bytes_per_s=1)) is None
    assert speed.load(6 * GB, None) is None
