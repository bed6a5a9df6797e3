"""The system prompt of a conversation, and the library that it can be taken from and kept in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from ...core.errors import AppError
from ...i18n import _
from ...store.own_prompts import Prompt
from ...texts import errors
from ..theme import GAP
from ..widgets.buttons import button
from ..widgets.labels import label, set_role
from ..widgets.rows import in_row
from .answerer_choice import StillCombo
from .name_row import NameRow
from .prompt_shelf import PromptShelf

LINES = 7
PHONE_AGENT = ("phone_agent.zh", "phone_agent.en")


class PromptLibrary(QWidget):
    """``edited`` with every change of the text. ``prompts``: those of the program; ``shelf``: the user's own (None:
    none can be kept)."""

    edited = Signal()

    def __init__(
        self, prompts: Sequence[Prompt], shelf: PromptShelf | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._prompts, self._shelf = tuple(prompts), shelf
        self._known: frozenset[str] | None = None
        self._undo: Callable[[], None] | None = None
        self.text = QPlainTextEdit()
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(_("System prompt"))
        self.text.setPlaceholderText(_("Nothing: the model answers as it was trained to."))
        self.text.setFixedHeight(LINES * self.text.fontMetrics().lineSpacing() + 3 * GAP)
        self.combo = StillCombo(20)
        self.combo.setAccessibleName(_("Prompts"))
        self.use = button(_("Use"), self._use)
        self.use.setToolTip(_("In the place of what stands there; Ctrl+Z brings that back."))
        self.insert = button(_("Insert"), self._insert)
        self.insert.setToolTip(_("Where the cursor is"))
        self.agents = [self._agent(prompt_id) for prompt_id in PHONE_AGENT]
        self.keep = button(_("Keep this text…"), self._keep, "link")
        self.rename = button(_("Rename…"), self._rename, "link")
        self.remove = button(_("Delete"), self._remove, "link")
        self.naming = NameRow()
        self.status = label("", "muted", wrap=True)
        self.undo = button(_("Undo"), self._take_back, "link")
        self._lay_out()
        self._connect()
        self._fill()

    def words(self) -> str:
        """The system prompt."""
        return self.text.toPlainText()

    def show_text(self, text: str) -> None:
        """Another text from outside; says nothing."""
        if text != self.words():
            with QSignalBlocker(self.text):
                self.text.setPlainText(text)
            self._show_steps()

    def show_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Those of the program anew: the date in them may be another one."""
        self._prompts = tuple(prompts)
        self._fill()

    def chosen(self) -> Prompt | None:
        """What the library shows."""
        found = self.combo.currentData()
        return found if isinstance(found, Prompt) else None

    def choose(self, prompt_id: str) -> None:
        """Show a prompt of the library."""
        for row in range(self.combo.count()):
            found = self.combo.itemData(row)
            if isinstance(found, Prompt) and found.id == prompt_id:
                self.combo.setCurrentIndex(row)

    def _use(self) -> None:
        found = self.chosen()
        if found is not None:
            self._put(found.text, whole=True)

    def _put_agent(self, prompt_id: str) -> None:
        found = self._of_program(prompt_id)
        if found is not None:
            self._put(found.text, whole=True)

    def _of_program(self, prompt_id: str) -> Prompt | None:
        return next((one for one in self._prompts if one.id == prompt_id), None)

    def _insert(self) -> None:
        found = self.chosen()
        if found is not None:
            self._put(found.text, whole=False)

    def _put(self, text: str, *, whole: bool) -> None:
        """By an edit that Ctrl+Z takes back."""
        cursor = self.text.textCursor()
        if whole:
            cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        if whole:
            cursor.movePosition(QTextCursor.MoveOperation.Start)
        self.text.setTextCursor(cursor)
        self.text.setFocus()

    def _keep(self) -> None:
        first = self.words().strip().partition("\n")[0]
        self._say("")
        self.naming.ask(first[:40].strip(), lambda name: self._on_shelf(lambda s: s.keep(name, self.words())))

    def _rename(self) -> None:
        found = self.chosen()
        if found is not None:
            self._say("")
            self.naming.ask(found.name, lambda name: self._on_shelf(lambda s: s.rename(found.id, name)))

    def _remove(self) -> None:
        found = self.chosen()
        if found is None or not self._is_own(found):
            return
        self._on_shelf(lambda shelf: shelf.remove(found.id))
        self._say(_("“{name}” was deleted.").format(name=found.name))
        self._undo = lambda: self._on_shelf(lambda shelf: shelf.put_back(found))
        self.undo.show()

    def _take_back(self) -> None:
        undo = self._undo
        self._say("")
        if undo is not None:
            undo()

    def _on_shelf(self, call: Callable[[PromptShelf], None]) -> None:
        if self._shelf is not None:
            call(self._shelf)

    def _say(self, text: str, role: str = "muted") -> None:
        self._undo = None
        self.undo.hide()
        self.status.setText(text)
        self.status.setVisible(bool(text))
        set_role(self.status, role)

    def _failed(self, error: AppError) -> None:
        self._say(errors.text(error), "error")

    def _set_aside(self, path: Path) -> None:
        text = _("The file of your own prompts was damaged and lies at {path} now; a new one was begun.")
        self._say(text.format(path=path), "warn")

    def _fill(self) -> None:
        """The library: what was just kept is chosen, else what was chosen before."""
        own, shown = self._own(), self.chosen()
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for one in own:
                self.combo.addItem(one.name, one)
            if own:
                self.combo.insertSeparator(len(own))
            for one in self._prompts:
                self.combo.addItem(one.name, one)
            self.combo.setCurrentIndex(self.combo.count() - len(self._prompts))
            added = [one.id for one in own if self._known is not None and one.id not in self._known]
            for wanted in (shown.id if shown is not None else "", *added):
                self.choose(wanted)
        self._known = frozenset(one.id for one in own)
        self._show_steps()

    def _show_steps(self) -> None:
        found = self.chosen()
        own = found is not None and self._is_own(found)
        for one in (self.rename, self.remove):
            one.setVisible(own)
        self.keep.setVisible(self._shelf is not None and bool(self.words().strip()))

    def _agent(self, prompt_id: str) -> QPushButton:
        """The phone agent's prompt by one click."""
        found = self._of_program(prompt_id)
        made = button(found.name if found is not None else "", lambda: self._put_agent(prompt_id), "link")
        made.setVisible(found is not None)
        made.setToolTip(
            _("The prompt of the phone agent, with today's date, in the place of what stands there")
        )
        return made

    def _connect(self) -> None:
        self.text.textChanged.connect(self._show_steps)
        self.text.textChanged.connect(self.edited)
        self.combo.currentIndexChanged.connect(self._show_steps)
        self.naming.left.connect(self.text.setFocus)
        if self._shelf is not None:
            self._shelf.changed.connect(self._fill)
            self._shelf.failed.connect(self._failed)
            self._shelf.set_aside.connect(self._set_aside)
            self._shelf.read()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.text)
        column.addLayout(in_row(*self.agents, None, self.keep))
        column.addLayout(in_row(self.combo, self.use, self.insert, self.rename, self.remove, None))
        column.addWidget(self.naming)
        column.addLayout(in_row(self.status, self.undo))
        self.undo.hide()
        self.status.hide()

    def _own(self) -> tuple[Prompt, ...]:
        return self._shelf.prompts if self._shelf is not None else ()

    def _is_own(self, prompt: Prompt) -> bool:
        return any(one.id == prompt.id for one in self._own())
