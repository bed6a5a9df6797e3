"""Numbers between bounds as grammar: GBNF expressions for llama.cpp. Pure.

A number has at most ``MOST_DIGITS`` digits before its point and as many behind it, so that it ends.
"""

from __future__ import annotations

MOST_DIGITS = 15
"""Whole numbers of so many digits are exact in a double, as most readers of JSON keep them."""
_HIGHEST = 10**MOST_DIGITS - 1
FRACTION = '"." [0-9]{1,15}'
_NO_ZERO = '"." [0-9]{0,14} [1-9]'
EXPONENT = "[eE] [-+]? [0-9] [0-9]?"
INTEGER = '"-"? ( "0" | [1-9] [0-9]{0,14} )'
NUMBER = f"{INTEGER} ( {FRACTION} )? ( {EXPONENT} )?"


def integers(low: int | None, high: int | None) -> str | None:
    """Whole numbers from ``low`` to ``high``, both included (None: unbounded); None where there are none."""
    low = -_HIGHEST if low is None else max(low, -_HIGHEST)
    high = _HIGHEST if high is None else min(high, _HIGHEST)
    if low > high:
        return None
    parts = []
    if low < 0:
        parts.append(f'"-" {_between(max(1, -high), -low)}')
    if high >= 0:
        parts.append(_between(max(0, low), high))
    return " | ".join(parts)


def numbers(low: int | None, high: int | None, open_low: bool = False, open_high: bool = False) -> str | None:
    """Numbers with or without a fraction between whole bounds; ``open_…``: the bound itself is not among them."""
    parts = []
    if low is None or low < 0:
        below_zero = high is not None and high <= 0
        mirrored = _not_negative(
            -high if high is not None and below_zero else 0, _negated(low), below_zero and open_high, open_low
        )
        if mirrored is not None:
            parts.append(f'"-" ( {mirrored} )')
    if high is None or high > 0 or (high == 0 and not open_high):
        inside = low is not None and low >= 0
        found = _not_negative(low if inside and low is not None else 0, high, inside and open_low, open_high)
        if found is not None:
            parts.append(found)
    return " | ".join(parts) or None


def _negated(bound: int | None) -> int | None:
    return None if bound is None else -bound


def _not_negative(low: int, high: int | None, open_low: bool, open_high: bool) -> str | None:
    """From ``low``, at least 0. Whole numbers below ``high`` may have any fraction; ``high`` itself has none."""
    high = _HIGHEST if high is None else min(high, _HIGHEST)
    parts = []
    first = low
    if open_low:
        first = low + 1
        if low < high:
            parts.append(f'"{low}" {_NO_ZERO}')
    if first < high:
        parts.append(f"{_between(first, high - 1)} ( {FRACTION} )?")
    if first <= high and not open_high:
        parts.append(f'"{high}"')
    return " | ".join(parts) or None


def _between(low: int, high: int) -> str:
    """Whole numbers from ``low``, at least 0, to ``high``: digit by digit, in parentheses."""
    parts = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        least, most = (0 if digits == 1 else 10 ** (digits - 1)), 10**digits - 1
        parts.append(_same_length(str(max(low, least)), str(min(high, most))))
    return f"( {' | '.join(parts)} )"


def _same_length(low: str, high: str) -> str:
    """Numbers of as many digits as both have."""
    if not low:
        return '""'
    rest = len(low) - 1
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        return _digit(low[0], high[0]) + _any(rest)
    if low[0] == high[0]:
        return f'"{low[0]}" ( {_same_length(low[1:], high[1:])} )'
    parts = [f'"{low[0]}" ( {_same_length(low[1:], "9" * rest)} )']
    if int(high[0]) - int(low[0]) > 1:
        parts.append(_digit(str(int(low[0]) + 1), str(int(high[0]) - 1)) + _any(rest))
    parts.append(f'"{high[0]}" ( {_same_length("0" * rest, high[1:])} )')
    return f"( {' | '.join(parts)} )"


def _digit(low: str, high: str) -> str:
    return f'"{low}"' if low == high else f"[{low}-{high}]"


def _any(count: int) -> str:
    return f" [0-9]{{{count}}}" if count else ""
