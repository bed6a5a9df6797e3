"""Values inside sentences: bytes, seconds, speeds, ranges of estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.units import format_bytes, format_seconds
from ..i18n import _

VENDORS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}
"""How the makers of graphics cards write themselves."""
ESTIMATE_SPREAD = 0.15
"""Cards of one kind reach 63 to 83 % of their bandwidth where 70 to 73 are assumed: shown as a range."""


class _Shown(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def labelled(name: str, text: str) -> str:
    """``GPU: none was found``"""
    return _("{name}: {text}").format(name=name, text=text)


def listed(parts: Iterable[str]) -> str:
    """``pictures on the CPU, context 16,384``"""
    return _(", ").join(parts)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The sentence with its values; one that is missing becomes ``?`` rather than an error."""
    return template.format_map(_Shown(values))


def shown(key: str, value: object, *, measured: bool = False) -> str:
    """One value by its key: ``…_bytes``, ``…_s`` and ``tokens_per_s`` are formatted for people."""
    if value is None:
        return "?"
    if isinstance(value, (tuple, list)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if key == "tokens_per_s":
            return tokens_per_s(value, measured=measured)
        if key.endswith("_bytes"):
            return format_bytes(int(value))
        if key.endswith("_s"):
            return seconds(value, measured=measured)
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return VENDORS.get(str(value), str(value)) if key in ("gpu", "name") else str(value)


def tokens_per_s(value: float, *, measured: bool) -> str:
    """``34 tokens/s``; an estimate as ``29–39 tokens/s (estimate)``."""
    if measured:
        return _("{speed} tokens/s").format(speed=short(value))
    low, high = _range(value)
    return _("{low}–{high} tokens/s (estimate)").format(low=short(low), high=short(high))


def seconds(value: float, *, measured: bool) -> str:
    """``12 s``; an estimate as ``10 s–14 s (estimate)``."""
    if measured:
        return format_seconds(value)
    low, high = _range(value)
    return _("{low}–{high} (estimate)").format(low=format_seconds(low), high=format_seconds(high))


def range_text(value: float | None, *, measured: bool) -> str:
    """A number for a table: ``34``, an estimate as ``29–39``, unknown as ``–``."""
    if value is None:
        return "–"
    if measured:
        return short(value)
    low, high = _range(value)
    return f"{short(low)}–{short(high)}"


def short(value: float) -> str:
    """Two digits that matter: ``3.4``, ``34``, ``340``."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _range(value: float) -> tuple[float, float]:
    return value * (1 - ESTIMATE_SPREAD), value * (1 + ESTIMATE_SPREAD)
