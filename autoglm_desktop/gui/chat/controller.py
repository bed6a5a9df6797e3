"""What the chat tab knows and does: conversations, the open one, and the answer that is being written."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ...core.errors import AppError
from ...core.protocol import Delta, Sampling
from ...store.conversation_file import Opening
from ...store.conversation_values import Deletion
from ...store.conversations import Conversation, Conversations, Facts, StoredMessage
from ...usecases import chat
from ..bridge import Bridge, Job
from ..session_model import SessionModel

STOP_PATIENCE_MS = 3000
"""After Stop the engine ends within a token and says what it did; one that doesn't is no longer waited for."""

Events = AsyncGenerator["chat.Asked | Delta | chat.Answered", None]


@dataclass
class Answering:
    """An answer on its way. ``asked`` is set once the question is kept."""

    conversation: Conversation | None
    draft: str
    job: Job | None = None
    asked: chat.Asked | None = None
    parts: list[str] = field(default_factory=list)
    tokens: int = 0
    stopping: bool = False

    def text(self) -> str:
        return "".join(self.parts)


class ChatController(QObject):
    """Signals come after the state has changed; ``delta`` for the open conversation only."""

    opened = Signal(object)  # Opening
    listed = Signal()
    messages_changed = Signal()
    began = Signal()  # an answer in the open conversation
    delta = Signal(str)
    busy_changed = Signal()
    deleted = Signal()  # messages of the open conversation
    named = Signal(int)  # the new conversation that is open is kept now, under this id
    failed = Signal(object)  # AppError
    failed_elsewhere = Signal(object, object)  # the same of another one: AppError, its Conversation or None
    draft_returned = Signal(object, str)  # id of a conversation or None, a question that could not be kept

    def __init__(
        self,
        bridge: Bridge,
        session: SessionModel,
        conversations: Conversations,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._session = session
        self._archive = chat.Archive(conversations)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(STOP_PATIENCE_MS)
        self._patience.timeout.connect(self._stop_waiting)
        self.sampling = Sampling()
        self.is_open = False
        self.conversations: tuple[Conversation, ...] = ()
        self.current: Conversation | None = None
        self.messages: tuple[StoredMessage, ...] = ()
        self.answering: Answering | None = None
        self._deletion: Deletion | None = None

    def start(self) -> None:
        """Open the file of conversations."""
        self._bridge.submit(lambda _report: self._archive.open(), self._opened, self.failed.emit)

    async def close(self) -> None:
        """Close the file; on the loop, after all jobs have ended."""
        await self._archive.close()

    def live(self) -> Answering | None:
        """The answer that is being written in the open conversation."""
        answering = self.answering
        if answering is None or answering.asked is None or self.current is None:
            return None
        return answering if answering.asked.conversation.id == self.current.id else None

    def open_conversation(self, conversation: int | None) -> None:
        """Show a conversation; None: a new one."""
        found = next((c for c in self.conversations if c.id == conversation), None)
        self.current, self.messages = found, ()
        self.messages_changed.emit()
        if found is not None:
            wanted = found.id
            self._call(lambda messages: self._show(wanted, messages), Conversations.messages, wanted)

    def ask(self, text: str) -> None:
        """Ask in the open conversation."""
        current = self.current
        self._stream(
            Answering(current, text),
            lambda: chat.ask(self._archive, self._session.session, current, text, self.sampling),
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
            lambda: chat.ask_again(
                self._archive, self._session.session, conversation, question, self.sampling
            ),
        )

    def ask_edited(self, question: int, text: str) -> None:
        """Ask a question of the open conversation in other words."""
        conversation = self.current
        found = next((m for m in self.messages if m.id == question), None)
        if conversation is None or found is None or self.answering is not None:
            return
        self.messages = tuple(m for m in self.messages if m.id < question)
        self._stream(
            Answering(conversation, text),
            lambda: chat.ask_edited(
                self._archive, self._session.session, conversation, found, text, self.sampling
            ),
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
        if self._session.state.phase != "generating" or answering.stopping:
            answering.job.cancel()
        else:
            self._session.stop()
            self._patience.start()
        answering.stopping = True
        self.busy_changed.emit()

    def rename(self, conversation: int, title: str) -> None:
        self._call(lambda _done: self._list(), Conversations.rename, conversation, title)

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
        self._call(lambda _done: self._list(), Conversations.delete, conversation)

    def _opened(self, opening: Opening) -> None:
        self.is_open = True
        self.opened.emit(opening)
        self._list()

    def _list(self) -> None:
        self._call(self._listed, Conversations.all)

    def _listed(self, conversations: tuple[Conversation, ...]) -> None:
        self.conversations = conversations
        if self.current is not None:
            self.current = next((c for c in conversations if c.id == self.current.id), self.current)
        self.listed.emit()

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
        self._list()

    def _failed(self, error: AppError) -> None:
        answering = self.answering
        if answering is None:
            self.failed.emit(error)
            return
        where = answering.asked.conversation if answering.asked is not None else answering.conversation
        if answering.asked is None and answering.draft:
            self.draft_returned.emit(_id(where), answering.draft)
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
            return
        state = self._session.state
        facts = Facts(
            model=state.target.name if state.target is not None else None,
            rung=state.plan.rung if state.plan is not None else None,
            tokens=answering.tokens,
        )
        answer = answering.asked.answer
        self._end(dataclasses.replace(answer, text=answering.text(), finish_reason=reason, facts=facts))

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
