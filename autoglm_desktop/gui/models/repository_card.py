"""Any repository of a hub: its name, what it offers and what to take here, and what of it is never fetched and why."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from ...core import pasted
from ...core.errors import AppError
from ...core.outlook import NOTHING_JUDGED, RepositoryPlans
from ...core.repository import Listing, Offer
from ...i18n import _, ngettext
from ...texts import errors, reasons
from ...texts.downloads import source_name
from ...texts.values import labelled
from ...usecases.targets import split_repo
from ..downloads_model import DownloadsModel
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.card import Card
from ..widgets.labels import label, set_role
from . import texts
from .download_texts import NEEDS_TOKEN
from .get_button import GetButton
from .offer_table import OfferTable
from .opening import Opening

MOST_REFUSED = 12


class RepositoryCard(Card):
    """``list_wanted(repo)``, ``get_wanted(target)``, ``show_wanted(target)``, ``token_wanted(AppError)``,
    ``turn_wanted(target, opened)``. ``rearranged`` when buttons came or went.

    ``source``: the hub whose address was pasted (None: one of the public ones); ``meant``: the variant that was.
    """

    rearranged = Signal()
    list_wanted = Signal(str)
    get_wanted = Signal(str)
    show_wanted = Signal(str)
    token_wanted = Signal(object)
    turn_wanted = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_("Another repository"), parent)
        self.source: str | None = None
        self.meant: str | None = None
        self._repo = ""
        self._plans = NOTHING_JUDGED
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
        self.summary = label(role="plain", wrap=True)
        self.table = OfferTable()
        self.table.get_wanted.connect(self.get_wanted)
        self.table.show_wanted.connect(self.show_wanted)
        self.table.turn_wanted.connect(self.turn_wanted)
        self.refused_button = button("", self._fold, "link")
        self.refused = label(role="muted", wrap=True, selectable=True)
        self._arrange()
        self._typed()
        self._show_results(False)

    @property
    def buttons(self) -> list[tuple[str, GetButton]]:
        """Targets, each with the button that gets it."""
        return self.table.buttons

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
        self._repo = listing.repo
        self.table.show_offers(listing.repo, offers)
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
        self.table.show_installed(self._installed)
        self.rearranged.emit()

    def show_plans(self, plans: RepositoryPlans) -> None:
        """How its variants would run here."""
        self._plans = plans
        self.table.show_plans(plans, judged=plans is not NOTHING_JUDGED)

    def show_opening(self, opening: Opening) -> None:
        """What is unfolded, what is being read, and what to take."""
        self.table.show_opening(opening)
        problem = self._plans.problem or opening.problem(self._repo)
        if opening.reading == self._repo:
            text, role = _("Reading a file's header, to tell how its variants would run here …"), "muted"
        elif problem is not None:
            text, role = errors.text(problem), "warn"
        else:
            text, role = texts.repository_summary(self._plans), "plain"
        self.summary.setText(text)
        set_role(self.summary, role)
        self.summary.setVisible(bool(text) and not self.table.isHidden())

    def show_downloads(self, downloads: DownloadsModel) -> None:
        """Say on the buttons what is under way."""
        self.table.show_downloads(downloads)

    def show_installed(self, targets: frozenset[str]) -> None:
        """What is on this machine: ``owner/repo:VARIANT``, in lower case."""
        self._installed = targets
        self.table.show_installed(targets)

    def stops(self) -> list[QWidget]:
        """What the Tab key goes through."""
        return [self.field, self.list_button, self.token_button, *self.table.stops(), self.refused_button]

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
        named = pasted.read(self.field.text())
        if not named.target.strip("/") or not self.list_button.isEnabled():
            return
        repo, variant = split_repo(named.target)
        if repo is not None:
            self.source, self.meant = named.source, variant
            self.field.setText(named.target)
            self.list_wanted.emit(repo)
        else:
            self.show_error(AppError("repo_name_wrong", repo=named.target))

    def _typed(self) -> None:
        self.list_button.setEnabled(bool(self.field.text().strip("/ ")))

    def _say(self, text: str, role: str) -> None:
        self.said.setText(text)
        set_role(self.said, role)
        self.said.show()
        self.token_button.hide()

    def _show_results(self, shown: bool) -> None:
        self.table.setVisible(shown)
        if not shown:
            self.summary.hide()
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
        for widget in (self.summary, self.table, self.refused_button, self.refused):
            column.addWidget(widget)
        self.body.addLayout(column)
