"""The models: files on this machine, and what the catalogue knows."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ...core.errors import AppError
from ...i18n import _
from ...store.library import LocalModel
from ...texts import errors
from ...usecases import model_list
from ...usecases.check import CheckResult
from ...usecases.model_list import ModelList
from ...usecases.services import Services
from ...usecases.session import SessionState
from ...usecases.targets import of_local
from ..bridge import Bridge, Job, Report
from ..session_model import SessionModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card, Page
from ..widgets.labels import ElidedLabel, label
from ..widgets.notice import Notices
from .adding import Added, add_one, pick_files
from .catalogue_card import CatalogueCard
from .drop import DropArea, dropped_files
from .file_row import FileRow

Pick = Callable[[QWidget], Sequence[str]]
OpenUrl = Callable[[QUrl], bool]


class ModelsPage(Page):
    """``chat_wanted`` when a model was asked for. ``set_check`` gives the machine to judge for."""

    chat_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        parent: QWidget | None = None,
        *,
        pick: Pick = pick_files,
        open_url: OpenUrl = QDesktopServices.openUrl,
    ) -> None:
        super().__init__(_("Models"), parent)
        self._bridge, self._services, self._session = bridge, services, session
        self._pick, self._open_url = pick, open_url
        self._check: CheckResult | None = None
        self._job: Job | None = None
        self._again = False
        self._opened: dict[str, bool] = {}
        self.rows: list[FileRow] = []
        self.cards: list[CatalogueCard] = []
        self.listed: ModelList | None = None
        self.add_button = button(_("Add files …"), self.pick, "primary")
        self.notices, self.drop = Notices(), DropArea()
        self.waiting = label(_("Reading the list of models …"), "muted")
        self._files, self._catalogue = QVBoxLayout(), QVBoxLayout()
        self.help = self._help_card()
        self._arrange()
        self.setAcceptDrops(True)
        self.drop.pick_wanted.connect(self.pick)
        session.changed.connect(self._session_changed)

    def set_check(self, check: CheckResult) -> None:
        """Judge all models for this machine."""
        self._check = check
        self.refresh()

    def refresh(self) -> None:
        """Read the list again; while that runs, once more afterwards."""
        if self._job is not None:
            self._again = True
            return
        check = self._check
        self._job = self._bridge.submit(
            lambda _report: asyncio.to_thread(model_list.list_models, self._services, check),
            self._show_list,
            self._say_error,
        )
        self._job.ended.connect(self._ended)

    def pick(self) -> None:
        """Let the user choose files to add."""
        self.add([Path(file) for file in self._pick(self)])

    def add(self, paths: Sequence[Path]) -> None:
        """Add files; a refusal is said and the others go on."""
        if not paths:
            return

        async def work(report: Report) -> None:
            for path in paths:
                report(await asyncio.to_thread(add_one, self._services, path))

        self._bridge.submit(work, on_item=self._added).ended.connect(self.refresh)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_files(event.mimeData()):
            event.acceptProposedAction()
            self.drop.set_active(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.drop.set_active(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.drop.set_active(False)
        event.acceptProposedAction()
        self.add(dropped_files(event.mimeData()))

    def _added(self, added: Added) -> None:
        if added.error is not None:
            self._say_error(added.error)
        elif added.local is not None:
            self.notices.say("ok", _("{name} is in the list now.").format(name=added.local.name))

    def _say_error(self, error: AppError) -> None:
        self.notices.say("fail", errors.text(error))

    def _ended(self) -> None:
        self._job = None
        if self._again:
            self._again = False
            self.refresh()

    def _show_list(self, found: ModelList) -> None:
        if found == self.listed:
            return
        self.listed = found
        self.waiting.hide()
        self.folder.set_text(str(found.folder))
        self.drop.set_empty(not found.files)
        self._opened.update({card.entry.model.id: card.opened for card in self.cards})
        _discard(self.rows)
        _discard(self.cards)
        self.rows = [FileRow(entry) for entry in found.files]
        for row in self.rows:
            self._connect(row)
            row.show_state(self._session.state)
            self._files.addWidget(row)
        self.cards = [
            CatalogueCard(entry, self._opened.get(entry.model.id, number == 0))
            for number, entry in enumerate(found.catalogue)
        ]
        for card in self.cards:
            card.link_wanted.connect(lambda url: self._open_url(QUrl(url)))
            self._catalogue.addWidget(card)
        self._order_tabs()

    def _order_tabs(self) -> None:
        """The Tab key goes down the page, also through files that came later."""
        of_files = [made for row in self.rows for made in row.buttons]
        stops = (self.add_button, *of_files, self.drop.pick_button, self.open_models_button)
        for one, after in itertools.pairwise(stops):
            self.setTabOrder(one, after)

    def _connect(self, row: FileRow) -> None:
        local = row.entry.local
        row.load_wanted.connect(functools.partial(self._load, local))
        row.cancel_wanted.connect(self._session.cancel_load)
        row.chat_wanted.connect(self.chat_wanted)
        row.remove_wanted.connect(functools.partial(self._remove, local.path))
        row.folder_wanted.connect(functools.partial(self._open_folder, local.path.parent))

    def _load(self, local: LocalModel) -> None:
        self._session.load(of_local(local))
        self.chat_wanted.emit()

    def _remove(self, path: Path) -> None:
        self._bridge.submit(
            lambda _report: asyncio.to_thread(self._services.library.forget, path),
            lambda _known: self.refresh(),
            self._say_error,
        )

    def _open_folder(self, folder: Path) -> None:
        if not self._open_url(QUrl.fromLocalFile(str(folder))):
            self.notices.say("warn", _("The folder could not be shown; it is {folder}").format(folder=folder))

    def _open_models(self) -> None:
        """Make the folder for models and show it."""
        self._bridge.submit(
            lambda _report: asyncio.to_thread(model_list.make_folder, self._services),
            self._open_folder,
            self._say_error,
        )

    def _session_changed(self, state: SessionState) -> None:
        for row in self.rows:
            row.show_state(state)

    def _help_card(self) -> Card:
        card = Card(_("Getting a model"))
        self.open_models_button = button(_("Open the folder"), self._open_models)
        card.heading.addWidget(self.open_models_button)
        text = _(
            "Downloading from here comes with the next version. Until then: get a GGUF file with the browser from "
            "one of the places named below, then add it here, or put it into this folder:"
        )
        card.body.addWidget(label(text, wrap=True))
        self.folder = ElidedLabel(str(self._services.library.models), "mono")
        card.body.addWidget(self.folder)
        note = _("The places were read in public references; this project has not seen the files themselves.")
        card.body.addWidget(label(note, "muted", wrap=True))
        return card

    def _arrange(self) -> None:
        for column in (self._files, self._catalogue):
            column.setSpacing(GAP + GAP // 2)
        self.buttons.addWidget(self.add_button)
        self.body.addWidget(self.notices)
        self.body.addWidget(label(_("On this machine"), "subtitle"))
        self.body.addLayout(self._files)
        self.body.addWidget(self.drop)
        self.body.addSpacing(GAP)
        self.body.addWidget(label(_("Known models"), "subtitle"))
        self.body.addWidget(self.help)
        self.body.addWidget(self.waiting)
        self.body.addLayout(self._catalogue)
        self.body.addStretch(1)


def _discard(widgets: Sequence[QWidget]) -> None:
    for widget in widgets:
        widget.hide()
        widget.deleteLater()
