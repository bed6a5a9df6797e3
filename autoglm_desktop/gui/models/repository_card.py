"""Any repository of a hub: its name, what it offers and how large that is, and what of it is never fetched and why."""

from __future__ import annotations

import functools

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...core.repository import Listing, Offer, repository_name
from ...core.units import format_bytes
from ...i18n import _, ngettext
from ...texts import errors, reasons
from ...texts.downloads import source_name
from ...texts.values import labelled
from ..downloads_model import DownloadsModel
from ..theme import GAP
from ..widgets.bar import clear
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import ElidedLabel, label, set_role
from ..widgets.rule import Rule
from .download_texts import NEEDS_TOKEN
from .get_button import GET_WIDTH, GetButton

MOST_REFUSED = 12


class RepositoryCard(Card):
    """``list_wanted(repo)``, ``get_wanted(target)``, ``show_wanted(target)``, ``token_wanted(AppError)``.
    ``rearranged`` when buttons came or went."""

    rearranged = Signal()
    list_wanted = Signal(str)
    get_wanted = Signal(str)
    show_wanted = Signal(str)
    token_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Another repository"), parent)
        self.buttons: list[tuple[str, GetButton]] = []
        self.marks: list[tuple[str, QLabel]] = []
        self._installed: frozenset[str] = frozenset()
        self._error: AppError | None = None
        self.field = QLineEdit()
        self.field.setPlaceholderText("owner/repo")
        self.field.setAccessibleName(_("Repository"))
        self.list_button = button(_("List"), self._list)
        self.field.returnPressed.connect(self._list)
        self.field.textChanged.connect(self._typed)
        self.said = label(role="muted", wrap=True)
        self.token_button = button(_("Access token …"), lambda: self.token_wanted.emit(self._error))
        self.results = QWidget()
        self._grid = QGridLayout(self.results)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP // 2)
        self._grid.setColumnStretch(2, 1)
        self._grid.setColumnMinimumWidth(3, GET_WIDTH)
        self.refused_button = button("", self._fold, "link")
        self.refused = label(role="muted", wrap=True, selectable=True)
        self._arrange()
        self._typed()
        self._show_results(False)

    def show_busy(self, repo: str) -> None:
        """While the source is asked."""
        self.list_button.setEnabled(False)
        self._say(_("Asking what {repo} offers …").format(repo=repo), "muted")
        self._show_results(False)

    def show_error(self, error: AppError) -> None:
        self._typed()
        self._error = error
        self._say(errors.text(error), "error")
        self.token_button.setVisible(error.code in NEEDS_TOKEN)
        self._show_results(False)

    def show_listing(self, listing: Listing, offers: tuple[Offer, ...]) -> None:
        """Its variants, and what was left out."""
        self._typed()
        clear(self._grid)
        self.buttons, self.marks = [], []
        for row, offer in enumerate(offers):
            self._grid.addWidget(Rule(), 2 * row, 0, 1, 4)
            self._row(2 * row + 1, listing.repo, offer)
        source = source_name(listing.source)
        if offers:
            text = ngettext(
                "{repo} at {source} offers one variant:",
                "{repo} at {source} offers {count} variants:",
                len(offers),
            )
            self._say(text.format(repo=listing.repo, source=source, count=len(offers)), "muted")
        else:
            text = _("{repo} at {source} holds no GGUF or safetensors files that could be used.")
            self._say(text.format(repo=listing.repo, source=source), "warn")
        self._show_results(bool(offers))
        self._show_refused(listing)
        self.show_installed(self._installed)
        self.rearranged.emit()

    def show_downloads(self, downloads: DownloadsModel) -> None:
        """Say on the buttons what is under way."""
        for target, made in self.buttons:
            made.show_item(downloads.of_target(target))

    def show_installed(self, targets: frozenset[str]) -> None:
        """What is on this machine: ``owner/repo:VARIANT``, in lower case."""
        self._installed = targets
        for (target, made), (_target, mark) in zip(self.buttons, self.marks, strict=True):
            here = target.casefold() in targets
            made.setVisible(not here)
            mark.setVisible(here)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        gets = [made for _target, made in self.buttons]
        return [self.field, self.list_button, self.token_button, *gets, self.refused_button]

    def _row(self, row: int, repo: str, offer: Offer) -> None:
        target = f"{repo}:{offer.id}"
        size = format_bytes(offer.size) if offer.size is not None else _("size not known")
        get = GetButton(_("Get"), _("Get {name}, {size}").format(name=target, size=size), short=True)
        get.get_wanted.connect(functools.partial(self.get_wanted.emit, target))
        get.show_wanted.connect(functools.partial(self.show_wanted.emit, target))
        self.buttons.append((target, get))
        files = ngettext("{count} file", "{count} files", len(offer.all_files)).format(
            count=len(offer.all_files)
        )
        beside = [file.name for file in offer.beside if file.path.lower().endswith(".gguf")]
        if beside:
            files = _("{files}, with the vision part {name}").format(files=files, name=beside[0])
        self._grid.addWidget(ElidedLabel(offer.id), row, 0)
        self._grid.setRowMinimumHeight(row, 4 * GAP)
        self._grid.addWidget(label(size), row, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(ElidedLabel(files, "muted"), row, 2)
        mark = label(_("Installed"), "good")
        mark.hide()
        self.marks.append((target, mark))
        for cell in (get, mark):
            self._grid.addWidget(cell, row, 3, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _show_refused(self, listing: Listing) -> None:
        count = len(listing.refused)
        text = ngettext("{count} file is left out", "{count} files are left out", count)
        self.refused_button.setText(text.format(count=f"{count:,}"))
        self.refused_button.setVisible(bool(count))
        lines = [labelled(path, reasons.text(why)) for path, why in listing.refused[:MOST_REFUSED]]
        if count > MOST_REFUSED:
            more = count - MOST_REFUSED
            lines.append(_("and {count} more").format(count=f"{more:,}"))
        self.refused.setText("\n".join(lines))
        self.refused.hide()

    def _fold(self) -> None:
        self.refused.setVisible(self.refused.isHidden())

    def _list(self) -> None:
        repo = repository_name(self.field.text())
        if not repo or not self.list_button.isEnabled():
            return
        if "/" in repo:
            self.field.setText(repo)
            self.list_wanted.emit(repo)
        else:
            self.show_error(AppError("repo_name_wrong", repo=repo))

    def _typed(self) -> None:
        self.list_button.setEnabled(bool(self.field.text().strip("/ ")))

    def _say(self, text: str, role: str) -> None:
        self.said.setText(text)
        set_role(self.said, role)
        self.said.show()
        self.token_button.hide()

    def _show_results(self, shown: bool) -> None:
        self.results.setVisible(shown)
        if not shown:
            self.refused_button.hide()
            self.refused.hide()

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.field, 1)
        row.addWidget(self.list_button)
        said = QHBoxLayout()
        said.setSpacing(GAP)
        said.addWidget(self.said, 1)
        said.addWidget(self.token_button)
        self.said.setText(
            _(
                "Any repository of the hub with GGUF or safetensors files: its name, or the address of its page."
            )
        )
        self.token_button.hide()
        column = QVBoxLayout()
        column.setSpacing(GAP)
        column.addLayout(row)
        column.addLayout(said)
        for widget in (self.results, self.refused_button, self.refused):
            column.addWidget(widget)
        self.body.addLayout(column)
