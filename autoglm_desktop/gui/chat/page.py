"""The chat tab: conversations at the left, the transcript, what is going on, and the composer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QWidget

from ...core.errors import AppError
from ...core.thinking import ReplyParser
from ...i18n import _
from ...store.conversation_file import Opening
from ...store.conversations import Conversation, Conversations
from ...usecases.session import SessionState
from ..bridge import Bridge
from ..session_model import SessionModel
from . import layout, words
from .controller import ChatController
from .document import Entry
from .entries import Entries, entries, reply_parts
from .message_steps import CAN, MessageSteps


class ChatPage(QWidget):
    """``models_wanted`` where a model has to be chosen first, ``engine_wanted(name)`` where an engine is to be
    installed. ``finish`` closes the file, on the bridge's loop."""

    models_wanted = Signal()
    engine_wanted = Signal(str)

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        conversations: Conversations,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._started = False
        self._tries_seen = 0
        self._failure: words.Notice | None = None
        self._drafts: dict[int | None, str] = {}
        self._shown: int | None = None
        self._reply = ReplyParser()
        self.controller = ChatController(bridge, session, conversations, self)
        self.parts = layout.build(self)
        self._steps = MessageSteps(self.controller, self.parts.composer, self._say_notice)
        self._connect()
        self._show_messages()
        self._show_state(session.state)

    async def finish(self) -> None:
        """Close the file of conversations. Called on the loop when all its work has ended."""
        await self.controller.close()

    def start(self) -> None:
        """Read the conversations; the first time the page is shown does it."""
        if not self._started:
            self._started = True
            self.controller.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.start()
        self.parts.composer.edit.setFocus()

    def _connect(self) -> None:
        parts, controller = self.parts, self.controller
        self._session.changed.connect(self._show_state)
        controller.opened.connect(self._opened)
        controller.listed.connect(self._listed)
        controller.messages_changed.connect(self._show_messages)
        controller.began.connect(self._begin_live)
        controller.delta.connect(self._say)
        controller.busy_changed.connect(self._busy_changed)
        controller.failed.connect(self._failed)
        controller.failed_elsewhere.connect(self._failed_elsewhere)
        controller.named.connect(self._named)
        controller.draft_returned.connect(self._take_back)
        parts.list.chosen.connect(self._open)
        parts.list.list.itemClicked.connect(lambda _item: parts.composer.edit.setFocus())
        parts.list.new_wanted.connect(lambda: self._open(None))
        parts.list.renamed.connect(controller.rename)
        parts.list.delete_wanted.connect(controller.delete)
        parts.rename.clicked.connect(lambda: self._with_current(parts.list.rename))
        parts.delete.clicked.connect(lambda: self._with_current(parts.list.delete))
        parts.transcript.acted.connect(self._act_on)
        parts.transcript.copied.connect(parts.say_copied)
        parts.empty.models_wanted.connect(self.models_wanted)
        parts.empty.suggested.connect(parts.composer.set_text)
        parts.notice.acted.connect(self._act)
        parts.opening.acted.connect(lambda _name: parts.opening.show_notice(None))
        parts.composer.sent.connect(self._send)
        parts.composer.stopped.connect(controller.stop)
        new = QShortcut(QKeySequence(QKeySequence.StandardKey.New), self)
        new.activated.connect(lambda: self._open(None))
        stop = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        stop.activated.connect(controller.stop)
        stop.activated.connect(self._steps.leave)

    def _send(self, text: str) -> None:
        self._failure = None
        if self._steps.send(text):
            self.parts.transcript.scroll_to_end()
            return
        self.parts.composer.set_text("")
        self.parts.transcript.scroll_to_end()
        self.controller.ask(text)

    def _open(self, conversation: int | None) -> None:
        self._failure = None
        self.controller.open_conversation(conversation)
        if conversation is None:
            self._show_list()
        self._show_state(self._session.state)
        self.parts.transcript.scroll_to_end()
        if conversation is None or not self.parts.list.list.hasFocus():  # the arrow keys go through the list
            self.parts.composer.edit.setFocus()

    def _opened(self, opening: Opening) -> None:
        self.parts.opening.show_notice(words.opening_notice(opening))
        self._show_state(self._session.state)

    def _show_list(self) -> None:
        current = self.controller.current
        self.parts.list.show_conversations(self.controller.conversations, current.id if current else None)
        self._show_title()

    def _listed(self) -> None:
        known = {None, *(conversation.id for conversation in self.controller.conversations)}
        self._drafts = {key: text for key, text in self._drafts.items() if key in known}  # ids are used again
        self._show_list()

    def _named(self, conversation: int) -> None:
        """What is being written stays where it is written."""
        self._shown = conversation

    def _take_back(self, conversation: int | None, text: str) -> None:
        """A question that could not be kept goes before what has been written since."""
        if conversation == self._shown:
            self.parts.composer.set_text("\n".join(filter(None, (text, self.parts.composer.text()))))
        else:
            self._drafts[conversation] = "\n".join(filter(None, (text, self._drafts.get(conversation))))

    def _show_title(self) -> None:
        current = self.controller.current
        self.parts.header.setVisible(current is not None)
        self.parts.title.set_text(current.title if current is not None else "")

    def _show_messages(self) -> None:
        """Draw the open conversation; keep the draft of the one that was open."""
        controller, parts = self.controller, self.parts
        here = controller.current.id if controller.current is not None else None
        if here != self._shown:
            self._steps.leave()
            self._drafts[self._shown] = parts.composer.text()
            self._shown = here
            parts.composer.set_text(self._drafts.pop(here, ""))
        shown = self._entries()
        parts.transcript.show_entries(shown)
        parts.stack.setCurrentIndex(0 if shown or here is not None else 1)
        self._show_title()

    def _entries(self) -> Entries:
        controller = self.controller
        return entries(controller.messages, busy=controller.answering is not None, can=CAN)

    def _begin_live(self) -> None:
        live = self.controller.live()
        if live is not None and live.asked is not None:
            self._reply = ReplyParser()
            self._reply.feed(live.text())
            entry = Entry(live.asked.answer.id, "assistant", "", parts=reply_parts(self._reply.parts))
            self.parts.transcript.begin(entry, _("Reading the question…"))

    def _say(self, text: str) -> None:
        for piece in self._reply.feed(text, time.monotonic()):
            self.parts.transcript.add(piece.text, piece.kind)

    def _busy_changed(self) -> None:
        answering = self.controller.answering
        if answering is not None and answering.stopping:
            self.parts.transcript.freeze()
        elif answering is None:
            self._show_messages()
        self._show_state(self._session.state)

    def _failed(self, error: AppError) -> None:
        last = self.controller.messages[-1] if self.controller.messages else None
        partial = last is not None and last.role == "assistant" and bool(last.text)
        locked = self._session.state.locked is not None
        self._failure = words.failure_notice(error, partial=partial, locked=locked)
        self._show_state(self._session.state)

    def _failed_elsewhere(self, error: AppError, conversation: Conversation | None) -> None:
        """Its next steps stand in its own conversation: here they would act on another one."""
        title = conversation.title if conversation is not None else _("New conversation")
        self._failure = words.elsewhere_notice(error, title)
        self._show_state(self._session.state)

    def _show_state(self, state: SessionState) -> None:
        """What the session does, and what may be done now."""
        controller, parts = self.controller, self.parts
        answering = controller.answering
        name = state.target.name if state.target is not None else None
        if state.phase in ("loading", "installing"):
            self._failure = None
            self._tries_seen = 0
        waiting = answering is not None and not answering.parts
        notice = words.state_notice(state, waiting=waiting, tries_seen=self._tries_seen)
        parts.notice.show_notice(self._failure or notice)
        parts.empty.set_state(state)
        parts.composer.set_state(
            ready=controller.is_open and name is not None and answering is None,
            busy=answering is not None,
            stopping=answering is not None and answering.stopping,
            hint=words.hint(answering is not None, self._elsewhere()),
            placeholder=words.placeholder(name),
        )

    def _elsewhere(self) -> str | None:
        """The title of another conversation in which an answer is being written."""
        answering = self.controller.answering
        if answering is None or answering.asked is None or self.controller.live() is not None:
            return None
        return answering.asked.conversation.title

    def _act(self, name: str) -> None:
        """A button of the notice."""
        steps: dict[str, Callable[[], Any]] = {
            "again": self._again,
            "continue": self._continue,
            "load": self.load_again,
            "unlock": lambda: self._session.load_with(None),
            "models": self.models_wanted.emit,
            "new": lambda: self._open(None),
            "cancel": self._cancel_loading,
            "close": self._close_notice,
            "leave": self._steps.leave,
            "undo": self._undo,
        }
        engine = words.engine_of(name)
        if engine is not None:
            self.engine_wanted.emit(engine)
        else:
            steps[name]()

    def _act_on(self, name: str, key: int) -> None:
        """A link below a message, or its menu."""
        if not self._steps.act(name, key):
            self._act(name)

    def _say_notice(self, notice: words.Notice | None) -> None:
        self._failure = notice
        self._show_state(self._session.state)

    def _again(self) -> None:
        self._failure = None
        if self.controller.messages:
            self.controller.ask_again()
        else:
            self._send(self.parts.composer.text().strip())

    def _continue(self) -> None:
        self._failure = None
        self.controller.ask(words.continue_question())

    def load_again(self) -> None:
        """Load the model that could not be loaded before."""
        if self._session.state.target is not None:
            self._session.load(self._session.state.target)

    def _cancel_loading(self) -> None:
        self._session.cancel_load()
        self.controller.stop()

    def _undo(self) -> None:
        self._say_notice(None)
        self.controller.undo()

    def _close_notice(self) -> None:
        self._failure = None
        self._tries_seen = len(self._session.state.tries)
        self._show_state(self._session.state)

    def _with_current(self, act: Callable[[int], None]) -> None:
        if self.controller.current is not None:
            act(self.controller.current.id)
