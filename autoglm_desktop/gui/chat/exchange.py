"""Conversations to and from files: where to, what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from ...core.units import format_bytes
from ...i18n import _, ngettext
from ...store.conversation_import import MOST_BYTES, Imported
from .conversations_model import JSON, MARKDOWN, ConversationsModel
from .words import Action, Notice

LONGEST_NAME = 80
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Exchange(QObject):
    """``notice`` shows a card of the chat tab."""

    def __init__(
        self, conversations: ConversationsModel, notice: Callable[[Notice | None], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._conversations, self._notice, self._widget = conversations, notice, parent
        conversations.written.connect(self._written)
        conversations.imported.connect(self._imported)

    def export(self, conversation: int, kind: str) -> QFileDialog | None:
        """Ask where to, and write it there. Returns the dialog; None where the conversation is gone."""
        found = self._conversations.get(conversation)
        if found is None:
            return None
        ending = "md" if kind == MARKDOWN else "json"
        name = f"{file_name(found.title)}.{ending}"
        return self._save(
            _("Export the conversation"),
            name,
            kind,
            lambda path: self._conversations.export(conversation, kind, path),
        )

    def export_all(self) -> QFileDialog:
        """Ask where to, and write all conversations there."""
        name = f"{file_name(_('Conversations'))}.json"
        return self._save(_("Export all conversations"), name, JSON, self._conversations.export_all)

    def import_file(self) -> QFileDialog:
        """Ask which file, and add its conversations."""
        dialog = QFileDialog(self._widget, _("Import conversations"), "", _kind_text(JSON))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        return self._open(dialog, self._conversations.import_file)

    def _save(self, title: str, name: str, kind: str, then: Callable[[Path], None]) -> QFileDialog:
        dialog = QFileDialog(self._widget, title, "", _kind_text(kind))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("md" if kind == MARKDOWN else "json")
        dialog.selectFile(name)
        return self._open(dialog, then)

    def _open(self, dialog: QFileDialog, then: Callable[[Path], None]) -> QFileDialog:
        dialog.fileSelected.connect(lambda name: then(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def _written(self, path: Path, count: int | None) -> None:
        if count is None:
            text = _("The conversation is written to {path}.").format(path=path)
        else:
            text = ngettext(
                "{count} conversation is written to {path}.",
                "{count} conversations are written to {path}.",
                count,
            ).format(count=count, path=path)
        self._notice(written_notice(text, path))

    def _imported(self, imported: Imported) -> None:
        self._notice(imported_notice(imported))


def written_notice(text: str, path: Path) -> Notice:
    """What was written; a file that is too large to come back is no backup, and that is said."""
    close = (Action("close", _("Close")),)
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # it was there a moment ago: nothing more to say of it
    if path.suffix != ".json" or size <= MOST_BYTES:
        return Notice("info", text, actions=close)
    more = _(
        "It is larger than {size}, so it can't be imported as a whole; export single conversations to bring them back."
    )
    return Notice("warn", text, (more.format(size=format_bytes(MOST_BYTES)),), actions=close)


def imported_notice(imported: Imported) -> Notice:
    """What an import has added."""
    count = len(imported.conversations)
    text = ngettext("{count} conversation was added.", "{count} conversations were added.", count).format(
        count=count
    )
    missing = imported.pictures_missing
    details = (
        (
            ngettext(
                "{count} picture is missing: the file names it without holding it.",
                "{count} pictures are missing: the file names them without holding them.",
                missing,
            ).format(count=missing),
        )
        if missing
        else ()
    )
    return Notice("warn" if missing else "info", text, details, actions=(Action("close", _("Close")),))


def file_name(title: str) -> str:
    """A title as a file's name, without ending, for every system."""
    name = _NOT_IN_NAMES.sub(" ", title)
    name = " ".join(name.split())[:LONGEST_NAME].strip(" .")
    if not name or _RESERVED.fullmatch(name):
        name = (_("Conversation") + f" {name}").strip()
    return name


def _kind_text(kind: str) -> str:
    return _("Markdown (*.md)") if kind == MARKDOWN else _("JSON (*.json)")
