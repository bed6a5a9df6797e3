"""Figures and factors of resources/gpus.toml against docs/numbers.md, section 6."""

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_desktop.core import cards
from autoglm_desktop.core.card_values import LLAMA2_FLOP_PER_TOKEN, Architecture, Card
from autoglm_desktop.core.cards import Cards
from autoglm_desktop.core.machine import Gpu
from autoglm_desktop.probe.gpu_table import load_table

ROOT = Path(__file__).parents[2]
KNOWN = (
    ("GeForce RTX 3060", 0.79, 2138),
    ("GeForce RTX 4060", 0.73, None),
    ("GeForce RTX 4090", 0.69, 11993),
    ("GeForce RTX 2080 Ti", 0.66, 2890.66),
    ("GeForce GTX 1060 6GB", 0.55, None),
)


@pytest.fixture(scope="module")
def table() -> Cards:
    return load_table(ROOT / "resources" / "gpus.toml")


def gpu(name: str, vendor: str = "nvidia", capability: tuple[int, int] | None = None) -> Gpu:
    return Gpu(0, vendor, name, compute_capability=capability)


def label(card: Card) -> str:
    laptop = " laptop" if card.laptop else ""
    return card.names[0] + laptop + (f" {card.gpu_cores} cores" if card.gpu_cores else "")


def factor(card: Card) -> float | None:
    if card.pp512 is None:
        return None
    if card.gpu_cores is not None:
        return card.pp512 / card.gpu_cores
    flop = card.fp32_flop_per_s
    return card.pp512 * LLAMA2_FLOP_PER_TOKEN / flop if flop else None


def test_factors_of_architectures_follow_from_their_cards(table: Cards) -> None:
    checked = 0
    for item in table.architectures:
        rows = [row for row in table.rows if row.architecture == item.name]
        known = {label(r): f for r in rows if r.backend == item.backend and (f := factor(r)) is not None}
        assert list(known) == list(item.prefill_cards)
        if known:
            checked += 1
            told = item.prefill_factor or item.prefill_per_core
            assert told == pytest.approx(statistics.median(known.values()), abs=0.006), item.name
            assert item.prefill_low == pytest.approx(min(known.values()), abs=0.006)
            assert item.prefill_high == pytest.approx(max(known.values()), abs=0.006)
        shares = {label(r): e for r in rows if (r.tg128 or r.tg128_fa) and (e := r.efficiency) is not None}
        if item.decode_efficiency is not None:
            assert list(shares) == list(item.decode_cards)
            assert item.decode_efficiency == pytest.approx(statistics.median(shares.values()), abs=0.006)
    assert checked >= 18


def test_the_factors_in_the_notes_are_those_of_the_table(table: Cards) -> None:
    notes = (ROOT / "docs" / "numbers.md").read_text("utf-8")
    for item in table.architectures:
        told = item.prefill_factor or item.prefill_per_core
        assert f"| {item.name} |" in notes
        if told is not None:
            count = len(item.prefill_cards)
            assert f"| {told} ({item.prefill_low}–{item.prefill_high}, {count}) |" in notes, item.name


def test_efficiencies_are_shares(table: Cards) -> None:
    for row in table.rows:
        if row.efficiency is not None:
            assert 0.25 < row.efficiency < 0.95, label(row)


@pytest.mark.parametrize(("name", "efficiency", "prefill"), KNOWN)
def test_figures_of_well_known_cards(
    table: Cards, name: str, efficiency: float, prefill: float | None
) -> None:
    card = gpu(f"NVIDIA {name}")
    assert table.decode_efficiency(card) == pytest.approx(efficiency, abs=0.03)
    assert table.llama2_prefill(card) == (None if prefill is None else pytest.approx(prefill, rel=0.001))


def test_a_card_without_a_figure_is_judged_by_its_architecture(table: Cards) -> None:
    card = gpu("NVIDIA GeForce RTX 3060 Ti")
    assert table.decode_efficiency(card) == 0.67
    assert table.llama2_prefill(card) is None
    assert table.llama2_prefill_estimate(card) == pytest.approx(
        1.96 * 4864 * 2 * 1665e6 / LLAMA2_FLOP_PER_TOKEN
    )


