"""The models: what is being fetched, files on this machine, what the catalogue knows, any repository."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from ...core.downloads import DownloadItem
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
from ..bridge import Bridge, Job
from ..downloads_model import DownloadsModel
from ..session_model import SessionModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Page
from ..widgets.labels import label
from ..widgets.notice import Notices
from ..widgets.steady import Steady
from .actions import Actions
from .adding import Pick, pick_files
from .catalogue_card import CatalogueCard
from .disk_work import DiskWork
from .drop import DropArea, dropped_files
from .fetching import Fetching
from .file_row import FileRow
from .source_bar import PickFolder, pick_folder

OpenUrl = Callable[[QUrl], bool]


class ModelsPage(Page):
    """``chat_wanted`` when a model was asked for. ``set_check`` gives the machine to judge for."""

    chat_wanted = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        downloads: DownloadsModel,
        parent: QWidget | None = None,
        *,
        actions: Actions | None = None,
        pick: Pick = pick_files,
        pick_folder: PickFolder = pick_folder,
        open_url: OpenUrl = QDesktopServices.openUrl,
    ) -> None:
        super().__init__(_("Models"), parent)
        self._bridge, self._services, self._session = bridge, services, session
        self._pick, self._pick_folder, self._open_url = pick, pick_folder, open_url
        self._check: CheckResult | None = None
        self._job: Job | None = None
        self._again = False
        self._opened: dict[str, bool] = {}
        self.rows: list[FileRow] = []
        self.cards: list[CatalogueCard] = []
        self.listed: ModelList | None = None
        self.notices, self.drop = Notices(), DropArea()
        self.waiting = label(_("Reading the list of models …"), "muted")
        self._catalogue = QVBoxLayout()
        actions = actions or Actions()
        self.fetching = Fetching(bridge, services, downloads, actions, self._open, self, pick_folder)
        self.disk = DiskWork(bridge, services, actions, self, pick_folder)
        self._fill_buttons()
        self._arrange()
        self.setAcceptDrops(True)
        self._steady = Steady(self, self.fetching.section)
        self._connect_parts()

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
        self.disk.measure()

    def pick(self) -> None:
        """Let the user choose files to add."""
        self.add([Path(file) for file in self._pick(self)])

    def add(self, paths: Sequence[Path]) -> None:
        """Add files and folders where they lie; a refusal is said and the others go on."""
        self.disk.bring(paths, copy=False)

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
        self.drop.set_empty(not found.files)
        self._opened.update({card.entry.model.id: card.opened for card in self.cards})
        _discard(self.rows)
        _discard(self.cards)
        self.rows = [FileRow(entry) for entry in found.files]
        for row in self.rows:
            self._connect_row(row)
            row.show_state(self._session.state)
            self._files.addWidget(row)
        self.disk.adopt(self.rows)
        self.cards = [
            CatalogueCard(entry, self._opened.get(entry.model.id, number == 0))
            for number, entry in enumerate(found.catalogue)
        ]
        if not found.files and self.cards:
            self.cards[0].stand_out()
        for card in self.cards:
            card.link_wanted.connect(self._open)
            card.get_wanted.connect(self.fetching.get)
            card.show_wanted.connect(self.fetching.show_target)
            self._catalogue.addWidget(card)
        self._place_sections(empty=not found.files)
        self._downloads_changed()
        self._order_tabs()

    def _place_sections(self, *, empty: bool) -> None:
        """At the first start the models to get stand above the files that are not there yet."""
        first, second = (self.known, self.here) if empty else (self.here, self.known)
        if self.body.indexOf(first) > self.body.indexOf(second):
            place = self.body.indexOf(second)
            self.body.removeWidget(first)
            self.body.insertWidget(place, first)

    def _order_tabs(self) -> None:
        """The Tab key goes down the page, also through what came later."""
        of_files = [made for row in self.rows for made in row.buttons]
        here = [*of_files, self.drop.pick_button, self.disk.card.open_button, self.disk.card.move_button]
        source = self.fetching.source
        known: list[QWidget] = [source.choice, source.address, source.use_button, source.token_button]
        for card in self.cards:
            known += [made for made in (card.get_button, card.toggle) if made is not None]
            known += [made for _target, made in card.buttons if made is not card.get_button]
        repository = [self.fetching.repository.field, self.fetching.repository.list_button]
        parts = [known, here] if self.listed is not None and not self.listed.files else [here, known]
        for one, after in itertools.pairwise([self.updates_button, self.add_button, *parts[0], *parts[1], *repository]):
            self.setTabOrder(one, after)

    def _connect_row(self, row: FileRow) -> None:
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

    def _open(self, address: str) -> None:
        if not self._open_url(QUrl(address)):
            self.notices.say("warn", _("The page could not be opened; it is {address}").format(address=address))

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

    def _downloads_changed(self) -> None:
        for card in self.cards:
            card.show_downloads(self.fetching.downloads)
        items = self.fetching.downloads.state.items
        self.fetching.section.set_chattable(
            frozenset(item.id for item in items if item.state == "done" and self._local_of(item) is not None)
        )

    def _local_of(self, item: DownloadItem) -> LocalModel | None:
        """The file that a download brought, where it can be run."""
        if self.listed is None or item.plan is None:
            return None
        paths = {item.plan.folder / file.path for file in item.plan.files}
        found = (entry.local for entry in self.listed.files if entry.refusal is None)
        return next((local for local in found if local.path in paths), None)

    def _chat_with(self, item: DownloadItem) -> None:
        local = self._local_of(item)
        if local is not None:
            self._load(local)

    def _show_download(self, item_id: str) -> None:
        card = self.fetching.section.cards.get(item_id)
        if card is not None:
            self.ensureWidgetVisible(card)

    def _show_item_folder(self, item: DownloadItem) -> None:
        if item.plan is not None:
            self._open_folder(item.plan.folder)

    def _connect_parts(self) -> None:
        self.drop.pick_wanted.connect(self.pick)
        self._session.changed.connect(self._session_changed)
        self.fetching.said.connect(self.notices.say)
        self.fetching.changed.connect(self._downloads_changed)
        self.fetching.chat_wanted.connect(self._chat_with)
        self.fetching.folder_wanted.connect(self._show_item_folder)
        self.fetching.show_wanted.connect(self._show_download)
        self.fetching.room_wanted.connect(self.disk.ask_move)
        self.fetching.downloads.arrived.connect(lambda _item: self.refresh())
        self.disk.said.connect(self.notices.say)
        self.disk.changed.connect(self.refresh)
        self.disk.card.open_wanted.connect(self._open_models)

    def _fill_buttons(self) -> None:
        self.updates_button = button(_("Check for updates"), self.fetching.check_updates)
        self.add_button = button(_("Add a model"))
        menu = QMenu(self.add_button)
        menu.addAction(_("Files, used where they lie …"), self.pick)
        menu.addAction(_("A folder, used where it lies …"), functools.partial(self._bring_folder, copy=False))
        menu.addSeparator()
        menu.addAction(_("Copy files into the models folder …"), self._copy_files)
        menu.addAction(_("Copy a folder into the models folder …"), functools.partial(self._bring_folder, copy=True))
        self.add_button.setMenu(menu)
        self.buttons.addWidget(self.updates_button)
        self.buttons.addWidget(self.add_button)

    def _copy_files(self) -> None:
        self.disk.bring([Path(file) for file in self._pick(self)], copy=True)

    def _bring_folder(self, *, copy: bool) -> None:
        folder = self._pick_folder(self, _("Add a folder with models"))
        self.disk.bring([Path(folder)] if folder else [], copy=copy)

    def _arrange(self) -> None:
        self.here, here = _section()
        here.addWidget(label(_("On this machine"), "subtitle"))
        self._files = QVBoxLayout()
        self._files.setSpacing(GAP + GAP // 2)
        self._catalogue.setSpacing(GAP + GAP // 2)
        here.addLayout(self._files)
        here.addWidget(self.drop)
        here.addWidget(self.disk.card)
        self.known, known = _section()
        known.addWidget(self.fetching.source)
        known.addWidget(self.waiting)
        known.addLayout(self._catalogue)
        known.addWidget(self.fetching.repository)
        for widget in (self.notices, self.fetching.section, self.fetching.updates, self.here, self.known):
            self.body.addWidget(widget)
        self.body.addStretch(1)


def _section() -> tuple[QWidget, QVBoxLayout]:
    made = QWidget()
    column = QVBoxLayout(made)
    column.setContentsMargins(0, GAP, 0, 0)
    column.setSpacing(GAP + GAP // 2)
    return made, column


def _discard(widgets: Sequence[QWidget]) -> None:
    for widget in widgets:
        widget.hide()
        widget.deleteLater()
