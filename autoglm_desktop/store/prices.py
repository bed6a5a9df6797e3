"""prices.toml: the one in resources, or the user's copy of it."""

from __future__ import annotations

import datetime
import re
import sys
from pathlib import Path
from typing import Any

from ..core.prices import CONDITIONS, KINDS, Example, Part, Prices, Tariff, Upkeep
from ..core.tables import row, rows

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1 << 20


def load_prices(path: Path) -> Prices:
    """Raises OSError, ValueError (naming what is wrong in the file)."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name}: too large")
    return parse_prices(path.read_bytes().decode("utf-8-sig"))


def parse_prices(text: str) -> Prices:
    """The text of prices.toml. Raises ValueError (or its TOMLDecodeError) when it isn't as it should be."""
    try:
        data = _plain(tomllib.loads(text.replace("\r\n", "\n")))
    except RecursionError as error:
        raise ValueError("prices.toml: nested too deep") from error
    unknown = sorted(set(data) - {"date", "part", "tariff", "upkeep", "example"})
    if unknown:
        raise ValueError(f"prices.toml: unknown keys {unknown}")
    date = data.get("date", "")
    if not isinstance(date, str):
        raise ValueError("prices.toml: date: expected a date")
    _check_date(date, "prices.toml")
    return Prices(
        date,
        tuple(_part(item, f"prices.toml: part {n}") for n, item in enumerate(rows(data, "part"), 1)),
        tuple(_tariff(item, f"prices.toml: tariff {n}") for n, item in enumerate(rows(data, "tariff"), 1)),
        tuple(_upkeep(item, f"prices.toml: upkeep {n}") for n, item in enumerate(rows(data, "upkeep"), 1)),
        tuple(_example(item, f"prices.toml: example {n}") for n, item in enumerate(rows(data, "example"), 1)),
    )


def _part(item: object, where: str) -> Part:
    part = row(Part, item, where)
    where = f"{where} ({part.id})"
    if part.kind not in KINDS or part.condition not in CONDITIONS:
        raise ValueError(f"{where}: unknown kind or condition")
    if part.kind == "gpu" and part.gpu is None:
        raise ValueError(f"{where}: a GPU without its name in gpus.toml")
    if (part.low is None) != (part.high is None) or (part.low or 0) > (part.high or 0):
        raise ValueError(f"{where}: low and high belong together, low first")
    _check(where, part.currency, part.price, part.source, part.date, part.note)
    return part


def _tariff(item: object, where: str) -> Tariff:
    tariff = row(Tariff, item, where)
    where = f"{where} ({tariff.id})"
    _check(where, tariff.currency, tariff.per_kwh, tariff.source, tariff.date, tariff.note)
    return tariff


def _upkeep(item: object, where: str) -> Upkeep:
    upkeep = row(Upkeep, item, where, zero=True)
    where = f"{where} ({upkeep.id})"
    _check(where, upkeep.currency, upkeep.per_year, upkeep.source, upkeep.date, upkeep.note)
    return upkeep


def _example(item: object, where: str) -> Example:
    example = row(Example, item, where, zero=True)
    if example.hours_per_day > 24:
        raise ValueError(f"{where} ({example.id}): a day has 24 hours")
    _check(f"{where} ({example.id})", example.currency, None, example.source, example.date, "")
    return example


def _check(where: str, currency: str, price: float | None, source: str, date: str, note: str | None) -> None:
    """A price says where and when it was read; without one a note says what to do."""
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"{where}: currency: expected a code of three letters")
    _check_date(date, where)
    if price is not None and not (source and date):
        raise ValueError(f"{where}: a price without source and date")
    if price is None and note is None:
        raise ValueError(f"{where}: neither a price nor a note")


def _check_date(date: str, where: str) -> None:
    if date:
        try:
            datetime.date.fromisoformat(f"{date}-01" if re.fullmatch(r"\d{4}-\d{2}", date) else date)
        except ValueError:
            raise ValueError(f"{where}: date: expected YYYY-MM-DD or YYYY-MM") from None


def _plain(value: Any) -> Any:
    """TOML's own dates as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
