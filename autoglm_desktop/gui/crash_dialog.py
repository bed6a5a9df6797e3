"""What the user sees of an unexpected error: a sentence, the report to copy, and the choice to go on."""

from __future__ import annotations

import logging
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from .. import __version__
from ..i18n import _
from .theme import GAP

log = logging.getLogger(__name__)


def report(error: BaseException, log_file: Path) -> str:
    """Everything a maintainer needs; each section stands alone if another can't be gathered."""
    sections: list[tuple[str, Callable[[], str]]] = [
        ("error", lambda: "".join(traceback.format_exception(type(error), error, error.__traceback__))),
        ("version", lambda: f"{__version__}, Python {sys.version}, {platform.platform()}"),
        ("log", lambda: "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-60:])),
    ]
    parts = []
    for name, gather in sections:
        try:
            text = gather()
        except Exception as problem:
            log.exception("crash report section %s", name)
            text = f"not available: {problem}"
        parts.append(f"== {name} ==\n{text.strip()}")
    return "\n\n".join(parts).replace(str(Path.home()), "~")


class CrashDialog(QDialog):
    """Shown for errors that nobody expected. Accepted: go on; rejected: quit."""

    def __init__(self, error: BaseException, log_file: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("AutoGLM Desktop: something went wrong"))
        self.resize(720, 440)
        intro = QLabel(
            _(
                "An error happened that nobody expected. Your conversations are saved. You can go on, or quit and "
                "start again; the report below helps to mend it."
            )
        )
        intro.setWordWrap(True)
        self.text = QPlainTextEdit(report(error, log_file))
        self.text.setProperty("role", "mono")
        self.text.setReadOnly(True)
        buttons = QDialogButtonBox()
        go_on = QPushButton(_("Go on"))
        go_on.setProperty("kind", "primary")
        buttons.addButton(go_on, QDialogButtonBox.ButtonRole.AcceptRole)
        copy = buttons.addButton(_("Copy the report"), QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(_("Quit"), QDialogButtonBox.ButtonRole.RejectRole)
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self.text.toPlainText()))
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GAP, 3 * GAP, 3 * GAP, 2 * GAP)
        column.setSpacing(2 * GAP)
        column.addWidget(intro)
        column.addWidget(self.text, 1)
        column.addWidget(buttons)
