"""One table of what the cards that would help cost over three years, beside a published example. Pure.

Money stays in its currency; what has no price stays None, and so does a total with it (docs/numbers.md, section 11).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .cards import Cards
from .help_values import Help
from .prices import Cost, Example, Part, Prices, Tariff, cost, example_cost
from .units import GIB

HOURS_PER_DAY = 8.0
YEARS = 3.0
"""Of the published example, whose 650 W come to 5,694 kWh."""


@dataclass(frozen=True)
class CostRow:
    """Something to buy, or the published example, in one currency. ``watts``: of a card its full power, so the
    electricity is the most it can take; None where unknown, as for RAM."""

    title: str
    kind: str  # gpu | ram | example
    watts: float | None
    hours_per_day: float
    years: float
    cost: Cost
    energy_kwh: float | None
    low: float | None = None
    high: float | None = None
    condition: str | None = None
    source: str = ""
    date: str = ""
    verified: bool = False
    note: str | None = None


@dataclass(frozen=True)
class CostTable:
    """``date``: when the prices were last gone through."""

    date: str = ""
    rows: tuple[CostRow, ...] = ()


def cost_table(helps: Iterable[Help], prices: Prices, cards: Cards) -> CostTable:
    """Everything the helps would have bought, once each, then the examples; no rows where nothing is to be bought."""
    parts = {part.id: part for one in helps for part in one.parts}
    rows = [_of_part(part, prices, cards) for part in parts.values()]
    if rows:
        rows += [_of_example(example, prices) for example in prices.examples]
    return CostTable(prices.date, tuple(rows))


def _of_part(part: Part, prices: Prices, cards: Cards) -> CostRow:
    """With the upkeep of the PC that it is built into."""
    card = cards.find(part.gpu, part.size_gb * GIB) if part.gpu is not None else None
    watts = card.power_w if card is not None else None
    tariff = prices.tariff(part.currency) or Tariff("", "", part.currency)
    known = tariff if watts is not None else Tariff("", "", part.currency)
    upkeep = prices.upkeep(part.currency)
    yearly = upkeep.per_year if upkeep is not None else None
    kept = yearly * YEARS if yearly is not None else None
    found = cost(known, watts or 0.0, HOURS_PER_DAY, YEARS, part.price, kept)
    return CostRow(
        part.title, part.kind, watts, HOURS_PER_DAY, YEARS, found, found.energy_kwh if watts is not None else None,
        part.low, part.high, part.condition, part.source, part.date, part.verified, part.note,
    )  # fmt: skip


def _of_example(example: Example, prices: Prices) -> CostRow:
    found = example_cost(example, prices.tariff(example.currency))
    return CostRow(
        example.title, "example", example.watts, example.hours_per_day, example.years, found, found.energy_kwh,
        source=example.source, date=example.date, verified=example.verified, note=example.note,
    )  # fmt: skip
