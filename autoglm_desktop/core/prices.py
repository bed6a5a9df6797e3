"""What hardware and electricity cost, and years of both. Values and arithmetic; ``store.prices`` reads the file.

Money is a plain number in its currency and never converted. An unknown price is None, and so is every sum with it.
"""

from __future__ import annotations

from dataclasses import dataclass

DAYS_PER_YEAR = 365
KINDS = ("ram", "gpu", "ssd", "external_ssd")
CONDITIONS = ("new", "used")


@dataclass(frozen=True)
class Part:
    """Something that may be bought. ``low`` and ``high``: the span that was read; ``value``: one price for it.

    ``size_gb``: as sold: memory of a GPU or a RAM kit, capacity of a disk. ``gpu``: its name in gpus.toml.
    ``date``: of the source, a day or a month. ``verified``: seen by this project at the seller's.
    """

    id: str
    kind: str  # KINDS
    title: str
    size_gb: int
    currency: str
    source: str = ""
    date: str = ""
    condition: str = "new"
    gpu: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    verified: bool = False
    note: str | None = None

    @property
    def price(self) -> float | None:
        """``value``, else the middle of the span."""
        if self.value is not None or self.low is None or self.high is None:
            return self.value
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Tariff:
    """Money per kWh for households; None: to be entered."""

    id: str
    title: str
    currency: str
    per_kwh: float | None = None
    source: str = ""
    date: str = ""
    verified: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Upkeep:
    """Money per year; None: to be entered."""

    id: str
    title: str
    currency: str
    per_year: float | None = None
    source: str = ""
    date: str = ""
    verified: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Example:
    """A published cost of ownership."""

    id: str
    title: str
    currency: str
    hardware: float
    watts: float
    hours_per_day: float
    years: float
    upkeep: float
    source: str
    date: str = ""
    verified: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Cost:
    """Of owning hardware for some years, in one currency."""

    currency: str
    hardware: float | None
    energy_kwh: float
    electricity: float | None
    upkeep: float | None

    @property
    def total(self) -> float | None:
        """None where a part is unknown."""
        if self.hardware is None or self.electricity is None or self.upkeep is None:
            return None
        return self.hardware + self.electricity + self.upkeep


@dataclass(frozen=True)
class Prices:
    """prices.toml. ``date``: when it was last gone through."""

    date: str = ""
    parts: tuple[Part, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    upkeeps: tuple[Upkeep, ...] = ()
    examples: tuple[Example, ...] = ()

    def of(self, kind: str, currency: str | None = None) -> tuple[Part, ...]:
        return tuple(p for p in self.parts if p.kind == kind and currency in (None, p.currency))

    def tariff(self, currency: str) -> Tariff | None:
        """The first of that currency."""
        return next((item for item in self.tariffs if item.currency == currency), None)

    def upkeep(self, currency: str) -> Upkeep | None:
        """The first of that currency."""
        return next((item for item in self.upkeeps if item.currency == currency), None)


def energy_kwh(watts: float, hours_per_day: float, years: float) -> float:
    """kWh; 650 W for 8 hours a day are 5,694 kWh in three years."""
    return watts * hours_per_day * DAYS_PER_YEAR * years / 1000


def cost(
    tariff: Tariff,
    watts: float,
    hours_per_day: float,
    years: float,
    hardware: float | None,
    upkeep: float | None,
) -> Cost:
    """In the tariff's currency: ``hardware`` and ``upkeep`` are in it too."""
    energy = energy_kwh(watts, hours_per_day, years)
    electricity = energy * tariff.per_kwh if tariff.per_kwh is not None else None
    return Cost(tariff.currency, hardware, energy, electricity, upkeep)


def example_cost(example: Example, tariff: Tariff | None) -> Cost:
    """A published example at a tariff of the same currency (None: electricity unknown)."""
    rate = tariff if tariff is not None and tariff.currency == example.currency else None
    return cost(
        rate or Tariff("", "", example.currency),
        example.watts,
        example.hours_per_day,
        example.years,
        example.hardware,
        example.upkeep,
    )
