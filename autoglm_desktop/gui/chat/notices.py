"""Which card stands above the composer."""

from __future__ import annotations

from ...core.errors import AppError
from ...i18n import _
from ...store.conversations import Conversation
from ..session_model import SessionModel
from . import words
from .controller import ChatController
from .endpoints_model import EndpointsModel
from .notice_card import NoticeCard
from .words import Notice
from .writing import Writing


class ChatNotices:
    """One at a time: what was said last, until it is closed or something new is done; else what the session does, and
    what the pictures of the question need."""

    def __init__(
        self,
        card: NoticeCard,
        session: SessionModel,
        controller: ChatController,
        endpoints: EndpointsModel,
        writing: Writing,
    ) -> None:
        self._card, self._session = card, session
        self._controller, self._endpoints, self._writing = controller, endpoints, writing
        self._said: Notice | None = None
        self._tries_seen = 0
        self._was_loading = False

    def say(self, notice: Notice | None) -> None:
        """Show this; None: nothing of what was said before."""
        self._said = notice
        self.refresh()

    def close(self) -> None:
        """The user has read it."""
        self._tries_seen = len(self._session.state.tries)
        self.say(None)

    def failed(self, error: AppError) -> None:
        """What was done here could not be done."""
        messages = self._controller.messages
        last = messages[-1] if messages else None
        partial = last is not None and last.role == "assistant" and bool(last.text)
        locked = self._session.state.locked is not None
        self.say(words.failure_notice(error, partial=partial, locked=locked))

    def trouble(self, error: AppError) -> None:
        """Something else than an answer could not be done."""
        self.say(words.trouble_notice(error))

    def failed_elsewhere(self, error: AppError, conversation: Conversation | None) -> None:
        """Its next steps stand in its own conversation: here they would act on another one."""
        title = conversation.title if conversation is not None else _("New conversation")
        self.say(words.elsewhere_notice(error, title))

    def _follow_loading(self, loading: bool) -> None:
        """What failed is over when a model is loaded; what can be undone is not."""
        if loading:
            self._tries_seen = 0
        if loading and not self._was_loading and self._said is not None and self._said.tone != "info":
            self._said = None
        self._was_loading = loading

    def refresh(self) -> None:
        """Show what is to be shown now."""
        state, answering = self._session.state, self._controller.answering
        self._follow_loading(state.phase in ("loading", "installing"))
        waiting = answering is not None and not answering.parts and not answering.remote
        loads = words.state_notice(state, waiting=waiting, tries_seen=self._tries_seen)
        gone = words.gone_notice() if self._endpoints.gone(self._controller.settings) else None
        pictures = self._writing.notice
        editing = words.editing_notice() if self._writing.editing else None
        shown = self._said or gone or words.first(loads, words.beside(editing, pictures))
        away = self._endpoints.of(self._controller.settings) is not None
        self._card.show_notice(words.beside(shown, pictures) if away else shown)
