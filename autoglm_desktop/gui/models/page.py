"""The models: what is being fetched, files on this machine, what the catalogue knows, any repository."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import (
    QDesktopServices,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QHideEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QWidget

from ...core.downloads import DONE, DownloadItem
from ...core.errors import AppError
from ...i18n import _
from ...store.library import LocalModel
from ...texts import errors
from ...usecases import model_list
from ...usecases.check import CheckResult
from ...usecases.model_list import ModelList
from ...usecases.services import Services
from ...usecases.targets import Target, of_demo, of_local
from ..bridge import Bridge, Job
from ..downloads_model import DownloadsModel
from ..session_model import SessionModel
from ..widgets.buttons import button
from ..widgets.card import Page
from ..widgets.notice import Notices
from ..widgets.steady import Steady
from .actions import Actions
from .adding import AddButton, Pick, pick_files
from .arrived import local_of, targets_of
from .catalogue_card import CatalogueCard
from .disk_work import DiskWork
from .drop import dropped_files
from .fetching import Fetching
from .file_row import FileRow
from .holds import Holds
from .lists import CatalogueSection, FileSection
from .opening import Opening
from .reveal import Reveal
from .showing import OpenUrl, Showing
from .source_bar import PickFolder, pick_folder
from .unfinished import UnfinishedList, begun


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
        self._check: CheckResult | None = None
        self._job: Job | None = None
        self._again = False
        self._states: tuple[tuple[object, ...], ...] = ()
        self._matched: ModelList | None = None
        self.listed: ModelList | None = None
        self.notices = Notices()
        actions = actions or Actions()
        self.showing = Showing(bridge, services, open_url, self)
        self.fetching = Fetching(bridge, services, downloads, actions, self.showing.page, self, pick_folder)
        self.disk = DiskWork(
            bridge, services, actions, Holds(session, downloads, services), self, pick_folder
        )
        self.opening = Opening(bridge, services, actions, self)
        self.unfinished = UnfinishedList()
        self.here = FileSection(self.unfinished, self.disk.card)
        self.known = CatalogueSection(self.fetching.source, self.fetching.repository)
        self.drop = self.here.drop
        self.add_button = AddButton(pick, pick_folder)
        self._fill_buttons()
        self._arrange()
        self.setAcceptDrops(True)
        self._steady = Steady(self, self.here, self.known)
        self.reveal = Reveal(self, lambda: self.cards)
        self._connect_parts()

    @property
    def rows(self) -> list[FileRow]:
        """Files on this machine."""
        return self.here.rows

    @property
    def cards(self) -> list[CatalogueCard]:
        """Models of the catalogue."""
        return self.known.cards

    def set_check(self, check: CheckResult) -> None:
        """Judge all models for this machine."""
        self._check = check
        self.opening.set_check(check)
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

    def add(self, paths: Sequence[Path]) -> None:
        """Add files and folders where they lie; a refusal is said and the others go on."""
        self.disk.bring(paths, copy=False)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():  # not when the window is made small
            self.opening.leave()

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

    def _say_deferred(self) -> None:
        self.notices.say("warn", _("The models folder is being moved; this begins afterwards."))

    def _ended(self) -> None:
        self._job = None
        if self._again:
            self._again = False
            self.refresh()

    def _show_list(self, found: ModelList) -> None:
        if found == self.listed:
            return
        self.listed = found
        if found.folder_gone:
            self._say_error(AppError("models_folder_gone", path=str(found.folder)))
        self.here.show_files(found.files, self._session.state, found.demo_bytes)
        self.here.made.show_made(found.made)
        self.disk.adopt(self.rows)
        self.fetching.repository.show_installed(targets_of(found.files))
        self.known.show_catalogue(found.catalogue, first_start=not found.files)
        self._show_opening()
        self._place_sections(empty=not found.files)
        self._downloads_changed()
        self._order_tabs()
        self.reveal.follow()

    def _show_opening(self) -> None:
        self.known.show_opening(self.opening)
        self.fetching.repository.show_opening(self.opening)

    def _turn(self, target: str, opened: bool, installed: bool) -> None:
        self.opening.turn(target, opened, self.fetching.source.source, installed=installed)

    def _place_sections(self, *, empty: bool) -> None:
        """At the first start the models to get stand above the files that are not there yet."""
        first, second = [self.known, self.here] if empty else [self.here, self.known]
        if self.body.indexOf(first) > self.body.indexOf(second):
            place = self.body.indexOf(second)
            self.body.removeWidget(first)
            self.body.insertWidget(place, first)

    def _order_tabs(self) -> None:
        """The Tab key goes down the page, also through what came later."""
        fetching = self.fetching
        others = [*self.unfinished.buttons, *self.here.made.buttons]
        here = [*self.here.stops(), *others, self.drop.pick_button, self.here.demo.act_button]
        here += self.disk.card.stops()
        known = [*fetching.source.stops(), *self.known.stops(), *fetching.repository.stops()]
        first = self.body.indexOf(self.here) < self.body.indexOf(self.known)
        lists = [*here, *known] if first else [*known, *here]
        parts = [*fetching.section.stops(), *fetching.updates.stops(), *lists]
        for one, after in itertools.pairwise([self.updates_button, self.add_button, *parts]):
            self.setTabOrder(one, after)

    def _load(self, local: LocalModel) -> None:
        if self.disk.moving:
            text = _("The models folder is being moved. Load a model when that is done.")
            self.notices.say("warn", text)
            return
        self._session.load(of_local(local, self._same_model(local)))
        self.chat_wanted.emit()

    def _load_demo(self) -> None:
        """Its file may have to be made first."""
        if self.disk.moving:
            self.notices.say("warn", _("The models folder is being moved. Load a model when that is done."))
            return

        def load(target: Target) -> None:
            self._session.load(target)
            self.chat_wanted.emit()

        self._bridge.submit(
            lambda _report: asyncio.to_thread(of_demo, self._services.library), load, self._say_error
        )

    def _same_model(self, local: LocalModel) -> tuple[LocalModel, ...]:
        """Other files of the same model, for the case that this one can't be run."""
        if self.listed is None or local.model is None:
            return ()
        files = (entry.local for entry in self.listed.files)
        return tuple(one for one in files if one.model == local.model and one.refusal is None)

    def _remove(self, path: Path) -> None:
        self._bridge.submit(
            lambda _report: asyncio.to_thread(self._services.library.forget, path),
            lambda _known: self.refresh(),
            self._say_error,
        )

    def _downloads_changed(self) -> None:
        downloads, listed = self.fetching.downloads, self.listed
        self.known.show_downloads(downloads)
        items = downloads.state.items
        states = tuple((item.id, item.state, item.folder, item.plan) for item in items)
        if states == self._states and listed is self._matched:
            return
        if states != self._states and listed is not None:
            self.refresh()  # what lies on the disk has changed, too
        self._states, self._matched = states, listed
        self.fetching.section.set_chattable(
            frozenset(item.id for item in items if item.state == DONE and self._local_of(item) is not None)
        )
        if listed is not None and self.unfinished.show_begun(begun(listed.unfinished, listed.folder, items)):
            self._order_tabs()

    def _local_of(self, item: DownloadItem) -> LocalModel | None:
        """The file that a download brought, where it can be run."""
        return local_of(item, self.listed.files, self.listed.folder) if self.listed is not None else None

    def _chat_with(self, item: DownloadItem) -> None:
        local = self._local_of(item)
        if local is not None:
            self._load(local)

    def _show_download(self, item_id: str) -> None:
        card = self.fetching.section.cards.get(item_id)
        if card is not None:
            self.ensureWidgetVisible(card)

    def _connect_parts(self) -> None:
        self.drop.pick_wanted.connect(self.add_button.pick_files)
        self._session.changed.connect(self.here.show_state)
        self.here.load_wanted.connect(self._load)
        self.here.demo.load_wanted.connect(self._load_demo)
        self.here.cancel_wanted.connect(self._session.cancel_load)
        self.here.chat_wanted.connect(self.chat_wanted)
        self.here.remove_wanted.connect(self._remove)
        self.here.folder_wanted.connect(self.showing.folder)
        self.known.get_wanted.connect(self.fetching.get)
        self.known.show_wanted.connect(self.fetching.show_target)
        self.known.link_wanted.connect(self.showing.page)
        self.fetching.said.connect(self.notices.say)
        self.showing.said.connect(self.notices.say)
        for part in (self.fetching.section, self.fetching.repository, self.fetching.updates):
            part.rearranged.connect(self._order_tabs)
        self.known.turn_wanted.connect(self._turn)
        repository, opening = self.fetching.repository, self.opening
        self.fetching.listed.connect(opening.show_listing)
        repository.turn_wanted.connect(opening.turn_offer)
        opening.judged.connect(repository.show_plans)
        opening.changed.connect(self._show_opening)
        opening.came.connect(self.refresh)
        self.unfinished.go_on_wanted.connect(self.fetching.get)
        self.unfinished.delete_wanted.connect(self.disk.ask_delete)
        self.here.made.delete_wanted.connect(self.disk.ask_delete)
        self.fetching.changed.connect(self._downloads_changed)
        self.fetching.chat_wanted.connect(self._chat_with)
        self.fetching.folder_wanted.connect(self.showing.of_download)
        self.fetching.show_wanted.connect(self._show_download)
        self.fetching.room_wanted.connect(self.disk.ask_move)
        self.fetching.downloads.cancelled.connect(self.refresh)
        self.fetching.downloads.deferred.connect(self._say_deferred)
        self.fetching.downloads.arrived.connect(lambda _item: self.refresh())
        self.disk.said.connect(self.notices.say)
        self.disk.changed.connect(self.refresh)
        self.disk.card.open_wanted.connect(self.showing.models)

    def _fill_buttons(self) -> None:
        self.updates_button = button(_("Check for updates"), self.fetching.check_updates)
        self.add_button.picked.connect(lambda paths, copy: self.disk.bring(paths, copy=copy))
        self.buttons.addWidget(self.updates_button)
        self.buttons.addWidget(self.add_button)

    def _arrange(self) -> None:
        for widget in (self.notices, self.fetching.section, self.fetching.updates, self.here, self.known):
            self.body.addWidget(widget)
        self.body.addStretch(1)
