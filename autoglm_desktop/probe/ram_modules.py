"""What a machine's memory modules say together: kind, speed, channels. Pure.

Names of slots differ by board: only those that tell the channel count, and what contradicts itself is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KIND = re.compile(r"(LP)?DDR[1-9]?X?")
CHANNEL = re.compile(r"(.*?)channel[ _-]*([a-z0-9])", re.IGNORECASE)
LETTER = re.compile(r"(.*?)dimm[ _-]*([a-h])[ _-]?\d?$", re.IGNORECASE)
PLACE = re.compile(r"\b(?:bank|slot|dimm)\s*\d+[/ (_-]*", re.IGNORECASE)
"""The place of one module, which is no part of its channel's name."""
SLOWEST = {"DDR3": 800, "DDR4": 1600, "DDR5": 3200}
"""MT/s. Less is a clock that firmware wrote instead of transfers, or nonsense."""
FASTEST = 20_000
CHANNEL_BITS = 64
MOST_CHANNELS = 64


@dataclass(frozen=True)
class Module:
    """One populated slot. ``speed``: configured MT/s; ``width``: data bits."""

    locator: str = ""
    bank: str = ""
    kind: str | None = None
    speed: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class Ram:
    kind: str | None = None
    speed_mt_s: int | None = None
    channels: int | None = None


def together(modules: Sequence[Module]) -> Ram:
    """What holds for all modules; unknown where they disagree or do not say."""
    if not modules:
        return Ram()
    kinds = {known_kind(module.kind) for module in modules}
    kind = kinds.pop() if len(kinds) == 1 else None
    return Ram(kind, _speed(kind, [module.speed for module in modules]), _channels(kind, modules))


def known_kind(text: str | None) -> str | None:
    """``DDR4``, ``LPDDR5X``; None for what a firmware writes when it does not know."""
    word = (text or "").strip().upper()
    return word if KIND.fullmatch(word) else None


def _speed(kind: str | None, speeds: Iterable[int | None]) -> int | None:
    """That of the slowest module: all run at it."""
    known = [speed for speed in speeds if speed is not None]
    least = SLOWEST.get(kind or "", 100)
    plausible = known and all(least <= speed <= FASTEST for speed in known)
    return min(known) if plausible else None


def _channels(kind: str | None, modules: Sequence[Module]) -> int | None:
    """Channels of 64 bits with a module in them."""
    if kind is None:
        return None
    narrow = kind.startswith("LP") or any((module.width or CHANNEL_BITS) < CHANNEL_BITS for module in modules)
    if len(modules) == 1 and not narrow:
        return 1
    if len({(module.locator, module.bank) for module in modules}) < len(modules):
        return None
    names: dict[str, int | None] = {}
    for module in modules:
        name = channel_name(module)
        if name is None:
            return None
        names[name] = module.width
    if not narrow:
        return len(names)
    # Soldered chips are told with channels of 16 or 32 bits: two of those are no two of DDR.
    widths = [width for width in names.values() if width is not None]
    whole, rest = divmod(sum(widths), CHANNEL_BITS)
    return whole if len(widths) == len(names) and not rest and 0 < whole <= MOST_CHANNELS else None


def channel_name(module: Module) -> str | None:
    """What names a module's channel, by its slot or bank: ``Controller0-ChannelA``, ``P0 CHANNEL A``, ``DIMM_A``."""
    for pattern in (CHANNEL, LETTER):
        for text in (module.locator, module.bank):
            match = pattern.match(PLACE.sub("", text.strip()))
            if match:
                return f"{match[1]}{match[2]}".lower()
    return None
