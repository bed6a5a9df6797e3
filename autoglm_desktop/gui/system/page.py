"""The system check: the conclusion, the machine in tiles, what to look at, the ladder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QMenu, QWidget

from ...core.errors import AppError
from ...core.machine import Machine
from ...i18n import _
from ...texts import check as check_texts
from ...usecases.check import CheckOptions, CheckResult, OnPart, run_check
from ...usecases.services import Services
from ..bridge import Bridge, Job, Report
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card, Page
from ..widgets.labels import label
from . import report, tile_texts
from .check_list import AllChecksCard, ProblemsCard
from .ladder_table import LadderTable, legend_text
from .tile import Tile
from .verdict import VerdictCard

Check = Callable[[Services, CheckOptions, OnPart], Coroutine[Any, Any, CheckResult]]
TILE_OF_PART = {"gpus": ("gpu", "driver"), "memory": ("ram",), "disk": ("disk",), "cpu": ("cpu",)}
COLUMNS = 3
SAID_MS = 2000
"""How long a button says that it did what was asked."""


class SystemPage(Page):
    """``start`` begins a check (again); ``checked(CheckResult)`` when it is done."""

    checked = Signal(object)
    models_wanted = Signal()
    engine_test_wanted = Signal()

    def __init__(
        self, bridge: Bridge, services: Services, check: Check = run_check, parent: QWidget | None = None
    ) -> None:
        super().__init__(_("System check"), parent)
        self._bridge, self._services, self._check = bridge, services, check
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
        self._arrange()
        self.verdict.wish_picked.connect(self._pick_wish)
        self.verdict.models_wanted.connect(self.models_wanted)

    def start(self) -> None:
        """Look at the machine; while that runs, once more afterwards."""
        if self._job is not None:
            self._again = True
            return
        self.again_button.setEnabled(False)
        self.again_button.setText(_("Checking …"))
        if self.result is None:
            self.verdict.show_checking()
        self._job = self._bridge.submit(self._run, self._done, self._failed, self._part)
        self._job.ended.connect(self._ended)

    def copy_text(self) -> None:
        """Put the report into the clipboard."""
        if self.result is not None:
            self._copy(report.as_text(self.result))

    def copy_json(self) -> None:
        """Put the JSON of the check into the clipboard."""
        if self.result is not None:
            self._copy(report.as_json(self.result))

    async def _run(self, tell: Report) -> CheckResult:
        return await self._check(self._services, self._options, lambda name, value: tell((name, value)))

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
        self.ladder_card.setVisible(model is not None)
        if model is not None:
            self.ladder.show_model(model)
            self.legend.setText(legend_text(model))
            self.legend.setVisible(bool(self.legend.text()))
        self.copy_button.setEnabled(True)
        self.test_button.setVisible(bool(result.machine.runtime.engines) and not result.described)
        self.checked.emit(result)

    def _failed(self, error: AppError) -> None:
        self.verdict.show_error(error)

    def _ended(self) -> None:
        self._job = None
        self.again_button.setEnabled(True)
        self.again_button.setText(_("Check again"))
        if self._again:
            self._again = False
            self.start()

    def _pick_wish(self, wish: str) -> None:
        self._options = replace(self._options, wish=wish)
        self.start()

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
        self.ladder_card.body.addWidget(self.ladder)
        self.ladder_card.body.addWidget(self.legend)
        self.ladder_card.hide()
        self.body.addWidget(self.verdict)
        self.body.addLayout(grid)
        for card in (self.problems, self.ladder_card, self.all_checks):
            self.body.addWidget(card)
        self.body.addStretch(1)


def _as_field(name: str, value: Any) -> Any:
    return (value,) if name == "disk" else value
