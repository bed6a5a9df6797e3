"""The system check: the conclusion, the machine in tiles, what to look at, the ladder."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QMenu, QPushButton, QWidget

from ...core.choice import DESIGNED, FASTEST, QUALITY
from ...core.errors import AppError
from ...core.machine import Machine
from ...i18n import N_, _
from ...store import settings
from ...texts import check as check_texts
from ...usecases.advice import own_prices
from ...usecases.check import CheckOptions, CheckResult, run_check
from ...usecases.engines import install as install_engine
from ...usecases.measure import measure
from ...usecases.measure_check import Check, Measure
from ...usecases.services import Services
from ..bridge import Bridge, Job, Report
from ..session_model import SessionModel
from ..theme import GAP
from ..widgets.buttons import Choice, button
from ..widgets.card import Card, Page
from ..widgets.labels import label
from . import report, tile_texts
from .check_list import AllChecksCard, ProblemsCard
from .engine_card import EngineCard
from .engine_work import EngineWork, Install
from .help_card import HelpCard
from .ladder_table import LadderTable, legend_text
from .measure_card import MeasureCard
from .measuring import Measuring
from .tile import Tile
from .tuning_table import TuningCard
from .verdict import VerdictCard

TILE_OF_PART = {"gpus": ("gpu", "driver"), "memory": ("ram",), "disk": ("disk",), "cpu": ("cpu",)}
COLUMNS = 3
ORDERS = {
    DESIGNED: N_("As designed"),
    FASTEST: N_("Fastest"),
    QUALITY: N_("Best quality"),
}
ORDER_TIPS = {
    DESIGNED: N_("The best quality that runs well, else the fastest."),
    FASTEST: N_("The fastest of at least 4 bits."),
    QUALITY: N_("The best quality that runs at all."),
}
SAID_MS = 2000
"""How long a button says that it did what was asked."""


class SystemPage(Page):
    """``start`` begins a check (again); ``checked(CheckResult)`` when it is done."""

    checked = Signal(object)
    models_wanted = Signal()
    engine_test_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        check: Check = run_check,
        parent: QWidget | None = None,
        *,
        session: SessionModel | None = None,
        work: Measure = measure,
        install: Install = install_engine,
    ) -> None:
        super().__init__(_("System check"), parent)
        self._bridge, self._services, self._check, self._session = bridge, services, check, session
        self._options = CheckOptions()
        self._machine = Machine()
        self._job: Job | None = None
        self._again = False
        self.result: CheckResult | None = None
        self.verdict = VerdictCard()
        self.tiles = {name: Tile(_(tile_texts.TITLES[name])) for name in tile_texts.TILES}
        self.problems, self.all_checks = ProblemsCard(), AllChecksCard()
        self.ladder_card = Card(_("Ways to run it"))
        self.ladder = LadderTable()
        self.legend = label(role="muted", wrap=True)
        self.copy_button = button(_("Copy report"))
        self.again_button = button(_("Check again"), self.start)
        self.test_button = button(_("Test it again"), self.engine_test_wanted.emit, "link")
        self.test_button.setToolTip(
            _("Runs the engine's self-test anew and forgets crashes that were remembered.")
        )
        self.test_button.hide()
        self.tiles["engine"].add_button(self.test_button)
        self.engine_work = EngineWork(bridge, services, EngineCard(), install, self)
        self.tiles["engine"].add_button(self.engine_work.button)
        self.measure_card, self.tuning = MeasureCard(), TuningCard()
        self.help_card = HelpCard(own_prices(services.home))
        self.order = Choice([(order, _(text)) for order, text in ORDERS.items()])
        self.measuring = Measuring(
            bridge, services, self.measure_card, check, self._asked, session, work, self
        )
        self._arrange()
        self.order.picked.connect(self._pick_order)
        self.measuring.measured.connect(self._done)
        self.measuring.began.connect(self._say_running)
        self.measuring.ended.connect(self._settle)
        self.measuring.forgotten.connect(self.start)
        self.engine_work.changed.connect(self.start)
        self.engine_work.wanted.connect(functools.partial(self.ensureWidgetVisible, self.engine_work.card))
        self.verdict.wish_picked.connect(self._pick_wish)
        self.verdict.models_wanted.connect(self.models_wanted)

    def start(self) -> None:
        """Look at the machine; while that or measuring runs, once more afterwards."""
        if self._job is not None or self.measuring.active:
            self._again = True
            return
        self._say_running()
        if self.result is None:
            self.verdict.show_checking()
        work = functools.partial(self._run, replace(self._options, held=self._held()))
        self._job = self._bridge.submit(work, self._done, self._failed, self._part)
        self._job.ended.connect(self._check_ended)

    def copy_text(self) -> None:
        """Put the report into the clipboard."""
        if self.result is not None:
            self._copy(report.as_text(self.result))

    def copy_json(self) -> None:
        """Put the JSON of the check into the clipboard."""
        if self.result is not None:
            self._copy(report.as_json(self.result))

    async def _run(self, options: CheckOptions, tell: Report) -> CheckResult:
        return await self._check(self._services, options, lambda name, value: tell((name, value)))

    def _part(self, part: tuple[str, Any]) -> None:
        """A probe has answered: its tiles show it, the conclusions on it follow with the result."""
        name, value = part
        self._machine = replace(
            self._machine, **{"disks" if name == "disk" else name: _as_field(name, value)}
        )
        for tile in TILE_OF_PART.get(name, ()):
            if self.result is None:
                self.tiles[tile].show_content(tile_texts.content(tile, self._machine, {}, None))

    def _done(self, result: CheckResult) -> None:
        self.result = result
        self.verdict.show_result(result)
        found = {check.id: check for check in result.checks}
        model = result.models[0] if result.models else None
        for name, tile in self.tiles.items():
            tile.show_content(tile_texts.content(name, result.machine, found, model))
        system = check_texts.system_of(result.machine.os)
        self.problems.show_checks(result.checks, system)
        self.all_checks.show_checks(result.checks, system)
        self.tuning.show_system(result.machine.os)
        self.help_card.show_advice(result.advice)
        self.measure_card.show_known(result.known.measured, result.known.outdated)
        self.measure_card.setVisible(not result.described)
        self.order.set_value(result.known.order)
        self.ladder_card.setVisible(model is not None)
        if model is not None:
            self.ladder.show_model(model)
            self.legend.setText(legend_text(model))
            self.legend.setVisible(bool(self.legend.text()))
        self.copy_button.setEnabled(True)
        self.test_button.setVisible(bool(result.machine.runtime.engines) and not result.described)
        self.engine_work.show_result(result)
        self.checked.emit(result)

    def _failed(self, error: AppError) -> None:
        self.verdict.show_error(error)

    def _check_ended(self) -> None:
        self._job = None
        self._settle()

    def _settle(self) -> None:
        """Nothing runs any more, or what was asked for meanwhile begins."""
        if self._job is not None or self.measuring.active:
            return
        self.again_button.setEnabled(True)
        self.again_button.setText(_("Check again"))
        if self._again:
            self._again = False
            self.start()

    def _pick_wish(self, wish: str) -> None:
        self._options = replace(self._options, wish=wish)
        self.start()

    def _pick_order(self, order: str) -> None:
        """Kept for all plans from now on; this check has it even where it can't be saved (which is logged)."""
        self._options = replace(self._options, order=order)

        async def keep(_tell: Report) -> bool:
            return await asyncio.to_thread(settings.update, self._services.home, order=order)

        self._bridge.submit(keep)
        self.start()

    def _held(self) -> dict[str, int]:
        """What the loaded model takes, by device."""
        proof = self._session.state.proof if self._session is not None else None
        return {device: sum(causes.values()) for device, causes in proof.memory.items()} if proof else {}

    def _asked(self) -> tuple[CheckResult | None, CheckOptions]:
        """What measuring is for."""
        return self.result, self._options

    def _say_running(self) -> None:
        self.again_button.setEnabled(False)
        self.again_button.setText(_("Measuring …") if self.measuring.active else _("Checking …"))

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copy_button.setText(_("Copied"))
        QTimer.singleShot(
            SAID_MS, self.copy_button, functools.partial(self.copy_button.setText, _("Copy report"))
        )

    def _arrange(self) -> None:
        menu = QMenu(self.copy_button)
        menu.addAction(_("As text"), self.copy_text)
        menu.addAction(_("As JSON"), self.copy_json)
        self.copy_button.setMenu(menu)
        self.copy_button.setEnabled(False)
        self.buttons.addWidget(self.copy_button)
        self.buttons.addWidget(self.again_button)
        grid = QGridLayout()
        grid.setSpacing(2 * GAP)
        for number, tile in enumerate(self.tiles.values()):
            grid.addWidget(tile, number // COLUMNS, number % COLUMNS)
        for column in range(COLUMNS):
            grid.setColumnStretch(column, 1)
            grid.setColumnMinimumWidth(column, 1)
        for button_, tip in zip(self.order.findChildren(QPushButton), ORDER_TIPS.values(), strict=True):
            button_.setToolTip(_(tip))
        self.ladder_card.heading.addWidget(self.order)
        self.ladder_card.body.addWidget(self.ladder)
        self.ladder_card.body.addWidget(self.legend)
        self.ladder_card.hide()
        self.body.addWidget(self.verdict)
        self.body.addWidget(self.engine_work.card)
        self.body.addLayout(grid)
        self.measure_card.hide()
        for card in (
            self.problems, self.help_card, self.measure_card, self.ladder_card, self.all_checks, self.tuning,
        ):  # fmt: skip
            self.body.addWidget(card)
        self.body.addStretch(1)


def _as_field(name: str, value: Any) -> Any:
    return (value,) if name == "disk" else value