def test_a_vulkan_figure_says_nothing_of_cuda_but_all_of_an_arc(table: Cards) -> None:
    assert table.llama2_prefill(gpu("NVIDIA GeForce RTX 4070")) is None
    assert table.llama2_prefill_estimate(gpu("NVIDIA GeForce RTX 4070")) == pytest.approx(4368, rel=0.01)
    assert table.llama2_prefill(gpu("Intel(R) Arc(TM) A770 Graphics", "intel")) == 1073.85


def test_gtx_16_is_not_an_rtx_20(table: Cards) -> None:
    """The same compute capability, a sixth of the speed."""
    plain, tensor = (
        gpu("NVIDIA GeForce GTX 1660 SUPER", capability=(7, 5)),
        gpu("NVIDIA GeForce RTX 2060 SUPER"),
    )
    slow, fast = table.llama2_prefill_estimate(plain), table.llama2_prefill_estimate(tensor)
    assert slow is not None and fast is not None
    assert slow < fast / 4


def test_an_unknown_card_has_its_capabilitys_efficiency_and_no_prefill(table: Cards) -> None:
    card = gpu("NVIDIA made card", capability=(8, 9))
    assert table.decode_efficiency(card) == 0.74
    assert table.llama2_prefill(card) is None
    assert table.llama2_prefill_estimate(card) is None
    assert table.decode_efficiency(gpu("NVIDIA made card")) == cards.NVIDIA_EFFICIENCY


def test_gddr7_is_not_hbm(table: Cards) -> None:
    card = Gpu(0, "nvidia", "NVIDIA GeForce RTX 5090", memory_bandwidth_bytes_per_s=1_792_000_000_000)
    assert table.decode_efficiency(card) > 0.6
    assert Cards().decode_efficiency(card) == cards.HBM_EFFICIENCY  # without the table


def test_where_chips_of_one_name_differ_the_lower_figure_counts(table: Cards) -> None:
    m2_pro = gpu("Apple M2 Pro", "apple")
    assert table.llama2_prefill(m2_pro) == 294.24
    assert table.llama2_prefill_estimate(m2_pro) == pytest.approx(17.92 * 16)


def test_an_empty_table_answers_with_defaults() -> None:
    empty = Cards()
    for vendor, name, expected in (
        ("amd", "AMD Radeon RX 7600", cards.AMD_EFFICIENCY),
        ("intel", "", cards.INTEL_EFFICIENCY),
        ("apple", "Apple M9 Max", cards.APPLE_MAX_EFFICIENCY),
        ("nvidia", "NVIDIA GeForce GTX 1080", cards.OLD_NVIDIA_EFFICIENCY),
    ):
        assert empty.decode_efficiency(gpu(name, vendor)) == expected
        assert empty.llama2_prefill(gpu(name, vendor)) is None


def test_arithmetic_of_a_card(table: Cards) -> None:
    public = table.arithmetic(gpu("NVIDIA GeForce RTX 5080"))
    assert public == pytest.approx(8297.36 * cards.LLAMA2_LAYERS_FLOP_PER_TOKEN)
    told = replace(gpu("NVIDIA made card", capability=(8, 9)), cores=3072, core_clock_mhz=2460)
    same = table.arithmetic(gpu("NVIDIA GeForce RTX 4060"))
    assert table.arithmetic(told) == pytest.approx(same)
    assert table.arithmetic(gpu("NVIDIA made card", capability=(8, 9))) is None
    assert Cards().arithmetic(gpu("NVIDIA GeForce RTX 5080")) is None


def test_prefill_of_needs_shaders_or_cores() -> None:
    made = Architecture("a", "nvidia", "CUDA", prefill_factor=2.0)
    assert cards.prefill_of(Card(("x",), "nvidia", 100, "made"), made) is None
    whole = Card(("x",), "nvidia", 100, "made", shaders=1000, boost_mhz=1000)
    assert cards.prefill_of(whole, made) == pytest.approx(2.0 * 2e12 / LLAMA2_FLOP_PER_TOKEN)
