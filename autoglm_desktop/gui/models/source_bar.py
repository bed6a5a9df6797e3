"""The title above what can be fetched, and where from: automatic, a hub, an address of one's own, a folder."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from ...core.downloads import AUTO, SOURCES
from ...i18n import _
from ...texts.downloads import source_name
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.combo import Combo
from ..widgets.labels import label, tip

ADDRESS, FOLDER, OTHER = "address", "folder", "other"
PickFolder = Callable[[QWidget, str], str]


def pick_folder(parent: QWidget, title: str) -> str:
    """Ask the user for a folder; empty: none."""
    return QFileDialog.getExistingDirectory(parent, title)


def is_address(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


class SourceBar(QWidget):
    """``picked(source)`` when the user chose another one; ``token_wanted(source)`` by the button beside it."""

    picked = Signal(str)
    token_wanted = Signal(str)

    def __init__(self, title: str, pick: PickFolder = pick_folder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pick = pick
        self._source = AUTO
        self.choice = Combo(14)
        self.choice.setAccessibleName(_("Source of downloads"))
        self.address = QLineEdit()
        self.address.setPlaceholderText("https://")
        self.address.setAccessibleName(_("Address of a hub"))
        self.use_button = button(_("Use"), self._use_address)
        self.hint = label(role="muted", wrap=True)
        self.token_button = button(_("Access token …"), lambda: self.token_wanted.emit(self._source))
        self._fill()
        self.choice.activated.connect(self._activated)
        self.address.returnPressed.connect(self._use_address)
        self._arrange(title)
        self.set_source(AUTO)

    @property
    def source(self) -> str:
        return self._source

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [self.choice, self.token_button, self.address, self.use_button]

    def set_source(self, source: str) -> None:
        """Show a source; says nothing."""
        self._source = source
        self._fill()
        place = self.choice.findData(source)
        self.choice.setCurrentIndex(place)
        self._show_address(False)
        self.token_button.setVisible(source == AUTO or source in SOURCES or is_address(source))
        self.choice.setToolTip(tip(self._hint(source)))
        self.hint.setText(self._hint(source))
        self.hint.setVisible(source != AUTO)

    def _fill(self) -> None:
        self.choice.clear()
        self.choice.addItem(_("Automatic"), AUTO)
        for name in SOURCES[1:]:
            self.choice.addItem(source_name(name), name)
        if self._source not in SOURCES:
            self.choice.addItem(self._source, self._source)
        self.choice.addItem(_("Another address …"), ADDRESS)
        self.choice.addItem(_("Folder or USB disk …"), FOLDER)

    def _activated(self, index: int) -> None:
        wanted = self.choice.itemData(index)
        if wanted == ADDRESS:
            self._show_address(True)
        elif wanted == FOLDER:
            folder = self._pick(self, _("Take models from this folder"))
            self._take(folder or self._source)
        else:
            self._take(wanted)

    def _use_address(self) -> None:
        text = self.address.text().strip()
        if text:
            self._take(text if "://" in text else f"https://{text}")

    def _take(self, source: str) -> None:
        changed = source != self._source
        self.set_source(source)
        if changed:
            self.picked.emit(source)

    def _show_address(self, shown: bool) -> None:
        self.address.setVisible(shown)
        self.use_button.setVisible(shown)
        if shown:
            self.address.setText(self._source if is_address(self._source) else "")
            self.address.setFocus()

    @staticmethod
    def _hint(source: str) -> str:
        if source == AUTO:
            return _(
                "Hugging Face, its mirror and ModelScope are measured, and the fastest is used; several at once where "
                "they hold the very same file."
            )
        if source == "hf-mirror":
            return _(
                "hf-mirror.com is run by volunteers. A token is sent there only if you enter one for it."
            )
        if source in SOURCES:
            return _("Only {source} is asked.").format(source=source_name(source))
        if is_address(source):
            return _("Only {source} is asked. It must be compatible with Hugging Face or ModelScope.").format(
                source=source
            )
        return _("Files are copied from this folder and checked; nothing is asked over the network.")

    def _arrange(self, title: str) -> None:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(label(title, "subtitle"))
        row.addStretch(1)
        row.addWidget(label(_("Download from"), "muted"))
        row.addWidget(self.choice)
        row.addWidget(self.token_button)
        own = QHBoxLayout()
        own.setSpacing(GAP)
        own.addWidget(self.address, 1)
        own.addWidget(self.use_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP // 2)
        column.addLayout(row)
        column.addLayout(own)
        column.addWidget(self.hint)
