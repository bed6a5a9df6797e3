"""Looks whether others take the memory of the cards that a model runs on, after it was loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from ..core.errors import Reason
from ..core.rungs import RungPlan
from ..core.spill import taken
from ..probe.nvidia import probe_nvml

log = logging.getLogger(__name__)
Free = Callable[[], Mapping[str, int]]


def free_of_cards() -> dict[str, int]:
    """Free bytes by ``gpu:0`` …, of the NVIDIA cards whose driver tells. Asks the driver (milliseconds)."""
    return {
        f"gpu:{gpu.index}": gpu.memory_free_bytes
        for gpu in probe_nvml().gpus
        if gpu.memory_free_bytes is not None
    }


ACTIVE_PERCENT = 50
"""A desktop that draws takes less of a card; a prefill or a picture takes nearly all."""


def cards_work(keys: Collection[str]) -> bool:
    """Whether one of the NVIDIA cards ``gpu:0`` … computes now, for whomever. Asks the driver (milliseconds)."""
    return any(
        (gpu.utilisation_percent or 0) >= ACTIVE_PERCENT
        for gpu in probe_nvml().gpus
        if f"gpu:{gpu.index}" in keys
    )


class CardWatch:
    """For one loaded plan. ``begin`` right after loading, ``look`` whenever it is worth a question to the driver."""

    def __init__(self, plan: RungPlan, free: Free = free_of_cards) -> None:
        self._margins = {key: memory.margin for key, memory in plan.memory.items() if key.startswith("gpu:")}
        self._free = free
        self._before: Mapping[str, int] = {}

    async def begin(self) -> None:
        if self._margins:
            self._before = await asyncio.to_thread(self._free)

    async def look(self) -> Reason | None:
        """What to warn of; None where nothing is taken, or on a plan without a card."""
        if not self._margins or not self._before:
            return None
        now = await asyncio.to_thread(self._free)
        for key, margin in self._margins.items():
            gone = taken(self._before.get(key), now.get(key), margin)
            if gone is not None:
                log.warning("%s: others have taken %d bytes, %d are free", key, gone, now[key])
                return Reason.of("memory_taken", taken_bytes=gone, free_bytes=now[key])
        return None
