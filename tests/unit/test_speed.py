"""Estimates against docs/numbers.md, section 6."""

import pytest

from autoglm_desktop.core import cards, speed
from autoglm_desktop.core.machine import Cpu, Disk, Gpu
from autoglm_desktop.core.rungs import PhoneStep
from autoglm_desktop.core.units import GB, MIB

Q4_K_M = 5539 * MIB
STEP = PhoneStep(3354, 2000, 0, 200)


def gpu(
    name: str, gb_s: int | None, vendor: str = "nvidia", capability: tuple[int, int] | None = None
) -> Gpu:
    bandwidth = gb_s * GB if gb_s is not None else None
    return Gpu(0, vendor, name, compute_capability=capability, memory_bandwidth_bytes_per_s=bandwidth)


@pytest.mark.parametrize(
    ("name", "vendor", "gb_s", "expected"),
    [
        ("NVIDIA GeForce GTX 1060 6GB", "nvidia", 192, 18), ("NVIDIA GeForce RTX 2080 Ti", "nvidia", 616, 70),
        ("NVIDIA GeForce RTX 3060", "nvidia", 360, 49), ("NVIDIA GeForce RTX 4060 Ti", "nvidia", 288, 41),
        ("NVIDIA GeForce RTX 3090", "nvidia", 936, 102), ("NVIDIA GeForce RTX 4090", "nvidia", 1008, 120),
        ("NVIDIA A100-SXM4-80GB", "nvidia", 2039, 130), ("AMD Radeon RX 7600", "amd", 288, 38),
        ("Intel(R) Arc(TM) B580 Graphics", "intel", 456, 45), ("Apple M4 Pro", "apple", 273, 33),
        ("Apple M4 Max", "apple", 546, 54),
    ],
)  # fmt: skip
def test_decode_as_estimated_for_q4_k_m(name: str, vendor: str, gb_s: int, expected: int) -> None:
    found = speed.decode(speed.Reads(Q4_K_M, 0), gpu(name, gb_s, vendor), Cpu())
    assert found == pytest.approx(expected, rel=0.03)


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
    assert cards.decode_efficiency(card) == expected


def test_split_adds_the_times_of_both() -> None:
    card, cpu = gpu("NVIDIA GeForce RTX 4060", 272), Cpu(memory_bandwidth_bytes_per_s=51 * GB)
    whole = speed.decode(speed.Reads(4 * GB, 2 * GB), card, cpu)
    one, other = (
        speed.decode(speed.Reads(4 * GB, 0), card, cpu),
        speed.decode(speed.Reads(0, 2 * GB), card, cpu),
    )
    assert whole and one and other
    assert 1 / whole == pytest.approx(1 / one + 1 / other)


def test_unknown_bandwidth_is_unknown_speed() -> None:
    known, cpu = gpu("NVIDIA GeForce RTX 4060", 272), Cpu()
    assert speed.decode(speed.Reads(4 * GB, 2 * GB), known, cpu) is None
    assert speed.decode(speed.Reads(4 * GB, 0), gpu("NVIDIA GeForce RTX 4060", None), cpu) is None
    assert speed.decode(speed.Reads(4 * GB, 0), None, cpu) is None
    assert speed.decode(speed.Reads(0, 2 * GB), known, Cpu(memory_bandwidth_bytes_per_s=0)) is None


@pytest.mark.parametrize(
    ("name", "vendor", "seconds"), [("RTX 3060", "nvidia", 2.2), ("Apple M4", "apple", 21)]
)
def test_prefill_of_a_screenshot(name: str, vendor: str, seconds: float) -> None:
    found = speed.prefill(gpu(name, 100, vendor), all_on_gpu=True)
    assert found is not None
    assert 3354 / found == pytest.approx(seconds, rel=0.03)


def test_prefill_only_where_a_figure_is_public() -> None:
    assert speed.prefill(gpu("NVIDIA GeForce RTX 4060", 272), all_on_gpu=True) is None
    assert speed.prefill(gpu("NVIDIA GeForce RTX 3060", 360), all_on_gpu=False) is None
    assert speed.image(gpu("NVIDIA GeForce RTX 3060", 360), 3354, on_gpu=False) is None


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
