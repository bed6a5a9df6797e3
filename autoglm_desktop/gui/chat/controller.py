"""The open conversation and the answer that is being written, as the chat tab shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.conversation import AS_THE_MODEL_HAS_IT, ConversationSettings
from ...core.errors import AppError
from ...core.protocol import Delta
from ...store.conversation_values import Deletion
from ...store.conversations import Conversation, Conversations, Picture, StoredMessage
from ...usecases import chat
from ...usecases.answering import Chooser
from ..bridge import Bridge, Job
from ..session_model import SessionModel
from .conversations_model import ConversationsModel

STOP_PATIENCE_MS = 3000
"""After Stop the engine ends within a token and says what it did; one that doesn't is no longer waited for."""

Events = AsyncGenerator["chat.Asked | Delta | chat.Answered", None]


@dataclass
class Answering:
    """An answer on its way. ``asked`` is set once the question is kept; ``begun``: what stood in the answer before;
    ``remote``: a server writes it."""

    conversation: Conversation | None
    draft: str
    pictures: tuple[Picture, ...] = ()
    remote: bool = False
    begun: str = ""
    job: Job | None = None
    asked: chat.Asked | None = None
    parts: list[str] = field(default_factory=list)
    tokens: int = 0
    stopping: bool = False

    def text(self) -> str:
        return self.begun + "".join(self.parts)


