"""Memory modules as macOS' ``system_profiler`` tells them. Apple silicon tells the kind alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .files import run_text
from .ram_modules import Module, Ram, together

COMMAND = ("/usr/sbin/system_profiler", "SPMemoryDataType", "-json")
TIMEOUT_S = 3.0


def probe() -> Ram:
    return parse(run_text(COMMAND, TIMEOUT_S) or "")


def parse(text: str) -> Ram:
    """``system_profiler SPMemoryDataType -json``."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Ram()
    return together([module for item in _items(data) if (module := _module(item)) is not None])


def _items(data: object) -> Iterator[dict[str, object]]:
    """The parts that name a kind of memory: at the top (Apple silicon), or the slots below it (Intel)."""
    tops = data.get("SPMemoryDataType") if isinstance(data, dict) else None
    for top in tops if isinstance(tops, list) else ():
        if isinstance(top, dict):
            slots = top.get("_items")
            yield from (
                item for item in (slots if isinstance(slots, list) else [top]) if isinstance(item, dict)
            )


def _module(item: dict[str, object]) -> Module | None:
    """None for an empty slot."""
    kind = item.get("dimm_type")
    if not isinstance(kind, str) or kind.lower() == "empty":
        return None
    speed = re.fullmatch(r"(\d{3,5}) (?:MHz|MT/s)", str(item.get("dimm_speed", "")).strip())
    return Module(str(item.get("_name", "")), "", kind, int(speed[1]) if speed else None)
