"""Graphics cards and costs in words."""

from __future__ import annotations

import pytest

from autoglm_desktop.core import gpu_states
from autoglm_desktop.core.costs import CostRow, CostTable
from autoglm_desktop.core.gpu_states import OWN_PROGRAM
from autoglm_desktop.core.machine import Gpu, GpuProcess
from autoglm_desktop.core.prices import Cost
from autoglm_desktop.core.units import GIB, MIB
from autoglm_desktop.texts import cards, costs


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (None, None),
        ((), "Slowed down: no"),
        (("idle",), "Slowed down: no; its clock is low while it has nothing to do"),
        (("power_cap", "heat"), "Slowed down by: its power limit, heat"),
        (("idle", "power_brake"), "Slowed down by: the power supply"),
        (("bit_12",), "Slowed down by: bit_12"),
    ],
)
def test_what_slows_a_card_down(reasons: tuple[str, ...] | None, said: str | None) -> None:
    assert cards.slowed_text(reasons) == said


def test_every_reason_of_the_driver_has_words() -> None:
    assert set(cards.SLOWED) == set(gpu_states.REASONS.values()) - {gpu_states.IDLE}


def test_what_is_not_known_is_left_out() -> None:
    bare = Gpu(0, "nvidia")
    assert cards.facts(bare) == () == cards.held(bare.processes)
    assert cards.name_text(bare) == "NVIDIA graphics card"
    assert cards.memory_text(bare) is None


@pytest.mark.parametrize(
    ("draw", "limit", "said"),
    [(12.4, 115.0, "Power: 12 W of 115 W"), (12.4, None, "Power: 12 W"), (None, 115.0, "Power limit: 115 W")],
)
def test_power(draw: float | None, limit: float | None, said: str) -> None:
    assert cards.facts(Gpu(0, "nvidia", power_draw_w=draw, power_limit_w=limit)) == (said,)


def test_a_link_names_its_maximum_only_where_it_is_another() -> None:
    same = Gpu(0, "nvidia", pcie_generation=4, pcie_generation_max=4, pcie_width=8, pcie_width_max=8)
    lower = Gpu(0, "nvidia", pcie_generation=1, pcie_generation_max=4, pcie_width=8, pcie_width_max=16)
    assert cards.facts(same) == ("PCIe: 4.0 ×8",)
    assert cards.facts(lower) == ("PCIe: 1.0 ×8 (at most 4.0 ×16)",)


def test_who_holds_memory() -> None:
    programs = (
        GpuProcess("/opt/made/small", 10 * MIB), GpuProcess(None, 2 * GIB), GpuProcess("made", None),
        GpuProcess(OWN_PROGRAM, GIB), GpuProcess(OWN_PROGRAM, GIB),
    )  # fmt: skip
    assert cards.held(programs) == (
        "Held by this program's engine: 2.0 GiB",
        "Held by another program: 2.0 GiB",
        "Held by small: 10 MiB",
    )


def test_cards_that_say_the_same_share_a_line() -> None:
    def card(index: int, free: int = 79) -> Gpu:
        return Gpu(index, "nvidia", "Made 80", 80 * GIB, free * GIB)

    further = [card(1), card(2), card(3, 40), card(5), card(6), card(8), Gpu(7, "nvidia")]
    assert cards.others(further) == (
        "GPU 1–2, 5–6, 8: Made 80 · 79.0 GiB of 80.0 GiB free",
        "GPU 3: Made 80 · 40.0 GiB of 80.0 GiB free",
        "GPU 7: NVIDIA graphics card · memory not known",
    )
    assert cards.others([]) == ()


def test_costs_are_never_invented() -> None:
    known = CostRow("made card", "gpu", 100.0, 8.0, 3.0, Cost("USD", 1200.0, 876.0, 150.0, 50.0), 876.0)
    open_ = CostRow("made kit", "ram", None, 8.0, 3.0, Cost("CNY", None, 0.0, None, None), None)
    assert costs.cells(known) == ("made card", "1,200 USD", "150 USD", "50 USD", "1,400 USD")
    assert costs.cells(open_) == ("made kit", "–", "–", "–", "–")
    assert len(costs.heads()) == len(costs.cells(known))
    said = costs.note(CostTable("2026-11-21", (known, open_)), "/made/prices.toml")
    for words in ("8 hours a day for 3 years", "2026-11-21", "/made/prices.toml"):
        assert words in said
