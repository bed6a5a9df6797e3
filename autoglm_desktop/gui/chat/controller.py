"""The open conversation and the answer that is being written, as the chat tab shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from ...core.conversation import AS_THE_MODEL_HAS_IT, ConversationSettings
from ...core.errors import AppError
from ...store.conversation_values import Deletion
from ...store.conversations import Conversation, Conversations, Picture, StoredMessage
from ...usecases import chat
from ...usecases.answering import Chooser
from ..bridge import Bridge
from ..session_model import SessionModel
from .answer_stream import Answering, AnswerStream
from .conversations_model import ConversationsModel


class ChatController(QObject):
    """Signals come after the state has changed; ``delta`` for the open conversation only."""

    messages_changed = Signal()
    began = Signal()  # an answer in the open conversation
    delta = Signal(str)
    busy_changed = Signal()
    settings_changed = Signal()
    deleted = Signal()  # messages of the open conversation
    named = Signal(int)  # the new conversation that is open is kept now, under this id
    reopened = Signal(int)  # what was open when it was deleted is there again
    left_out = Signal(object)  # names of settings that a server does not know; once for each
    failed = Signal(object)  # AppError, of an answer in the open conversation
    trouble = Signal(object)  # AppError, of anything else
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
        self._stream = stream = AnswerStream(bridge, session, self)
        stream.changed.connect(self.busy_changed)
        stream.asked.connect(self._asked)
        stream.delta.connect(self._said)
        stream.answered.connect(self._answered)
        stream.broken.connect(self._broken)
        stream.left_out.connect(self._left_out)
        self.current: Conversation | None = None
        self.messages: tuple[StoredMessage, ...] = ()
        self._fresh = AS_THE_MODEL_HAS_IT
        self._deletion: Deletion | None = None
        self._told: set[tuple[str | None, tuple[str, ...]]] = set()
        self._left: int | None = None  # open when it was deleted
        conversations.listed.connect(self._listed)
        conversations.returned.connect(self._returned)

    @property
    def answering(self) -> Answering | None:
        """The answer that is being written, wherever."""
        return self._stream.answering

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

    def unsent(self) -> tuple[int | None, str, tuple[Picture, ...]] | None:
        """A question that was asked and is not kept yet: its conversation, its text and its pictures."""
        answering = self.answering
        if answering is None or answering.asked is not None or not (answering.draft or answering.pictures):
            return None
        return _id(answering.conversation), answering.draft, answering.pictures

    def live(self) -> Answering | None:
        """The answer that is being written in the open conversation."""
        answering = self.answering
        if answering is None or answering.asked is None or self.current is None:
            return None
        return answering if answering.asked.conversation.id == self.current.id else None

    def open_conversation(self, conversation: int | None, message: int | None = None) -> None:
        """Show a conversation; None: a new one. ``message``: in the version that holds it."""
        found = self._conversations.get(conversation)
        if found is None and self.current is None:  # from a new one to a new one: with nothing set
            self._fresh = AS_THE_MODEL_HAS_IT
        self.current, self.messages = found, ()
        self.messages_changed.emit()
        self.settings_changed.emit()
        if found is None:
            return
        wanted = found.id
        if message is None or self._writes_in(wanted):  # the version that is being written stays
            self._call(lambda messages: self._show(wanted, messages), Conversations.messages, wanted)
        else:
            self._call(lambda messages: self._show(wanted, messages), Conversations.choose, wanted, message)

    def ask(self, text: str, pictures: Sequence[Picture] = ()) -> None:
        """Ask in the open conversation."""
        current, settings, shown = self.current, self._fresh, tuple(pictures)
        self._begin(
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
        self._begin(
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
        self._begin(
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
        self._begin(
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
        """Stop the answer; a second time without waiting for the engine."""
        self._stream.stop()

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
            self._left = conversation
            self.open_conversation(None)
        self._conversations.delete(conversation)

    def _returned(self, conversation: int) -> None:
        """A deletion was undone: who had it open, and has opened nothing since, sees it again."""
        if conversation == self._left and self.current is None and self.answering is None:
            self.reopened.emit(conversation)

    def _writes_in(self, conversation: int) -> bool:
        answering = self.answering
        if answering is None:
            return False
        asked = answering.asked.conversation if answering.asked is not None else answering.conversation
        return _id(asked) == conversation

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
        self._bridge.submit(lambda _report: self._archive.run(call, *arguments), on_result, self.trouble.emit)

    def _begin(self, answering: Answering, work: Callable[[], chat.Events]) -> None:
        answering.remote = self.settings.endpoint is not None
        self._stream.begin(answering, work)

    def _said(self, text: str) -> None:
        if self.live() is not None:
            self.delta.emit(text)

    def _asked(self, asked: chat.Asked) -> None:
        answering = self.answering
        here = _id(self.current)
        if answering is not None and answering.conversation is None:
            self._fresh = AS_THE_MODEL_HAS_IT  # they are its own from now on
        if answering is not None and here == _id(answering.conversation):
            self.current = asked.conversation
            if here is None:
                self.named.emit(asked.conversation.id)
            before = tuple(
                m for m in self.messages if m.id < asked.question.id
            )  # it may have been read meanwhile
            self.messages = (*before, asked.question)
            self.messages_changed.emit()
            self.began.emit()
        self._conversations.read()

    def _answered(self, answer: StoredMessage) -> None:
        if _id(self.current) == answer.conversation:
            self.messages = (*(m for m in self.messages if m.id < answer.id), answer)
            self.messages_changed.emit()

    def _left_out(self, names: tuple[str, ...]) -> None:
        told = (self.settings.endpoint, names)
        if told not in self._told:
            self._told.add(told)
            self.left_out.emit(names)

    def _broken(self, answering: Answering, error: AppError | None) -> None:
        """Show what the use case has kept of it, and say why."""
        asked = answering.asked
        where = asked.conversation if asked is not None else answering.conversation
        if asked is None and (answering.draft or answering.pictures):  # also one that was stopped
            self._conversations.read()
            self.draft_returned.emit(_id(where), answering.draft, answering.pictures)
        unsaved = error is not None and error.code == "state_unwritable"
        if asked is not None:
            reason = "unsaved" if unsaved else "failed" if error is not None else "cancelled"
            self._answered(dataclasses.replace(asked.answer, text=answering.text(), finish_reason=reason))
        if not unsaved or asked is None:  # what is shown of it is nowhere else
            self._read_again(_id(where))
        if error is not None and _id(where) == _id(self.current):
            self.failed.emit(error)
        elif error is not None:
            self.failed_elsewhere.emit(error, where)

    def _read_again(self, conversation: int | None) -> None:
        if conversation is not None:
            self._call(
                lambda messages: self._show(conversation, messages), Conversations.messages, conversation
            )


def _id(conversation: Conversation | None) -> int | None:
    return conversation.id if conversation is not None else None
