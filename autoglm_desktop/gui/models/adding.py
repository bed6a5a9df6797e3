"""Asking for files to add."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QFileDialog, QWidget

from ...i18n import _

Pick = Callable[[QWidget], Sequence[str]]


def pick_files(parent: QWidget) -> Sequence[str]:
    """Ask the user for GGUF files."""
    files, _filter = QFileDialog.getOpenFileNames(parent, _("Add model files"), "", _("GGUF files (*.gguf)"))
    return files
