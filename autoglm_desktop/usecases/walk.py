"""One walk down the ladder of a target: plans, engines, tries, until a model runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import EngineError
from ..core.rungs import RungPlan
from ..host.crashes import hardware_key
from ..host.install import InstallProgress
from ..host.supervisor import LadderFailed, Running, Step, Supervisor
from .card_watch import cards_work
from .loading import Prepare, Prepared, Wishes, after_out_of_memory, starts_for
from .services import Services
from .targets import Target


@dataclass(frozen=True)
class Telling:
    """Who hears of a walk: the plans of the whole ladder once they are known, an engine's installation, each step."""

    planned: Callable[[tuple[RungPlan, ...]], None]
    installing: Callable[[InstallProgress], None]
    step: Callable[[Step], None]


class Walker:
    """``hardware``: crashes.hardware_key of this machine, once a walk has begun."""

    def __init__(self, services: Services, prepare: Prepare, hung_after_s: float, telling: Telling) -> None:
        self._services, self._prepare = services, prepare
        self._hung_after_s, self._telling = hung_after_s, telling
        self.hardware = ""

    async def walk(self, target: Target, wishes: Wishes, too_big: RungPlan | None) -> Running:
        """``too_big``: what ran out of memory while it answered. Raises AppError: LadderFailed with every try, or why
        nothing could be tried. Cancelling ends the engine being started."""

        async def prepare() -> Prepared:
            prepared = await self._prepare(self._services, target, wishes)
            self._telling.planned(prepared.plan.ladder)
            return prepared

        prepared, starts = await starts_for(self._services, prepare, wishes, self._telling.installing)
        if too_big is not None:
            starts = after_out_of_memory(starts, too_big, prepared.smaller)
            if not starts:
                raise EngineError("nothing_smaller")
        self.hardware = hardware_key(prepared.machine)
        supervisor = Supervisor(
            self._services.crashes, self.hardware, self._services.command, self._hung_after_s, cards_work
        )
        threads = prepared.machine.cpu.performance_cores or prepared.machine.cpu.physical_cores
        try:
            return await supervisor.load(starts, prepared.smaller, self._telling.step, threads=threads)
        except LadderFailed as error:
            if wishes.rung is None or error.code != "no_rung_worked":
                raise
            detail = error.values["detail"]
            raise LadderFailed("locked_rung_failed", error.tries, rung=wishes.rung, detail=detail) from None
