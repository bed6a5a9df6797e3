"""What the buttons of the chat tab do: those of the card above the composer, of the header's menu, below a message."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from .. import shortcuts
from ..conversations.conversation_list import ConversationList
from ..session_model import SessionModel
from . import words
from .controller import ChatController
from .conversations_model import JSON, MARKDOWN, ConversationsModel
from .dialogs import Dialogs
from .exchange import Exchange
from .message_steps import MessageSteps
from .notices import ChatNotices
from .writing import Writing


class Acts(QObject):
    """``send_wanted``: what is in the composer, once more; ``new_wanted``: a new conversation."""

    models_wanted = Signal()
    engine_wanted = Signal(str)
    new_wanted = Signal()
    send_wanted = Signal()

    def __init__(
        self,
        session: SessionModel,
        conversations: ConversationsModel,
        controller: ChatController,
        writing: Writing,
        notices: ChatNotices,
        dialogs: Dialogs,
        listed: ConversationList,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._session, self._conversations, self._controller = session, conversations, controller
        self._writing, self._notices, self._dialogs = writing, notices, dialogs
        self._list, self._widget = listed, parent
        self.exchange = Exchange(conversations, notices.say, parent)
        self.messages = MessageSteps(controller, writing, notices.say)

    def do(self, name: str) -> None:
        """A button of the card, or the last message's: see ``words.Action``."""
        engine = words.engine_of(name)
        if engine is not None:
            self.engine_wanted.emit(engine)
            return
        steps: dict[str, Callable[[], object]] = {
            "again": self._again,
            "continue": self._continue,
            "load": self.load_again,
            "unlock": lambda: self._session.load_with(None),
            "models": self.models_wanted.emit,
            "new": self.new_wanted.emit,
            "cancel": self._cancel_loading,
            "close": self._notices.close,
            "leave": self.messages.leave,
            "undo": self._undo,
            "undo_conversation": self._undo_conversation,
            "see": self._writing.load_seeing,
            "without": self._writing.attachments.clear,
            "settings": self._dialogs.open_settings,
        }
        steps[name]()

    def do_with_message(self, name: str, key: int) -> None:
        """A link below a message, or its menu."""
        if not self.messages.act(name, key):
            self.do(name)

    def do_with_conversation(self, name: str) -> None:
        """The menu of the open conversation: rename | pin | export_markdown | export_json | delete | shortcuts."""
        if name == "shortcuts":
            shortcuts.show(self._widget.window())
            return
        current = self._controller.current
        if current is None:
            return
        steps: dict[str, Callable[[], object]] = {
            "rename": lambda: self._list.rename(current.id),
            "pin": lambda: self._conversations.pin(current.id, not current.pinned),
            "export_markdown": lambda: self.exchange.export(current.id, MARKDOWN),
            "export_json": lambda: self.exchange.export(current.id, JSON),
            "delete": lambda: self._controller.delete(current.id),
        }
        steps[name]()

    def load_again(self) -> None:
        """Load the model that could not be loaded before."""
        if self._session.state.target is not None:
            self._session.load(self._session.state.target)

    def _again(self) -> None:
        self._notices.say(None)
        if self._controller.messages:
            self._controller.ask_again()
        else:
            self.send_wanted.emit()

    def _continue(self) -> None:
        """In the same message; a server can only be asked to."""
        self._notices.say(None)
        if self._controller.settings.endpoint is None:
            self._controller.go_on()
        else:
            self._controller.ask(words.continue_question())

    def _cancel_loading(self) -> None:
        self._session.cancel_load()
        self._controller.stop()

    def _undo(self) -> None:
        self._notices.say(None)
        self._controller.undo()

    def _undo_conversation(self) -> None:
        self._notices.say(None)
        self._conversations.undo()
