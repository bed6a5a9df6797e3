"""The table of what things to buy cost over years, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.costs import CostRow, CostTable
from ..i18n import _

UNKNOWN = "–"


def heads() -> tuple[str, ...]:
    return (_("What"), _("Price"), _("Electricity"), _("Upkeep"), _("Together"))


def cells(row: CostRow) -> tuple[str, ...]:
    """As many as ``heads``; money in the row's own currency."""
    cost = row.cost
    amounts = (cost.hardware, cost.electricity, cost.upkeep, cost.total)
    return (_title(row), *(_money(amount, cost.currency) for amount in amounts))


def _title(row: CostRow) -> str:
    if row.kind == "example":
        return _("A whole PC, as a guide has it")
    if row.condition == "used":
        return _("{title}, used").format(title=row.title)
    return row.title


def _money(amount: float | None, currency: str) -> str:
    return UNKNOWN if amount is None else f"{amount:,.0f} {currency}"


def note(table: CostTable, file: str) -> str:
    """How the table came about, and where its prices can be corrected."""
    said = note_of_rows(table.rows)
    if table.date:
        said += " " + _("Prices were gone through on {date}.").format(date=table.date)
    return said + " " + _("Your own prices and tariff: {file}").format(file=file)


def note_of_rows(rows: Sequence[CostRow]) -> str:
    """Hours and years are the same in all rows but the published example's, which has its own."""
    row = rows[0]
    text = _(
        "{hours} hours a day for {years} years; a card at its full power, so electricity is the most it can take. "
        "– means not known, never 0."
    )
    return text.format(hours=f"{row.hours_per_day:g}", years=f"{row.years:g}")
