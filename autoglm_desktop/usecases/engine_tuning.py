"""What the user set for engines: threads, and how memory is held. It stands in the settings for window and terminal."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from ..core.engine_tuning import NUMA, Tuning
from ..store import settings
from .services import Services

PREFIX = "engine_"


def chosen(services: Services) -> Tuning:
    """As it was set; a value that makes no sense counts as not set. Reads a file."""
    found = settings.load(services.home)
    return Tuning(
        threads=found.engine_threads if found.engine_threads > 0 else None,
        memory_lock=found.engine_memory_lock,
        huge_pages=found.engine_huge_pages,
        numa=found.engine_numa if found.engine_numa in NUMA else None,
    )


async def choose(services: Services, tuning: Tuning) -> bool:
    """Holds from the next load on and is kept; False (logged) where it can't be written."""
    values = {f"{PREFIX}{key}": value for key, value in asdict(tuning).items()}
    values[f"{PREFIX}threads"] = tuning.threads or 0
    return await asyncio.to_thread(lambda: settings.update(services.home, **values))
