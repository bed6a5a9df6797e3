"""The part of the Models page that works on the disk: check, delete, move, import, and how much is used."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ...core.errors import AppError
from ...i18n import _
from ...texts import errors
from ...usecases.on_disk import Imported
from ...usecases.services import Services
from ..bridge import Bridge, Job, Report
from ..widgets.dialog import Ask
from . import disk_texts as texts
from .actions import Actions
from .disk_card import DiskCard
from .file_row import FileRow
from .holds import Holds
from .source_bar import PickFolder, pick_folder


class DiskWork(QObject):
    """Owns ``card``. ``said(status, text)``; ``changed()`` when files came, went or moved. ``moving``: whether the
    models folder is on its way."""

    said = Signal(str, str)
    changed = Signal()

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        actions: Actions,
        holds: Holds,
        parent: QWidget,
        pick: PickFolder = pick_folder,
    ) -> None:
        super().__init__(parent)
        self._holds = holds
        self.moving = False
        self._bridge, self._services, self._actions = bridge, services, actions
        self._parent, self._pick = parent, pick
        self._verifying: dict[Path, Job] = {}
        self._busy: Job | None = None
        self._measuring = False
        self.progress: dict[Path, Any] = {}
        self.rows: dict[Path, FileRow] = {}
        self.dialog: Ask | None = None
        self.card = DiskCard()
        self.card.move_wanted.connect(self.ask_move)
        self.card.stop_wanted.connect(self._stop_busy)

    def measure(self) -> None:
        """How much is used; says nothing where it can't be told."""
        if self._measuring:
            return
        self._measuring = True
        job = self._bridge.submit(
            lambda _report: self._actions.disk_use(self._services), self.card.show_use, self._say_error
        )
        job.ended.connect(self._measured)

    def adopt(self, rows: Sequence[FileRow]) -> None:
        """Serve these rows; work that goes on is shown in those that are new."""
        known, self.rows = self.rows, {row.entry.local.path: row for row in rows}
        for path, row in self.rows.items():
            if known.get(path) is row:
                continue
            row.verify_wanted.connect(functools.partial(self.verify, path))
            row.delete_wanted.connect(functools.partial(self.ask_delete, path))
            row.stop_wanted.connect(functools.partial(self._stop, path))
            if path in self._verifying:
                self._verify_progress(path, self.progress.get(path))

    def verify(self, path: Path) -> None:
        """Read a file and compare it with what was published."""
        if path in self._verifying:
            return
        job = self._bridge.submit(
            lambda report: self._actions.verify(self._services, path, report),
            functools.partial(self._verified, path),
            functools.partial(self._verify_failed, path),
            functools.partial(self._verify_progress, path),
        )
        self._verifying[path] = job
        job.ended.connect(lambda: self._verify_ended(path))
        self._verify_progress(path, None)

    def ask_delete(self, path: Path | str) -> None:
        """Say what goes and what stays, and delete it when the user wants that. Also of ``owner/repo:VARIANT``."""
        if self._is_busy():
            return
        self._bridge.submit(
            lambda _report: self._actions.removal(self._services, path), self._confirm, self._say_error
        )

    def ask_move(self) -> None:
        """Move the models folder to where the user wants it."""
        if self._is_busy():
            return
        folder = self._pick(self._parent, _("Where shall the models lie?"))
        if not folder:
            return
        dialog = Ask(
            _("Move the models folder?"), texts.move_text(Path(folder)), _("Move"), parent=self._parent
        )
        dialog.accepted.connect(lambda: self._move(Path(folder)))
        self._open(dialog)

    def bring(self, paths: Sequence[Path], *, copy: bool) -> None:
        """Import files and folders: where they lie, or as a copy. A refusal is said and the others go on."""
        if not paths or (copy and self._is_busy()):
            return

        async def work(report: Report) -> None:
            for path in paths:
                try:
                    found = await self._actions.import_path(self._services, path, copy, report)
                except AppError as error:
                    report(error)
                else:
                    report(found)

        job = self._bridge.submit(work, on_item=self._brought)
        job.ended.connect(lambda: self._ended(job))
        if copy:
            self._busy = job
            self.card.show_work(*texts.copy_progress(None))

    def _is_busy(self) -> bool:
        """Says so."""
        if self._busy is not None:
            text = _("Models are being moved or copied. Wait until that is done, or cancel it under “Disk”.")
            self.said.emit("warn", text)
        return self._busy is not None

    def _brought(self, item: Any) -> None:
        if isinstance(item, AppError):
            self._say_error(item)
        elif isinstance(item, Imported):
            self.said.emit("ok", texts.imported_text(item))
        else:
            self.card.show_work(*texts.copy_progress(item))

    def _ended(self, job: Job) -> None:
        """Moving or importing is over."""
        if self._busy is job:
            self._busy, self.moving = None, False
            self.card.show_work(None)
        self.changed.emit()

    def _stop_busy(self) -> None:
        if self._busy is not None:
            self._busy.cancel()

    def _measured(self) -> None:
        self._measuring = False

    def _confirm(self, removal: Any) -> None:
        text = texts.removal_text(removal, loaded=self._holds.is_loaded(removal.files))
        dialog = Ask(_("Delete these files?"), text, _("Delete"), "danger", self._parent)
        dialog.accepted.connect(functools.partial(self._remove, removal))
        self._open(dialog)

    def _remove(self, removal: Any) -> None:
        def removed(_none: object) -> None:
            self.said.emit("ok", texts.removed_text(removal))
            self.changed.emit()

        async def work(_report: Report) -> None:
            async with self._holds.files(removal.files):
                await self._actions.remove(self._services, removal)

        self._bridge.submit(work, removed, self._say_error)

    def _move(self, folder: Path) -> None:
        def moved(_none: object) -> None:
            self.said.emit("ok", _("The models lie in {folder} now.").format(folder=folder))

        async def work(report: Report) -> None:
            async with self._holds.folder():
                await self._actions.move_models(self._services, folder, report)

        self.moving = True
        self.card.show_work(_("Moving …"))
        job = self._busy = self._bridge.submit(
            work,
            moved,
            self._say_error,
            lambda item: self.card.show_work(*texts.move_progress(item)),
        )
        job.ended.connect(lambda: self._ended(job))

    def _stop(self, path: Path) -> None:
        if path in self._verifying:
            self._verifying[path].cancel()

    def _verify_progress(self, path: Path, item: Any) -> None:
        self.progress[path] = item
        if path in self.rows and path in self._verifying:
            self.rows[path].show_work(*texts.verify_progress(item))

    def _verified(self, path: Path, found: Any) -> None:
        if path in self.rows:
            self.rows[path].say(*texts.verified_text(found))

    def _verify_failed(self, path: Path, error: AppError) -> None:
        if path in self.rows:
            self.rows[path].say("fail", errors.text(error))

    def _verify_ended(self, path: Path) -> None:
        self._verifying.pop(path, None)
        self.progress.pop(path, None)
        if path in self.rows and not self.rows[path].work.isHidden():
            self.rows[path].show_work(None)

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
