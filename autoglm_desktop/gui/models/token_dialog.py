"""Entering an access token for a hub: what it is for, where to make one, where it is kept. It is never shown again."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from ...core.downloads import AUTO
from ...core.errors import AppError
from ...i18n import N_, _
from ...texts import errors
from ...texts.downloads import source_name
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.combo import Combo
from ..widgets.dialog import Ask
from ..widgets.labels import label
from .download_texts import link_of, open_text
from .source_bar import is_address

TOKEN_PAGES = {
    "huggingface": "https://huggingface.co/settings/tokens",
    "hf-mirror": "https://huggingface.co/settings/tokens",
    "modelscope": "https://modelscope.cn/my/myaccesstoken",
}

WHAT_FOR = N_(
    "Most models need none. Some are given only to those who sign in and accept a licence: then a token of your "
    "account says who you are. It is sent to this source alone."
)


def key_name(source: str, error: AppError | None = None) -> str:
    """The name under which ``store.keys`` keeps the token of a source. Where HF_ENDPOINT puts another host in the
    hub's place, ``error`` names it; that host gets a token of its own only."""
    if source == AUTO:
        source = "huggingface"
    pages = str(error.values.get("tokens", "")) if error is not None and source == "huggingface" else ""
    if pages and origin(pages) != origin(TOKEN_PAGES["huggingface"]):
        return origin(pages)
    return origin(source) if is_address(source) else source


def origin(address: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def kept_text(where: str | None, name: str) -> str:
    """Where the token for a source is kept now."""
    source = source_name(name)
    texts = {
        "environment": _("A token for {source} is set in an environment variable."),
        "run": _("A token for {source} is kept until this program ends."),
        "keyring": _("A token for {source} is in this system's keyring."),
        "login": _("A token for {source} is there from “hf auth login”."),
    }
    return texts.get(where or "", _("There is no token for {source} yet.")).format(source=source)


def set_text(where: str, name: str) -> str:
    """Where a token that was just entered is kept."""
    source = source_name(name)
    if where == "keyring":
        return _("The token for {source} is in this system's keyring now.").format(source=source)
    return _(
        "This system has no keyring that can be used, so the token for {source} is kept until this program ends; "
        "enter it again the next time."
    ).format(source=source)


class TokenDialog(Ask):
    """``given(name, token)`` when one was entered, ``forget_wanted(name)``; ``source_changed(name)`` asks for
    ``show_kept``. ``open_url`` opens pages outside."""

    given = Signal(str, str)
    forget_wanted = Signal(str)
    source_changed = Signal(str)

    def __init__(
        self,
        source: str,
        open_url: Callable[[str], object],
        error: AppError | None = None,
        parent: QWidget | None = None,
    ) -> None:
        text = errors.text(error) if error is not None else _(WHAT_FOR)
        super().__init__(_("Access token"), text, _("Keep token"), parent=parent)
        named = key_name(source, error)
        self._open_url = open_url
        self.choice = Combo(12)
        self.choice.setAccessibleName(_("Source"))
        for name in [*TOKEN_PAGES] if named in TOKEN_PAGES else [named, *TOKEN_PAGES]:
            self.choice.addItem(source_name(name), name)
        self.choice.setCurrentIndex(self.choice.findData(named))
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(_("Access token"))
        self.field.setPlaceholderText(_("Paste the token here"))
        self.kept = label(role="muted", wrap=True)
        self.forget_button = button(_("Remove token"), lambda: self.forget_wanted.emit(self.name), "link")
        self.page_button = button("", self._open_page, "link")
        self.licence_button = button("", lambda: open_url(link_of(error)), "link")
        self.licence_button.setText(open_text(link_of(error)))
        self.licence_button.setVisible(bool(link_of(error)))
        self.field.textChanged.connect(self._entered)
        self.choice.activated.connect(self._chosen)
        self._lay_out()
        self._chosen()
        self._entered()
        self.field.setFocus()

    @property
    def name(self) -> str:
        """The source, as ``store.keys`` names it."""
        return str(self.choice.currentData())

    def show_kept(self, where: str | None) -> None:
        """Where the token of the source lies now (``store.keys``)."""
        self.kept.setText(kept_text(where, self.name))
        self.forget_button.setVisible(where in ("run", "keyring"))

    def accept(self) -> None:
        token = self.field.text().strip()
        self.field.clear()
        if token:
            self.given.emit(self.name, token)
            super().accept()

    def reject(self) -> None:
        self.field.clear()
        super().reject()

    def _entered(self) -> None:
        self.do_button.setEnabled(bool(self.field.text().strip()))

    def _chosen(self) -> None:
        page = TOKEN_PAGES.get(self.name, "")
        self.page_button.setText(_("Make a token at {address}").format(address=page.partition("://")[2]))
        self.page_button.setVisible(bool(page))
        self.kept.setText("")
        self.forget_button.hide()
        self.source_changed.emit(self.name)

    def _open_page(self) -> None:
        self._open_url(TOKEN_PAGES[self.name])

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.choice)
        row.addWidget(self.field, 1)
        kept = QHBoxLayout()
        kept.setSpacing(GAP)
        kept.addWidget(self.kept, 1)
        kept.addWidget(self.forget_button)
        self.body.addWidget(self.licence_button)
        self.body.addLayout(row)
        self.body.addLayout(kept)
        self.body.addWidget(self.page_button)
