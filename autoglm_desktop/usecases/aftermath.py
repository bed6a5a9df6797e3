"""What stays of an engine that failed while it answered: the crash memory's note, and what is not tried again."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from ..core.rungs import RungPlan
from ..host.crashes import CrashMemory
from ..host.supervisor import Running, Try, crash_of, tried
from .deaths import Broken

log = logging.getLogger(__name__)


class Aftermath:
    """``too_big``: the plan that ran out of memory while it answered, until a load fails. ``tries``: the answers that
    failed since the last one that came to its end, for the list of what was tried."""

    def __init__(self, crashes: CrashMemory) -> None:
        self._crashes = crashes
        self._gpu_lost = False  # since the last answer that came to its end
        self.too_big: RungPlan | None = None
        self.tries: tuple[Try, ...] = ()

    def forget(self) -> None:
        """The user loads anew."""
        self.too_big, self._gpu_lost, self.tries = None, False, ()

    def in_vain(self) -> None:
        """Nothing could be loaded: the next message tries all of it afresh."""
        self.too_big, self.tries = None, ()

    def answered(self) -> None:
        """An answer has come to its end."""
        self._gpu_lost, self.tries = False, ()

    async def note(self, running: Running, broken: Broken, hardware: str) -> None:
        """A death is remembered as a crash of its rung, out of memory as its plan's. A GPU that went away is forgiven
        once: after a sleep, or a driver's reset."""
        event, plan = broken.event, running.plan
        log.warning("%s failed while answering: %s: %s", plan.rung, event.kind, event.message)
        if not broken.freed:
            self.tries = (*self.tries, _failure(running, broken))
            if broken.out_of_memory:
                self.too_big = plan
        forgiven = broken.gpu_lost and not self._gpu_lost
        self._gpu_lost = self._gpu_lost or broken.gpu_lost
        if broken.end is not None and broken.end.is_crash and not forgiven:
            crash = await asyncio.to_thread(
                crash_of, hardware, running.start, "generate", event.kind, event.message
            )
            await asyncio.to_thread(self._crashes.add, crash)


def _failure(running: Running, broken: Broken) -> Try:
    found = tried(running.start, broken.event.kind, broken.event.message, 0.0)
    return dataclasses.replace(found, phase="generate")
