"""The course of offering and installing the engine for the graphics card: what is offered after a check, consent, work
on the loop, its end. What was declined can be had again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from ...core.errors import AppError
from ...host.environments import Environment
from ...host.install import InstallProgress
from ...i18n import _
from ...texts import engines as texts
from ...texts import errors
from ...usecases import engine_offer, engines
from ...usecases.check import CheckResult
from ...usecases.engine_offer import NOTHING, Standing
from ...usecases.services import Services
from ..bridge import Bridge, Job, Report
from ..widgets.buttons import button
from .engine_card import EngineCard

Install = Callable[..., Coroutine[Any, Any, Environment]]


class EngineWork(QObject):
    """``changed`` when an engine came or was tested: the ladder is another now. ``button`` shows what was declined;
    ``wanted``: it was pressed."""

    changed = Signal()
    wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        card: EngineCard,
        install: Install = engines.install,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self.card, self._install = bridge, services, card, install
        self._job: Job | None = None
        self._result: CheckResult | None = None
        self.standing: Standing = NOTHING
        self.button = button(_("An engine for the graphics card …"), self._show_again, "link")
        self.button.hide()
        card.install_wanted.connect(self._begin)
        card.repair_wanted.connect(self._repair)
        card.cancel_wanted.connect(self.cancel)
        card.decline_wanted.connect(self._decline)

    def show_result(self, result: CheckResult) -> None:
        """Offer what suits after a check."""
        self._result = result

        async def look(_tell: Report) -> tuple[CheckResult, Standing]:
            return result, await asyncio.to_thread(engine_offer.standing, self._services, result)

        self._bridge.submit(look, self._show)

    def cancel(self) -> None:
        """End installing; what was fetched is kept for the next try."""
        if self._job is not None:
            self._job.cancel()

    def _show(self, found: tuple[CheckResult, Standing]) -> None:
        result, standing = found
        if result is self._result:  # no newer check has ended meanwhile
            self._stand(standing)

    def _stand(self, standing: Standing) -> None:
        self.standing = standing
        self.card.show_standing(standing)
        self.button.setVisible(any(name in standing.declined_names for name in standing.names))

    def _show_again(self) -> None:
        """What the user has said no to."""
        self.card.show_standing(self.standing, wanted=True)
        self.button.hide()
        self.wanted.emit()

    def _begin(self) -> None:
        offered = self.standing.offer
        if offered is not None:
            self._run(offered.name, kinds=offered.kinds)

    def _repair(self, name: str) -> None:
        self._run(name, repair=True)

    def _run(self, name: str, **how: object) -> None:
        if self._job is not None:
            return
        self.card.show_said(())
        self.card.show_step(InstallProgress("venv", None, name))

        async def work(tell: Report) -> Environment:
            return await self._install(self._services, name, tell, **how)

        self._job = self._bridge.submit(work, self._done, self._failed, self.card.show_step)
        self._job.cancelled.connect(self._cancelled)
        self._job.ended.connect(self._ended)

    def _done(self, environment: Environment) -> None:
        """One whose self-test failed is told of by the standing after the check."""
        if environment.record.self_test != "failed":
            status = "warn" if environment.record.self_test == "safe_mode" else "ok"
            self.card.show_said(((status, texts.installed_line(environment)),))
        self.changed.emit()

    def _failed(self, error: AppError) -> None:
        self.card.show_said((("fail", errors.text(error)),))

    def _cancelled(self) -> None:
        said = _("Installing was cancelled. What was fetched is kept for the next try.")
        self.card.show_said((("unknown", said),))

    def _ended(self) -> None:
        self._job = None
        self.card.show_step(None)

    def _decline(self) -> None:
        """Not asked again; kept also for later starts, unless that can't be written (which is logged)."""
        names = self.standing.names
        declined = tuple(dict.fromkeys((*self.standing.declined_names, *names)))
        self._stand(replace(self.standing, declined_names=declined))

        async def keep(_tell: Report) -> bool:
            return await asyncio.to_thread(engine_offer.decline, self._services, names)

        self._bridge.submit(keep)
