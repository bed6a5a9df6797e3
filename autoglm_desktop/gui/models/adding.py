"""Adding files: asking for them, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from ...core.errors import AppError
from ...i18n import _
from ...store.library import LocalModel
from ...usecases import model_list
from ...usecases.services import Services


@dataclass(frozen=True)
class Added:
    """What became of a file that was to be added: ``local`` or ``error``."""

    path: Path
    local: LocalModel | None = None
    error: AppError | None = None


def add_one(services: Services, path: Path) -> Added:
    """Add a file; a refusal is a result, so that the files after it are added too. Reads the file."""
    try:
        return Added(path, local=model_list.add_file(services, path))
    except AppError as error:
        return Added(path, error=error)


def pick_files(parent: QWidget) -> Sequence[str]:
    """Ask the user for GGUF files."""
    files, _filter = QFileDialog.getOpenFileNames(parent, _("Add model files"), "", _("GGUF files (*.gguf)"))
    return files
