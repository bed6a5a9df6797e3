"""What is done with one message: asked in other words, answered again, another version of it, deleted from there on."""

from __future__ import annotations

from collections.abc import Callable

from ...i18n import _
from ...store.conversations import Picture, StoredMessage
from .controller import ChatController
from .words import Action, Notice
from .writing import Writing

CAN = frozenset(("edit", "again", "delete"))
"""What entries offer beside what they always do."""


class MessageSteps:
    """``notice`` shows a card above the composer, or takes it away."""

    def __init__(
        self, controller: ChatController, writing: Writing, notice: Callable[[Notice | None], None]
    ) -> None:
        self._controller, self._writing, self._notice = controller, writing, notice
        self._edited: StoredMessage | None = None
        controller.deleted.connect(self._deleted)

    def act(self, name: str, key: int) -> bool:
        """Do it; whether it was one of these steps. Nothing is done while an answer is written."""
        steps: dict[str, Callable[[StoredMessage], None]] = {
            "edit": self._edit,
            "again": lambda message: self._controller.ask_again(message.id),
            "delete": lambda message: self._controller.delete_from(message.id),
            "older": lambda message: self._choose(message, -1),
            "newer": lambda message: self._choose(message, 1),
        }
        if name not in steps:
            return False
        message = next((found for found in self._controller.messages if found.id == key), None)
        if message is not None and self._controller.answering is None:
            if name != "edit":
                self._notice(None)
            steps[name](message)
        return True

    def send(self, text: str) -> bool:
        """Ask the question that is edited with this text; whether one is."""
        edited = self._edited
        if edited is None:
            return False
        pictures = self._writing.attachments.pictures()
        self.leave()
        if self._is_shown(edited):
            self._controller.ask_edited(edited.id, text, pictures)
        else:
            self._controller.ask(text, pictures)
        return True

    def leave(self) -> None:
        """Edit no more; what stood in the composer comes back."""
        if self._edited is not None:
            self._edited = None
            self._writing.leave()
            self._notice(None)

    def switch(self, conversation: int | None) -> None:
        """Another conversation is shown: what was written on a question waits as a draft where it was asked."""
        unsent = self.unsent()
        self.leave()
        self._writing.switch(conversation)
        if unsent is not None:
            self._writing.take_back(*unsent)

    def follow(self) -> None:
        """Edit no more what is shown no more; what was written on it is not lost."""
        edited, unsent = self._edited, self.unsent()
        if edited is not None and self._controller.messages and not self._is_shown(edited):
            self.leave()
            if unsent is not None:
                self._writing.take_back(*unsent)

    def unsent(self) -> tuple[int | None, str, tuple[Picture, ...]] | None:
        """The conversation, the text and the pictures of a question that is edited, where they are changed."""
        edited, writing = self._edited, self._writing
        if edited is None:
            return None
        text, pictures = writing.composer.text(), writing.attachments.pictures()
        changed = (text.strip(), pictures) != (edited.text.strip(), edited.pictures)
        return (writing.shown, text, pictures) if changed else None

    def _is_shown(self, message: StoredMessage) -> bool:
        return any(found.id == message.id for found in self._controller.messages)

    def _edit(self, message: StoredMessage) -> None:
        self._edited = message
        self._writing.edit(message.text, message.pictures)
        self._notice(None)

    def _choose(self, message: StoredMessage, by: int) -> None:
        place = message.versions.index(message.id) + by if message.id in message.versions else -1
        if 0 <= place < len(message.versions):
            self._controller.choose(message.versions[place])

    def _deleted(self) -> None:
        steps = (Action("undo", _("Undo"), "primary"), Action("close", _("Close")))
        self._notice(Notice("info", _("The messages are deleted."), actions=steps))
