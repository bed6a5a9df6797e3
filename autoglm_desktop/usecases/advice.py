"""What would help, for every model of a check, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.costs import CostTable, cost_table
from ..core.errors import AppError
from ..core.help_values import Help, Planning
from ..core.prices import Prices
from ..core.rungs import CrashNote, EngineState
from ..core.whatif import helps
from ..store import paths
from ..store.prices import load_prices
from .services import gpu_table

if TYPE_CHECKING:
    from .check import CheckOptions, CheckResult

FILE = "prices.toml"
NO_COSTS = CostTable()


@dataclass(frozen=True)
class Advice:
    """``helps``: by model, in the check's order. ``problem``: why the user's own prices are not used."""

    helps: tuple[tuple[Help, ...], ...] = ()
    costs: CostTable = NO_COSTS
    problem: AppError | None = None

    def of(self, number: int) -> tuple[Help, ...]:
        """Of the check's model of that number."""
        return self.helps[number] if number < len(self.helps) else ()


NO_ADVICE = Advice()


def own_prices(home: Path) -> Path:
    """The user's copy, which takes the place of the shipped one as a whole."""
    return home / FILE


def read_prices(home: Path) -> tuple[Prices, AppError | None]:
    """The user's prices where there are any, else the shipped ones; these also where the user's can't be read, with
    what is wrong with them. Reads a file."""
    own = own_prices(home)
    problem = None
    if own.exists():
        try:
            return load_prices(own), None
        except (OSError, ValueError) as error:
            detail = (error.strerror or "") if isinstance(error, OSError) else str(error)
            problem = AppError("prices_wrong", path=str(own), detail=detail)
    return load_prices(paths.resources() / FILE), problem


def with_advice(
    found: CheckResult,
    options: CheckOptions,
    engines: tuple[EngineState, ...],
    crashes: tuple[CrashNote, ...],
    home: Path,
) -> CheckResult:
    """The check with what would help. ``engines``, ``crashes``: what its plans were made with. Reads a file."""
    prices, problem = read_prices(home)
    cards = gpu_table()
    by_model = tuple(
        helps(
            found.machine,
            planned.subject,
            plan,
            Planning(
                context=options.context,
                variant=options.variant or planned.variant,
                engines=engines,
                crashes=crashes,
                measured=found.known.measured,
                dry_runs=found.known.dry_runs.get(planned.subject.id) or {},
                cards=cards,
                order=found.known.order,
                here=not found.described,
            ),
            prices,
        )
        for planned, plan in zip(found.subjects, found.models, strict=True)
    )
    costs = cost_table((one for ones in by_model for one in ones), prices, cards)
    return replace(found, advice=Advice(by_model, costs, problem))
