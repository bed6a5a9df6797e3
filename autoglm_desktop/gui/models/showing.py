"""Showing folders and pages outside of the window, by whatever the system has for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal

from ...core.downloads import DownloadItem
from ...core.errors import AppError
from ...i18n import _
from ...texts import errors
from ...usecases import model_list
from ...usecases.services import Services
from ..bridge import Bridge
from .arrived import folder_of

OpenUrl = Callable[[QUrl], bool]


class Showing(QObject):
    """``said(status, text)`` where something could not be shown."""

    said = Signal(str, str)

    def __init__(self, bridge: Bridge, services: Services, open_url: OpenUrl, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge, self._services, self._open_url = bridge, services, open_url

    def page(self, address: str) -> None:
        """A page of the web."""
        if not self._open_url(QUrl(address)):
            text = _("The page could not be opened; it is {address}")
            self.said.emit("warn", text.format(address=address))

    def folder(self, folder: Path) -> None:
        if not self._open_url(QUrl.fromLocalFile(str(folder))):
            text = _("The folder could not be shown; it is {folder}")
            self.said.emit("warn", text.format(folder=folder))

    def models(self) -> None:
        """The folder for models, made where it is missing."""
        self._find(lambda: model_list.make_folder(self._services))

    def of_download(self, item: DownloadItem) -> None:
        """Where the files of a download lie."""
        models = self._services.models
        self._find(lambda: folder_of(item, models))

    def _find(self, work: Callable[[], Path]) -> None:
        self._bridge.submit(lambda _report: asyncio.to_thread(work), self.folder, self._say_error)

    def _say_error(self, error: AppError) -> None:
        self.said.emit("fail", errors.text(error))
