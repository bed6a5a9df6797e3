"""Asking for files and folders to add: used where they lie, or copied into the models folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from ...i18n import _
from .source_bar import PickFolder

Pick = Callable[[QWidget], Sequence[str]]


def pick_files(parent: QWidget) -> Sequence[str]:
    """Ask the user for GGUF files."""
    files, _filter = QFileDialog.getOpenFileNames(parent, _("Add model files"), "", _("GGUF files (*.gguf)"))
    return files


class AddButton(QPushButton):
    """``picked(paths, copy)`` when the user chose something."""

    picked = Signal(object, bool)

    def __init__(self, pick: Pick, pick_folder: PickFolder, parent: QWidget | None = None) -> None:
        super().__init__(_("Add a model"), parent)
        self._pick, self._pick_folder = pick, pick_folder
        menu = QMenu(self)
        for copy, files, folder in (
            (False, _("Files, used where they lie …"), _("A folder, used where it lies …")),
            (True, _("Copy files into the models folder …"), _("Copy a folder into the models folder …")),
        ):
            menu.addAction(files, functools.partial(self.pick_files, copy=copy))
            menu.addAction(folder, functools.partial(self.pick_folder, copy=copy))
            if not copy:
                menu.addSeparator()
        self.setMenu(menu)

    def pick_files(self, *, copy: bool = False) -> None:
        """Let the user choose files."""
        self.picked.emit([Path(file) for file in self._pick(self)], copy)

    def pick_folder(self, *, copy: bool = False) -> None:
        """Let the user choose a folder."""
        folder = self._pick_folder(self, _("Add a folder with models"))
        self.picked.emit([Path(folder)] if folder else [], copy)
