"""The banner that installs the engine of set-up: visibly, cancellably, with a way on when it fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ..core.errors import AppError
from ..host.environments import Environment
from ..host.install import InstallProgress
from ..i18n import _
from ..texts import errors
from ..texts import session as texts
from ..usecases import engines
from ..usecases.services import Services
from .bridge import Bridge, Job
from .theme import GAP


class EngineBanner(QFrame):
    """Hidden while there is nothing to say. ``ready(Environment)`` when the engine can be used; ``changed`` when
    something was done to get there; ``wanted_ready`` when one works that the user asked for by ``install``;
    ``working(stage)``, InstallProgress' stage, while one is installed or tested; ``stopped`` when that came to
    nothing."""

    ready = Signal(object)
    changed = Signal()
    wanted_ready = Signal()
    working = Signal(str)
    stopped = Signal()

    def __init__(self, bridge: Bridge, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._services = bridge, services
        self._job: Job | None = None
        self._worked = False
        self._name = engines.DEFAULT_ENGINE
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self.button = QPushButton()
        self.button.clicked.connect(self._press)
        self._close = QPushButton(_("Close"))
        self._close.clicked.connect(self.hide)
        left = QVBoxLayout()
        left.setSpacing(GAP // 2)
        left.addWidget(self._text)
        left.addWidget(self._bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GAP, GAP, 2 * GAP, GAP)
        row.setSpacing(2 * GAP)
        row.addLayout(left, 1)
        row.addWidget(self.button)
        row.addWidget(self._close)
        self.hide()

    def start(self) -> None:
        """Install and test the engine where that is needed; says nothing when all is well."""
        self._run(engines.install)

    def test_again(self) -> None:
        """Run the self-test anew; crashes that were remembered of the engine are forgotten."""
        self._run(engines.test)

    def install(self, name: str) -> None:
        """Install another engine, which the user asked for by name."""
        if self._job is None:
            self._name = name
            self._run(install_or_test)

    def _run(self, work: Callable[[Services, str, engines.Report], Coroutine[Any, Any, Environment]]) -> None:
        if self._job is not None:
            return
        self._close.hide()
        self._worked = False
        self._job = self._bridge.submit(
            lambda report: work(self._services, self._name, report),
            on_result=self._done,
            on_error=self._failed,
            on_item=self._progress,
        )
        self._job.cancelled.connect(self._cancelled)
        self._job.ended.connect(self._ended)

    def _progress(self, progress: InstallProgress) -> None:
        self._worked = True
        self.working.emit(progress.stage)
        self._look("info", texts.install_text(progress), _("Cancel"))
        self._bar.show()
        if progress.fraction is None:
            self._bar.setRange(0, 0)
        else:
            self._bar.setRange(0, 1000)
            self._bar.setValue(int(progress.fraction * 1000))

    def _done(self, environment: Environment) -> None:
        if environment.record.self_test == "failed":
            self._look("bad", texts.engine_text(environment), _("Try again"))
            self._bar.hide()
            self.stopped.emit()
            return
        if environment.record.self_test == "safe_mode" and self.isVisible():
            self._look("warn", texts.engine_text(environment), None)
            self._bar.hide()
            self._close.show()
        else:
            self.hide()
        self.ready.emit(environment)
        if self._worked:
            self.changed.emit()
        if self._name != engines.DEFAULT_ENGINE:
            self._name = engines.DEFAULT_ENGINE
            self.wanted_ready.emit()

    def _failed(self, error: AppError) -> None:
        self._look("bad", errors.text(error), _("Try again"))
        self._bar.hide()
        self.stopped.emit()

    def _cancelled(self) -> None:
        text = _("The engine was not installed. Models cannot run without it; the check works.")
        if self._name != engines.DEFAULT_ENGINE:
            text = _("The engine {name} was not installed.").format(name=self._name)
        self._look("warn", text, _("Install now"))
        self._bar.hide()
        self.stopped.emit()

    def _ended(self) -> None:
        self._job = None

    def _press(self) -> None:
        if self._job is not None:
            self._job.cancel()
        else:
            self._run(install_or_test)

    def _look(self, kind: str, text: str, button: str | None) -> None:
        if self.property("banner") != kind:
            self.setProperty("banner", kind)
            self.style().unpolish(self)
            self.style().polish(self)
        self._text.setText(text)
        self.button.setVisible(button is not None)
        self.button.setText(button or "")
        self.show()


async def install_or_test(services: Services, name: str, report: engines.Report) -> Environment:
    """Another try that the user asks for: where only the self-test failed, that is what is tried again."""
    found = await engines.install(services, name, report)
    if found.record.self_test == "failed":
        found = await engines.test(services, name, report)
    return found
