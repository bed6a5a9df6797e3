"""Remote servers: the list, one of them to edit, and a test of it. Nothing here makes a conversation use one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ...core.errors import AppError
from ...core.remote import Endpoint
from ...i18n import N_, _
from ...texts import errors
from ...texts.remote import dropped_key_text, key_text
from ...usecases.remote_servers import Draft, Saved
from ...usecases.remote_trial import Listed
from ..bridge import Bridge, Job
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.dialog import Ask
from ..widgets.labels import label
from ..widgets.notice import Notices
from ..widgets.rule import Rule
from .findings import Findings
from .form import Form
from .server_list import ServerList

SIZE = (820, 690)
WHAT_FOR = N_(
    "A conversation can be answered by a server that speaks OpenAI's protocol: vLLM, SGLang, llama-server, Ollama, LM "
    "Studio and others. None is ever chosen by itself."
)


class Servers(Protocol):
    """``usecases.remote_servers.RemoteServers``, as far as the dialog uses it. Runs on the bridge's loop."""

    async def all(self) -> tuple[Endpoint, ...]: ...

    async def save(self, draft: Draft) -> Saved: ...

    async def remove(self, endpoint_id: str) -> None: ...

    def test(self, draft: Draft) -> AsyncIterator[Any]: ...


class RemoteDialog(QDialog):
    """``changed(endpoints)`` when the list was read or has become another one."""

    changed = Signal(object)

    def __init__(self, bridge: Bridge, servers: Servers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._servers = bridge, servers
        self._endpoints: tuple[Endpoint, ...] = ()
        self._wanted: str | None = None
        self._test: Job | None = None
        self._filled = False
        self.is_read = self._saving = False
        self.asking: Ask | None = None
        self.setWindowTitle(_("Remote servers"))
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.side = ServerList()
        self.form, self.findings, self.notices = Form(), Findings(), Notices(most=2)
        self.remove_button = button(_("Remove…"), self._ask_remove, "danger")
        self.test_button = button(_("Test"), self.test)
        self.save_button = button(_("Save"), self.save, "primary")
        self.close_button = button(_("Close"), self.reject)
        self.save_button.setDefault(True)
        self._lay_out()
        self.side.picked.connect(self._picked)
        self.side.add_wanted.connect(lambda: self._leave(self._add))
        self.form.edited.connect(self._edited)
        self.resize(QSize(*SIZE).boundedTo(self.screen().availableSize()))
        self._edited()
        self.form.address.setFocus()
        self._read()

    def save(self) -> None:
        """Keep what is entered; nothing while that goes on: a new server would be kept twice."""
        if self._saving:
            return
        self._saving = True
        draft = self.form.draft()
        self._bridge.submit(lambda _report: self._servers.save(draft), self._saved, self._not_saved)

    def test(self) -> None:
        """Try what is entered; while that goes on: stop it."""
        if self._test is not None:
            self._stop_test()
            self.findings.clear()
            return
        draft = self.form.draft()
        self._filled = False
        self.findings.begin()
        self._test = self._bridge.stream(
            lambda: self._servers.test(draft), self._found, self._tested, self._not_tested
        )
        self._edited()

    def reject(self) -> None:
        self._leave(self._close)

    def _close(self) -> None:
        self._stop_test()
        super().reject()

    def _read(self) -> None:
        self._bridge.submit(lambda _report: self._servers.all(), self._show, self._failed)

    def _show(self, endpoints: tuple[Endpoint, ...]) -> None:
        """The list, with the server that is wanted shown."""
        self._endpoints, self.is_read = endpoints, True
        self.side.show_servers(endpoints)
        row = self._row()
        row = 0 if row < 0 and endpoints and self._wanted is None else row
        self.side.mark(row)
        if not self.form.dirty:
            self._show_row(row)
        if row >= 0:
            self.side.list.setFocus()
        self.changed.emit(endpoints)

    def _show_row(self, row: int) -> None:
        endpoint = self._endpoints[row] if 0 <= row < len(self._endpoints) else None
        same = endpoint is not None and endpoint.id == self._wanted
        self._wanted = endpoint.id if endpoint is not None else None
        if not same:
            self._stop_test()
            self.findings.clear()
        self.form.show_endpoint(endpoint)
        self._edited()

    def _row(self) -> int:
        """Where the server that is edited stands; -1: nowhere."""
        return next((row for row, one in enumerate(self._endpoints) if one.id == self._wanted), -1)

    def _picked(self, row: int) -> None:
        self._leave(lambda: self._show_row(row))

    def _add(self) -> None:
        self.side.mark(-1)
        self._show_row(-1)
        self.form.address.setFocus()

    def _leave(self, then: Callable[[], None]) -> None:
        """Do something that would lose what was entered; ask first if there is any."""
        if not self.form.dirty:
            then()
            return
        text = _("What you have entered is not saved.")
        self.asking = Ask(_("Discard the changes?"), text, _("Discard"), "danger", self)
        self.asking.accepted.connect(then)
        self.asking.rejected.connect(lambda: self.side.mark(self._row()))
        self.asking.show()

    def _ask_remove(self) -> None:
        row = self._row()
        if row < 0:
            return
        endpoint = self._endpoints[row]
        text = _("Its address and key are forgotten. Conversations with it stay, and need another answerer.")
        title = _("Remove {name}?").format(name=endpoint.name)
        self.asking = Ask(title, text, _("Remove"), "danger", self)
        self.asking.accepted.connect(lambda: self._remove(endpoint.id))
        self.asking.show()

    def _remove(self, endpoint_id: str) -> None:
        self._bridge.submit(
            lambda _report: self._servers.remove(endpoint_id), self._removed, self._not_removed
        )

    def _removed(self, _nothing: object = None) -> None:
        self._wanted = None
        self.form.show_endpoint(None)
        self.findings.clear()
        self._read()

    def _not_removed(self, error: AppError) -> None:
        """Perhaps all of it, perhaps but its key: the list says."""
        self._failed(error)
        self._removed()

    def _saved(self, saved: Saved) -> None:
        self._saving = False
        self._wanted = saved.endpoint.id
        self.form.show_endpoint(saved.endpoint)
        if saved.dropped_key:
            self.notices.say("warn", dropped_key_text(saved.endpoint))
        elif saved.kept is not None:
            self.notices.say(
                "ok" if saved.kept == "keyring" else "warn", key_text(saved.endpoint, saved.kept)
            )
        self._read()

    def _not_saved(self, error: AppError) -> None:
        self._saving = False
        self._failed(error)

    def _failed(self, error: AppError) -> None:
        self.notices.say("fail", errors.text(error))

    def _found(self, found: Any) -> None:
        if not isinstance(found, Listed):
            self.findings.add(found)
            return
        self.form.show_models(found.models)
        if len(found.models) == 1 and not self.form.model.currentText():
            self._filled = True

    def _tested(self, _nothing: object = None) -> None:
        self._test = None
        self.findings.end()
        self._edited()
        if self._filled:  # there is but one model: nothing to choose
            self._filled = False
            self.form.model.setCurrentIndex(0)
            self.test()

    def _not_tested(self, error: AppError) -> None:
        self._test = None
        self.findings.refuse(error)
        self._edited()

    def _stop_test(self) -> None:
        test, self._test = self._test, None
        if test is not None:
            test.disconnect(self)
            test.cancel()
        self._edited()

    def _edited(self) -> None:
        entered = bool(self.form.draft().address)
        self.save_button.setEnabled(entered and self.form.dirty)
        self.test_button.setEnabled(entered or self._test is not None)
        self.test_button.setText(_("Stop") if self._test is not None else _("Test"))
        self.remove_button.setVisible(self._row() >= 0)

    def _lay_out(self) -> None:
        inner = QWidget()
        right = QVBoxLayout(inner)
        right.setContentsMargins(0, 0, GAP, 0)
        right.setSpacing(2 * GAP)
        for part in (self.notices, self.form, Rule(), self.findings):
            right.addWidget(part)
        right.addStretch(1)
        area = QScrollArea()
        area.setAccessibleName(self.windowTitle())
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        middle = QHBoxLayout()
        middle.setSpacing(2 * GAP)
        middle.addWidget(self.side)
        middle.addWidget(area, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addWidget(self.remove_button)
        foot.addStretch(1)
        for one in (self.close_button, self.test_button, self.save_button):
            foot.addWidget(one)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        column.setSpacing(2 * GAP)
        column.addWidget(label(_("Remote servers"), "subtitle"))
        column.addWidget(label(_(WHAT_FOR), "muted", wrap=True))
        column.addLayout(middle, 1)
        column.addLayout(foot)