class ChatController(QObject):
    """Signals come after the state has changed; ``delta`` for the open conversation only."""

    messages_changed = Signal()
    began = Signal()  # an answer in the open conversation
    delta = Signal(str)
    busy_changed = Signal()
    settings_changed = Signal()
    deleted = Signal()  # messages of the open conversation
    named = Signal(int)  # the new conversation that is open is kept now, under this id
    failed = Signal(object)  # AppError
    failed_elsewhere = Signal(object, object)  # the same of another one: AppError, its Conversation or None
    draft_returned = Signal(object, str, object)  # id of a conversation or None, a question, its pictures

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        conversations: ConversationsModel,
        chooser: Chooser,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._session = bridge, session
        self._conversations, self._chooser = conversations, chooser
        self._archive = conversations.archive
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(STOP_PATIENCE_MS)
        self._patience.timeout.connect(self._stop_waiting)
        self.current: Conversation | None = None
        self.messages: tuple[StoredMessage, ...] = ()
        self.answering: Answering | None = None
        self._fresh = AS_THE_MODEL_HAS_IT
        self._deletion: Deletion | None = None
        conversations.listed.connect(self._listed)

    @property
    def settings(self) -> ConversationSettings:
        """Of the open conversation, or of the one that is not begun yet."""
        return self.current.settings if self.current is not None else self._fresh

    def change_settings(self, settings: ConversationSettings) -> None:
        """What the next answer of the open conversation is asked for with."""
        if self.current is None:
            self._fresh = settings
        else:
            self.current = dataclasses.replace(self.current, settings=settings)
            self._conversations.change_settings(self.current.id, settings)
        self.settings_changed.emit()

    def live(self) -> Answering | None:
        """The answer that is being written in the open conversation."""
        answering = self.answering
        if answering is None or answering.asked is None or self.current is None:
            return None
        return answering if answering.asked.conversation.id == self.current.id else None

    def open_conversation(self, conversation: int | None, message: int | None = None) -> None:
        """Show a conversation; None: a new one. ``message``: in the version that holds it."""
        found = self._conversations.get(conversation)
        self.current, self.messages = found, ()
        self._fresh = AS_THE_MODEL_HAS_IT
        self.messages_changed.emit()
        self.settings_changed.emit()
        if found is None:
            return
        wanted = found.id
        if message is None:
            self._call(lambda messages: self._show(wanted, messages), Conversations.messages, wanted)
        else:
            self._call(lambda messages: self._show(wanted, messages), Conversations.choose, wanted, message)

    def ask(self, text: str, pictures: Sequence[Picture] = ()) -> None:
        """Ask in the open conversation."""
        current, settings, shown = self.current, self._fresh, tuple(pictures)
        self._stream(
            Answering(current, text, shown),
            lambda: chat.ask(self._archive, self._chooser, current, text, pictures=shown, settings=settings),
        )

    def ask_again(self, answer: int | None = None) -> None:
        """Answer a question of the open conversation again: the one of ``answer``, or the last."""
        conversation = self.current
        asked = [m for m in self.messages if m.role == "user" and (answer is None or m.id < answer)]
        if conversation is None or not asked or self.answering is not None:
            return
        question = asked[-1]
        self.messages = tuple(m for m in self.messages if m.id < question.id)
        self._stream(
            Answering(conversation, ""),
            lambda: chat.ask_again(self._archive, self._chooser, conversation, question),
        )

    def ask_edited(self, question: int, text: str, pictures: Sequence[Picture] = ()) -> None:
        """Ask a question of the open conversation in other words, with these pictures."""
        conversation, shown = self.current, tuple(pictures)
        found = next((m for m in self.messages if m.id == question), None)
        if conversation is None or found is None or self.answering is not None:
            return
        self.messages = tuple(m for m in self.messages if m.id < question)
        self._stream(
            Answering(conversation, text, shown),
            lambda: chat.ask_edited(self._archive, self._chooser, conversation, found, text, pictures=shown),
        )

    def go_on(self) -> None:
        """Write the last answer of the open conversation on, in the same message."""
        conversation = self.current
        last = self.messages[-1] if self.messages else None
        if conversation is None or last is None or last.role != "assistant" or self.answering is not None:
            return
        self.messages = self.messages[:-1]
        if self.messages and self.messages[-1].role == "user":
            self.messages = self.messages[:-1]  # ``asked`` brings it back
        self._stream(
            Answering(conversation, "", begun=last.text),
            lambda: chat.go_on(self._archive, self._chooser, conversation, last),
        )

    def choose(self, version: int) -> None:
        """Show another version of a message, and what follows it."""
        self._change_messages(lambda _done: None, Conversations.choose, version)

    def delete_from(self, message: int) -> None:
        """Take a message and all after it away; ``deleted`` follows, and ``undo`` brings them back."""
        self._change_messages(self._took_away, Conversations.delete_from, message)

    def undo(self) -> None:
        """Bring back the messages that were deleted last."""
        deletion, self._deletion = self._deletion, None
        if deletion is not None:
            self._change_messages(lambda _done: None, lambda store, _conversation: store.undo(deletion))

    def _took_away(self, deletion: Deletion) -> None:
        self._deletion = deletion
        self.deleted.emit()

    def _change_messages(
        self, on_result: Callable[[Any], None], call: Callable[..., Any], *arguments: object
    ) -> None:
        """Change the open conversation's messages and show them as they are then."""
        if self.current is None:
            return
        wanted = self.current.id

        def change(store: Conversations) -> tuple[object, tuple[StoredMessage, ...]]:
            return call(store, wanted, *arguments), store.messages(wanted)

        def changed(found: tuple[object, tuple[StoredMessage, ...]]) -> None:
            self._show(wanted, found[1])
            on_result(found[0])

        self._call(changed, change)

    def stop(self) -> None:
        """Stop the answer; a second time, or while nothing is generated yet, without waiting for the engine."""
        answering = self.answering
        if answering is None or answering.job is None:
            return
        if answering.remote or self._session.state.phase != "generating" or answering.stopping:
            answering.job.cancel()
        else:
            self._session.stop()
            self._patience.start()
        answering.stopping = True
        self.busy_changed.emit()

    def delete(self, conversation: int) -> None:
        """Delete a conversation; an answer that is being written in it is stopped first."""
        answering = self.answering
        asked = answering.asked if answering is not None else None
        if answering is not None and asked is not None and asked.conversation.id == conversation:
            assert answering.job is not None
            answering.job.ended.connect(lambda: self._delete(conversation))
            answering.job.cancel()
        else:
            self._delete(conversation)

    def _delete(self, conversation: int) -> None:
        if self.current is not None and self.current.id == conversation:
            self.open_conversation(None)
        self._conversations.delete(conversation)

    def _listed(self) -> None:
        if self.current is not None:
            self.current = self._conversations.get(self.current.id) or self.current

    def _show(self, conversation: int, messages: tuple[StoredMessage, ...]) -> None:
        if self.current is None or self.current.id != conversation:
            return
        live = self.live()
        self.messages = messages
        if live is not None and live.asked is not None:
            answer = live.asked.answer.id
            self.messages = tuple(m for m in messages if m.id < answer)
        self.messages_changed.emit()
        if live is not None:
            self.began.emit()

    def _call(self, on_result: Callable[[Any], None], call: Callable[..., Any], *arguments: object) -> None:
        self._bridge.submit(lambda _report: self._archive.run(call, *arguments), on_result, self.failed.emit)

    def _stream(self, answering: Answering, work: Callable[[], Events]) -> None:
        if self.answering is not None:
            return
        answering.remote = self.settings.endpoint is not None
        self.answering = answering
        job = self._bridge.stream(work, self._event, on_error=self._failed)
        job.cancelled.connect(self._cancelled)
        answering.job = job
        self.busy_changed.emit()

    def _event(self, event: object) -> None:
        answering = self.answering
        if answering is None:
            return
        if isinstance(event, Delta):
            answering.parts.append(event.text)
            answering.tokens = event.tokens
            if self.live() is not None and not answering.stopping:
                self.delta.emit(event.text)
        elif isinstance(event, chat.Asked):
            self._asked(answering, event)
        elif isinstance(event, chat.Answered):
            self._end(event.answer)

    def _asked(self, answering: Answering, asked: chat.Asked) -> None:
        answering.asked = asked
        here = _id(self.current)
        if here == _id(answering.conversation):
            self.current = asked.conversation
            if here is None:
                self.named.emit(asked.conversation.id)
            self.messages = (*self.messages, asked.question)
            self.messages_changed.emit()
            self.began.emit()
        self._conversations.read()

    def _failed(self, error: AppError) -> None:
        answering = self.answering
        if answering is None:
            self.failed.emit(error)
            return
        where = answering.asked.conversation if answering.asked is not None else answering.conversation
        if answering.asked is None and (answering.draft or answering.pictures):
            self.draft_returned.emit(_id(where), answering.draft, answering.pictures)
        self._end_early("unsaved" if error.code == "state_unwritable" else "failed")
        if _id(where) == _id(self.current):
            self.failed.emit(error)
        else:
            self.failed_elsewhere.emit(error, where)

    def _cancelled(self) -> None:
        self._end_early("cancelled")

    def _stop_waiting(self) -> None:
        if self.answering is not None and self.answering.job is not None and self.answering.stopping:
            self.answering.job.cancel()

    def _end_early(self, reason: str) -> None:
        """As the use case has kept it."""
        answering = self.answering
        if answering is None:
            return
        if answering.asked is None:
            self._end(None)
            self._read_again(_id(answering.conversation))
            return
        answer = answering.asked.answer
        self._end(dataclasses.replace(answer, text=answering.text(), finish_reason=reason))
        if reason != "unsaved":
            self._read_again(answer.conversation)

    def _read_again(self, conversation: int | None) -> None:
        if conversation is not None:
            self._call(
                lambda messages: self._show(conversation, messages), Conversations.messages, conversation
            )

    def _end(self, answer: StoredMessage | None) -> None:
        shown = self.live() is not None
        self._patience.stop()
        self.answering = None
        if shown and answer is not None:
            self.messages = (*self.messages, answer)
            self.messages_changed.emit()
        self.busy_changed.emit()


def _id(conversation: Conversation | None) -> int | None:
    return conversation.id if conversation is not None else None
