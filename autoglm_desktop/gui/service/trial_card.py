"""The card of the test as the phone agent does."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLineEdit, QWidget

from ...i18n import _, language
from ...usecases import agent_trial, prompts
from ...usecases.session import SessionState
from ..theme import GAP
from ..widgets.buttons import Choice, button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label
from ..widgets.live import LiveText
from ..widgets.picture_sources import PATTERN, accept, has_picture, of_mime
from ..widgets.rows import in_row
from . import trial_words as words
from .model import ServiceModel
from .said_row import SaidRow
from .step_tile import StepTile
from .trial import TrialController

DRAWN, OWN = "drawn", "own"
COLUMNS = 3


class TrialCard(Card):
    """``wanted(act)`` by a button (words.Said), "show" when another screenshot was chosen; ``run_wanted`` and
    ``stop_wanted``. A picture may be dropped on it."""

    wanted = Signal(str)
    run_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Test as the phone agent does"), parent)
        self.source: Path | bytes | None = None
        self.setAcceptDrops(True)
        self.dialog: QFileDialog | None = None
        self.obstacle, self.outcome = SaidRow(), SaidRow()
        self.shots = Choice([(DRAWN, _("Drawn phone, 3 steps")), (OWN, _("Own screenshot"))])
        self.shots.setAccessibleName(_("Screenshot"))
        self.shots.set_value(DRAWN)
        self.file = ElidedLabel("", "muted")
        self.other = button(_("Choose another"), self._choose)
        self.task = QLineEdit()
        self.task.setAccessibleName(_("Task"))
        self.task.setMaxLength(2000)
        self.language = Choice([("zh", "中文"), ("en", "English")])
        self.language.setAccessibleName(_("Language of the prompt"))
        self.language.set_value(prompts.language_of(language()))
        self.task.setText(agent_trial.TASKS[self.language.value() or "en"])
        self.run_button = button(_("Run the test"), self.run_wanted.emit, "primary")
        self.stop_button = button(_("Stop"), self.stop_wanted.emit, "danger")
        self.progress = LiveText()
        self.tiles: list[StepTile] = []
        self._grid = QGridLayout()
        self.shots.picked.connect(self._picked)
        self.language.picked.connect(self._spoken)
        self.obstacle.wanted.connect(self.wanted)
        self._arrange()

    def show_state(self, service: ServiceModel, state: SessionState, controller: TrialController) -> None:
        running = controller.running
        self.obstacle.show_said(words.obstacle(service, state) if not running else None)
        self.run_button.setVisible(not running)
        self.run_button.setEnabled(words.can_run(service, state) and bool(self.task.text().strip()))
        self.stop_button.setVisible(running)
        self.progress.setVisible(running)
        for part in (self.shots, self.task, self.language, self.other):
            part.setEnabled(not running)
        self.file.set_text(self._source_text())
        self.file.setVisible(self.shots.value() == OWN)
        self.other.setVisible(self.shots.value() == OWN)
        self.outcome.show_said(words.outcome(controller))
        self.show_progress(controller)
        self._show_steps(controller)

    def show_progress(self, controller: TrialController) -> None:
        if controller.running:
            self.progress.set_text(words.progress(controller))

    def _show_steps(self, controller: TrialController) -> None:
        begun = len(controller.steps) + (controller.asked is not None)
        if begun < len(self.tiles) or begun == 0:
            for tile in self.tiles:
                self._grid.removeWidget(tile)
                tile.hide()
                tile.deleteLater()
            self.tiles = []
        for step in controller.steps[len(self.tiles) :]:
            self._add(StepTile(step.number, step.screen))
        if controller.asked is not None and len(self.tiles) == len(controller.steps):
            self._add(StepTile(controller.asked.number, controller.asked.screen))
        for tile, step in zip(self.tiles, controller.steps, strict=False):
            tile.show_step(step)
        if not controller.running and controller.asked is not None:
            self.tiles[-1].show_broken_off()

    def _add(self, tile: StepTile) -> None:
        before = self.tiles[-1].reply.opener if self.tiles else self.stop_button
        self._grid.addWidget(tile, 0, len(self.tiles))
        self.setTabOrder(before, tile.picture)
        self.setTabOrder(tile.picture, tile.reply.opener)
        self.tiles.append(tile)

    def _picked(self, value: str) -> None:
        if value == OWN and self.source is None:
            self._choose()

    def _choose(self) -> None:
        self.dialog = dialog = QFileDialog(
            self, _("Choose a screenshot"), "", _("Pictures") + f" ({PATTERN})"
        )
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self.choose(Path(name)))
        dialog.rejected.connect(lambda: self.choose(self.source))
        dialog.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.shots.isEnabled() and has_picture(event.mimeData()):
            accept(event)

    def dropEvent(self, event: QDropEvent) -> None:
        found = of_mime(event.mimeData())
        if found is not None:
            accept(event)
            self.choose(found)

    def _source_text(self) -> str:
        if self.source is None:
            return ""
        return str(self.source) if isinstance(self.source, Path) else _("A picture from elsewhere")

    def choose(self, source: Path | bytes | None) -> None:
        """A screenshot of the user's; None: the drawn phone."""
        self.source = source
        self.shots.set_value(DRAWN if source is None else OWN)
        self.wanted.emit("show")

    def _spoken(self, chosen: str) -> None:
        """The example follows the language; a task of the user's stays."""
        if self.task.text() in agent_trial.TASKS.values():
            self.task.setText(agent_trial.TASKS[chosen])

    def _arrange(self) -> None:
        said = _(
            "Sends the service what Open-AutoGLM sends, over HTTP: first its short check, then its prompt with a "
            "screenshot, step by step. You see whether the agent can read the action, and the seconds. Nothing is done "
            "on any phone."
        )
        self.body.addWidget(label(said, "muted", wrap=True))
        self.body.addWidget(self.obstacle)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GAP)
        grid.setVerticalSpacing(GAP)
        grid.setColumnStretch(1, 1)
        file = in_row(self.other)
        file.addWidget(self.file, 1)
        file.addStretch()
        task = label(_("Task"))
        task.setBuddy(self.task)
        grid.addWidget(label(_("Screenshot")), 0, 0)
        grid.addLayout(in_row(self.shots, None), 0, 1)
        grid.addLayout(file, 1, 1)
        grid.addWidget(task, 2, 0)
        grid.addWidget(self.task, 2, 1)
        grid.addWidget(label(_("Prompt in")), 3, 0)
        grid.addLayout(in_row(self.language, None), 3, 1)
        self.body.addLayout(grid)
        row = in_row(self.run_button, self.stop_button)
        row.addWidget(self.progress, 1)
        row.addStretch()
        self.body.addLayout(row)
        self.body.addWidget(self.outcome)
        self._grid.setSpacing(GAP + GAP // 2)
        for column in range(COLUMNS):
            self._grid.setColumnStretch(column, 1)
            self._grid.setColumnMinimumWidth(column, 1)
        self.body.addLayout(self._grid)
