"""The fields of one remote server."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from ...core.remote import HERE, Endpoint, RemoteError, base_url
from ...core.remote_models import RemoteModel
from ...i18n import _
from ...texts.remote import place_text
from ...usecases.remote_servers import Draft
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.combo import Combo
from ..widgets.labels import label, set_role

USUAL = (
    ("vLLM", "http://localhost:8000/v1"),
    ("SGLang", "http://localhost:30000/v1"),
    ("llama-server", "http://localhost:8080/v1"),
    ("Ollama", "http://localhost:11434/v1"),
    ("LM Studio", "http://localhost:1234/v1"),
)
"""Where these programs listen unless they are told otherwise (their documentation)."""
PLAIN_FIELD = "QLineEdit, QLineEdit:focus { border: none; padding: 0; background: transparent; }"


class Form(QWidget):
    """``edited`` with every change of a field."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._endpoint: Endpoint | None = None
        self._forget = False
        self.name, self.address, self.key = QLineEdit(), QLineEdit(), QLineEdit()
        self.model = Combo(24)
        self.model.setEditable(True)
        self.model.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model.setInsertPolicy(Combo.InsertPolicy.NoInsert)
        self.place = label(wrap=True)
        self.forget_button = button(_("Remove key"), self._forget_key, "link")
        self.usual_buttons = [
            button(name, functools.partial(self._use, *one), "link") for name, *one in _usual()
        ]
        self._set_up()
        self._lay_out()
        self.show_endpoint(None)

    @property
    def dirty(self) -> bool:
        """Whether something was entered that isn't kept."""
        return self.draft() != self._as_kept

    def draft(self) -> Draft:
        """What is entered."""
        return Draft(
            self.name.text(),
            self.address.text().strip(),
            self.model.currentText().strip(),
            self.key.text().strip(),
            self._forget,
            self._endpoint.id if self._endpoint is not None else None,
        )

    def show_endpoint(self, endpoint: Endpoint | None, models: Sequence[RemoteModel] = ()) -> None:
        """The fields of a server that is kept; None: empty ones for a new one."""
        self._endpoint, self._forget = endpoint, False
        self.name.setText(endpoint.name if endpoint is not None else "")
        self.address.setText(endpoint.url if endpoint is not None else "")
        self.key.clear()
        self.model.clear()
        self.model.setEditText(endpoint.model if endpoint is not None else "")
        self.show_models(models)
        self._as_kept = self.draft()
        self._show_key()

    def show_models(self, models: Sequence[RemoteModel]) -> None:
        """What can be chosen; what is entered stays."""
        entered = self.model.currentText()
        self.model.clear()
        self.model.addItems([one.name for one in models])
        self.model.setEditText(entered)

    def _show_place(self) -> None:
        try:
            endpoint = Endpoint("", "", base_url(self.address.text()))
        except RemoteError:
            self.place.setText("")
            self.place.hide()
            return
        self.place.setText(place_text(endpoint))
        set_role(self.place, "muted" if endpoint.place == HERE else "warn")
        self.place.show()

    def _show_key(self) -> None:
        kept = self._endpoint is not None and self._endpoint.has_key and not self._forget
        hint = _("Kept; type here to replace it") if kept else _("Only where the server wants one")
        self.key.setPlaceholderText(hint)
        self.forget_button.setVisible(kept)

    def _forget_key(self) -> None:
        self._forget = True
        self._show_key()
        self.edited.emit()

    def _use(self, name: str, address: str) -> None:
        self.address.setText(address)
        if self.name.text().strip() in ("", *(usual for usual, _address in USUAL)):
            self.name.setText(name)
        self.address.setFocus()

    def _set_up(self) -> None:
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.address.setPlaceholderText("http://localhost:8000/v1")
        self.name.setPlaceholderText(_("As you want to call it"))
        line = self.model.lineEdit()
        assert line is not None
        line.setStyleSheet(PLAIN_FIELD)
        line.setPlaceholderText(_("A test brings the list"))
        for field, said in (
            (self.name, _("Name")),
            (self.address, _("Address")),
            (self.key, _("Key")),
            (self.model, _("Model")),
        ):
            field.setAccessibleName(said)
        self.address.textChanged.connect(self._show_place)
        for changed in (self.name.textChanged, self.address.textChanged, self.key.textChanged):
            changed.connect(lambda _text: self.edited.emit())
        self.model.editTextChanged.connect(lambda _text: self.edited.emit())

    def _lay_out(self) -> None:
        usual = QHBoxLayout()
        usual.setSpacing(2 * GAP)
        usual.addWidget(label(_("Usual:"), "muted"))
        for one in self.usual_buttons:
            usual.addWidget(one)
        usual.addStretch(1)
        address = QVBoxLayout()
        address.setSpacing(4)
        address.addWidget(self.address)
        address.addLayout(usual)
        key = QHBoxLayout()
        key.setSpacing(GAP)
        key.addWidget(self.key, 1)
        key.addWidget(self.forget_button)
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(2 * GAP)
        rows.setVerticalSpacing(GAP)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows.addRow(label(_("Address")), address)
        rows.addRow(label(_("Name")), self.name)
        rows.addRow(label(_("Key")), key)
        rows.addRow(label(_("Model")), self.model)
        rows.addRow(self.place)


def _usual() -> list[tuple[str, str, str]]:
    return [(name, name, address) for name, address in USUAL]
