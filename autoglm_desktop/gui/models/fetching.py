"""The part of the Models page that fetches: the queue, where from, any repository, updates, access tokens."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ...core.downloads import DONE, DownloadItem, DownloadsState
from ...core.errors import AppError
from ...i18n import _
from ...texts import errors
from ...usecases.services import Services
from ..bridge import Bridge, Job
from ..downloads_model import DownloadsModel
from ..widgets.dialog import Ask
from . import download_texts as texts
from .actions import Actions, Offers
from .downloads import DownloadsSection
from .repository_card import RepositoryCard
from .source_bar import PickFolder, SourceBar, pick_folder
from .token_dialog import TokenDialog, set_text
from .updates_card import Update, UpdatesCard


class Fetching(QObject):
    """Owns the widgets ``section``, ``source``, ``repository``, ``updates``; the page arranges them.

    ``chat_wanted(DownloadItem)``, ``folder_wanted(DownloadItem)``, ``room_wanted()``: the models folder is to be
    moved; ``said(status, text)``; ``changed()``: what is under way has changed; ``show_wanted(item id)``;
    ``listed(Listing, offers, variant or None)``: the user has asked what a repository offers, and for which variant.
    """

    chat_wanted = Signal(object)
    folder_wanted = Signal(object)
    room_wanted = Signal()
    said = Signal(str, str)
    changed = Signal()
    show_wanted = Signal(str)
    listed = Signal(object, object, object)

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        downloads: DownloadsModel,
        actions: Actions,
        open_url: Callable[[str], object],
        parent: QWidget,
        pick: PickFolder = pick_folder,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._actions = bridge, services, actions
        self._open_url, self._parent = open_url, parent
        self._listing: Job | None = None
        self._updating: Job | None = None
        self.downloads = downloads
        self.dialog: Ask | None = None
        self.section, self.repository, self.updates = DownloadsSection(), RepositoryCard(), UpdatesCard()
        self.source = SourceBar(_("Models to get"), pick)
        self.source.set_source(actions.chosen_source(services))
        self._connect()

    def get(self, target: str) -> None:
        """Put it into the queue, from the source that is chosen."""
        self.downloads.add(target, self.source.source)

    def show_target(self, target: str) -> None:
        """Bring the download of a target into view."""
        item = self.downloads.of_target(target)
        if item is not None:
            self.show_wanted.emit(item.id)

    def check_updates(self) -> None:
        """Ask the sources of what is here whether it has changed. A check that still runs goes on."""
        if self._updating is not None:
            self.updates.show()
            return
        self.updates.show_busy()
        self._updating = self._bridge.submit(
            lambda _report: self._actions.updates(self._services),
            self.updates.show_updates,
            self.updates.show_error,
        )
        self._updating.ended.connect(self._updates_ended)

    def ask_for_token(
        self, source: str, error: AppError | None = None, item: DownloadItem | None = None
    ) -> None:
        """Let the user enter a token; ``item`` is tried again with it."""
        dialog = TokenDialog(source, self._open_url, error, self._parent)
        dialog.given.connect(functools.partial(self._keep_token, item))
        dialog.forget_wanted.connect(functools.partial(self._forget_token, dialog))
        dialog.source_changed.connect(lambda _name: self._show_kept(dialog))
        self._show_kept(dialog)
        self._open(dialog)

    def _connect(self) -> None:
        self.downloads.changed.connect(self._show_state)
        self.downloads.failed.connect(self._say_error)
        self.section.wanted.connect(self._act)
        self.section.source_wanted.connect(
            lambda source, item: self.downloads.add(item.request.target, source)
        )
        self.section.interrupted.go_on.connect(self._go_on)
        self.section.interrupted.discard.connect(self._ask_discard)
        self.source.picked.connect(self._choose_source)
        self.source.token_wanted.connect(self.ask_for_token)
        self.repository.list_wanted.connect(self._list)
        self.repository.get_wanted.connect(self._get_listed)
        self.repository.show_wanted.connect(self.show_target)
        self.repository.token_wanted.connect(self._token_for_listing)
        self.updates.get_wanted.connect(self._get_update)

    def _show_state(self, state: DownloadsState) -> None:
        self.section.show_state(state)
        self.repository.show_downloads(self.downloads)
        self.changed.emit()

    def _act(self, name: str, item: DownloadItem) -> None:
        """What a card's button says."""
        simple: dict[str, Callable[[str], None]] = {
            "pause": self.downloads.pause,
            "resume": self.downloads.resume,
            "retry": self.downloads.retry,
            "dismiss": self.downloads.dismiss,
        }
        if name in simple:
            simple[name](item.id)
        elif name == "cancel":
            self._ask_cancel(item)
        elif name == "token":
            source = str(item.error.values.get("source", "")) if item.error is not None else ""
            self.ask_for_token(source or item.request.source, item.error, item)
        elif name == "licence":
            self._open_url(texts.link_of(item.error))
        elif name == "room":
            self.room_wanted.emit()
        elif name == "folder":
            self.folder_wanted.emit(item)
        elif name == "chat":
            self.chat_wanted.emit(item)

    def _ask_cancel(self, item: DownloadItem) -> None:
        """Nothing that has arrived is thrown away without a question."""
        if not _arrived(item):
            self.downloads.cancel(item.id)
            return
        dialog = Ask(
            _("Cancel this download?"),
            texts.cancel_text(item),
            _("Cancel and delete"),
            "danger",
            self._parent,
        )
        dialog.cancel_button.setText(_("Keep it"))
        dialog.accepted.connect(lambda: self.downloads.cancel(item.id))
        self._open(dialog)

    def _go_on(self) -> None:
        for item in self.section.interrupted.items:
            self.downloads.resume(item.id)

    def _ask_discard(self) -> None:
        items = list(self.section.interrupted.items)
        dialog = Ask(
            _("Discard what was interrupted?"),
            texts.discard_text(items),
            _("Discard"),
            "danger",
            self._parent,
        )
        dialog.accepted.connect(functools.partial(self._discard, items))
        self._open(dialog)

    def _discard(self, items: list[DownloadItem]) -> None:
        for item in items:
            self.downloads.cancel(item.id)

    def _choose_source(self, source: str) -> None:
        self._run(self._actions.choose_source, source)

    def _list(self, repo: str) -> None:
        self.repository.show_busy(repo)
        if self._listing is not None:
            self._listing.cancel()
        source = self.repository.source or self.source.source
        job = self._listing = self._bridge.submit(
            lambda _report: self._actions.offers(self._services, repo, source),
            self._show_offers,
            self.repository.show_error,
        )
        job.ended.connect(lambda: self._listing_ended(job))

    def _show_offers(self, found: Offers) -> None:
        listing, offers = found
        self.repository.show_listing(listing, offers)
        self.repository.show_downloads(self.downloads)
        self.listed.emit(listing, offers, self.repository.meant)

    def _get_listed(self, target: str) -> None:
        """From the hub whose address was pasted, if one was."""
        self.downloads.add(target, self.repository.source or self.source.source)

    def _listing_ended(self, job: Job) -> None:
        if self._listing is job:
            self._listing = None

    def _updates_ended(self) -> None:
        self._updating = None

    def _token_for_listing(self, error: AppError) -> None:
        self.ask_for_token(str(error.values.get("source", self.source.source)), error)

    def _get_update(self, update: Update) -> None:
        for target in update.targets or (update.repo,):
            self.get(target)

    def _show_kept(self, dialog: TokenDialog) -> None:
        name = dialog.name

        def show(where: str | None) -> None:
            if self.dialog is dialog and dialog.name == name:
                dialog.show_kept(where)

        self._run(self._actions.token_where, name, done=show)

    def _keep_token(self, item: DownloadItem | None, name: str, token: str) -> None:
        def kept(where: str) -> None:
            self.said.emit("ok" if where == "keyring" else "warn", set_text(where, name))
            if item is not None and self.downloads.state.item(item.id) is not None:
                self.downloads.retry(item.id)

        self._run(self._actions.set_token, name, token, done=kept)

    def _forget_token(self, dialog: TokenDialog, name: str) -> None:
        self._run(self._actions.forget_token, name, done=lambda _none: self._show_kept(dialog))

    def _run(
        self, work: Callable[..., Any], *values: Any, done: Callable[[Any], None] = lambda _result: None
    ) -> None:
        """A plain function that reads or writes, in a thread."""
        self._bridge.submit(
            lambda _report: asyncio.to_thread(work, self._services, *values), done, self._say_error
        )

    def _open(self, dialog: Ask) -> None:
        if self.dialog is not None:
            self.dialog.reject()
        self.dialog = dialog
        dialog.finished.connect(lambda _code: self._closed(dialog))
        dialog.open()

    def _closed(self, dialog: Ask) -> None:
        if self.dialog is dialog:
            self.dialog = None

    def _say_error(self, error: AppError) -> None:
        self.said.emit("fail", errors.text(error))


def _arrived(item: DownloadItem) -> int:
    """Bytes that a cancel would throw away."""
    if item.state == DONE:
        return 0
    return item.progress.done_bytes if item.progress is not None else item.done_bytes
