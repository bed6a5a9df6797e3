"""The demo in the chat tab: it loads by itself where no model is installed, once the page is shown and its engine is
there; where there are models, on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from ...core.errors import AppError
from ...usecases import demo
from ...usecases.check import CheckResult
from ...usecases.demo import BestHere, Look
from ...usecases.services import Services
from ...usecases.session import SessionState
from ...usecases.targets import Target, of_demo
from ..bridge import Bridge, Job
from ..session_model import SessionModel

COMING, INSTALLING, READY, MISSING = "coming", "installing", "ready", "missing"
"""The engine of set-up: it is looked at or tested; it is being installed; it is there; it could not be had."""


class DemoStart(QObject):
    """``changed`` when something else is to be shown; ``failed(AppError)`` when the demo's file could not be made.

    Nothing loads by itself before ``set_engine(READY)`` and ``set_shown``; never in place of a model that was asked for
    or is installed, nor while ``is_local`` says that a server answers; and only once: what the user frees or cancels
    stays so."""

    changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        is_local: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._session, self._is_local = bridge, services, session, is_local
        self._engine = ""
        self._shown = self._decided = False
        self._looking = self._again = False
        self._making: Job | None = None
        self._load: Job | None = None
        self.look: Look | None = None
        self.best: BestHere | None = None
        self.is_checked = False
        session.changed.connect(self._follow)

    @property
    def coming(self) -> str:
        """What is waited for until the demo is loaded by itself: ``coming``, ``installing``; empty where nothing is."""
        if self._session.state.target is None and (self._making or self._load) is not None:
            return COMING
        if self._decided or self.look is None or not self.look.wanted or not self._session.is_untouched:
            return ""
        return {INSTALLING: INSTALLING, COMING: COMING, READY: COMING}.get(self._engine, "")

    def set_engine(self, engine: str) -> None:
        """COMING, INSTALLING, READY or MISSING. Once it is there, what other engines do changes nothing."""
        if engine != self._engine and self._engine != READY:
            self._engine = engine
            self.consider()
            self.changed.emit()

    def set_engine_stage(self, stage: str) -> None:
        """What is being done to get the engine there: InstallProgress' stage. A test is over in seconds."""
        self.set_engine(COMING if stage == "self_test" else INSTALLING)

    def set_check(self, check: CheckResult) -> None:
        """Point to the best model for this machine."""
        self.best, self.is_checked = demo.best_here(check), True
        self.changed.emit()

    def set_shown(self) -> None:
        """The page is shown: from now on the demo may be loaded."""
        self._shown = True
        self.look_again()

    def look_again(self) -> None:
        """Whether there are models now; while that is found out, once more afterwards."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        job = self._bridge.submit(
            lambda _report: asyncio.to_thread(demo.look, self._services), self._looked, self.failed.emit
        )
        job.ended.connect(self._look_ended)

    def consider(self) -> None:
        """Load the demo by itself, where all is so."""
        ready = self._shown and self._engine == READY and self.look is not None and self.look.wanted
        if (
            ready
            and not self._decided
            and self._making is None
            and self._session.is_untouched
            and self._is_local()
        ):
            self._make(lambda: demo.target_if_wanted(self._services))

    def load(self) -> None:
        """The user asks for it."""
        if self._making is None:
            self._decided = True
            self._make(lambda: of_demo(self._services.library), asked=True)

    def _make(self, target: Callable[[], Target | None], *, asked: bool = False) -> None:
        """Make its file where that is missing, then load it, if it is still wanted by then."""

        def made(found: Target | None) -> None:
            if found is None:  # a model came meanwhile
                self._decided = True
                self.look_again()
            elif asked or (self._session.is_untouched and self._is_local()):
                self._decided = True
                self._load = self._session.load(found)
                self._load.ended.connect(self._load_ended)

        def failed(error: AppError) -> None:
            self._decided = True
            self.failed.emit(error)

        self._making = self._bridge.submit(lambda _report: asyncio.to_thread(target), made, failed)
        self._making.ended.connect(self._made)
        self.changed.emit()

    def _made(self) -> None:
        self._making = None
        self.changed.emit()
        self.consider()  # a server answered when it was made, and no longer does

    def _load_ended(self) -> None:
        self._load = None
        self.changed.emit()

    def _looked(self, found: Look) -> None:
        if found != self.look:
            self.look = found
            self.changed.emit()
        self.consider()

    def _look_ended(self) -> None:
        self._looking = False
        if self._again:
            self._again = False
            self.look_again()

    def _follow(self, state: SessionState) -> None:
        if state.target is not None and not self._decided:
            self._decided = True  # what was asked for stays, also when it is freed
            self.changed.emit()
