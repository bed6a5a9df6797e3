"""The engine that this machine's graphics card should have, in a line for the terminal: after a check, and where a
model was loaded on the processor though a card is there."""

from __future__ import annotations

import asyncio
import sys

from .core.limits import best_gpu
from .core.rungs import RungPlan
from .texts import engines as texts
from .usecases import engine_offer
from .usecases.check import CheckResult
from .usecases.services import Services


async def after_check(services: Services, result: CheckResult) -> str | None:
    """The last line of ``check``; None where nothing is to be installed."""
    found = await asyncio.to_thread(engine_offer.standing, services, result)
    return texts.command_line(found.offer, found.gpu) if found.offer is not None else None


async def say_after_load(services: Services, plan: RungPlan, wanted: str | None) -> None:
    """Say it on stderr where the processor runs what a card could, unless the user has declined it in the window.
    ``wanted``: the rung that the user asked for."""
    if wanted is not None or not plan.rung.startswith("gguf-cpu"):
        return
    machine = await services.machine()
    offered = await asyncio.to_thread(engine_offer.offer, services, machine)
    if offered is not None and offered.name not in engine_offer.declined(services):
        print(texts.command_line(offered, best_gpu(machine)), file=sys.stderr)
