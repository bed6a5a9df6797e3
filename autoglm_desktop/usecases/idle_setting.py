"""After how many minutes without a message a model is unloaded: the user's setting, and the session that obeys it."""

from __future__ import annotations

import asyncio

from ..store import settings
from .services import Services
from .session import Session

CHOICES = (0, 5, 15, 30, 60)
"""Minutes that are offered; 0: never."""
MOST_MINUTES = 24 * 60


def minutes(services: Services) -> int:
    """As it was chosen; never (0) where the file says something that makes no sense. Reads a file."""
    found = settings.load(services.home).idle_minutes
    return found if 0 < found <= MOST_MINUTES else 0


def seconds(wanted: int) -> float | None:
    """For Session(idle_s=…)."""
    return wanted * 60.0 if wanted > 0 else None


async def change(services: Services, session: Session, wanted: int) -> bool:
    """Holds from now on and is kept; False (logged) where it can't be written."""
    session.set_idle(seconds(wanted))
    return await asyncio.to_thread(settings.update, services.home, idle_minutes=wanted)
