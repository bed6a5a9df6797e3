"""The chat tab: conversations at the left, the transcript, what is going on, and the composer."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QWidget

from ...core.errors import AppError
from ...core.thinking import ReplyParser
from ...i18n import _
from ...store.conversation_file import Opening
from ...store.conversations import Conversation, Conversations
from ...usecases.answering import Answerers
from ...usecases.archive import Archive
from ...usecases.pictures import Pictures
from ...usecases.remote_servers import servers_of
from ...usecases.services import Services
from ...usecases.session import SessionState
from ..bridge import Bridge
from ..session_model import SessionModel
from ..transcript.document import Entry
from ..transcript.entries import Entries, entries, reply_parts
from ..widgets import picture_sources
from . import greetings, layout, words
from .acts import Acts
from .controller import ChatController
from .conversations_model import ConversationsModel
from .demo import DemoStart
from .dialogs import Dialogs
from .endpoints_model import EndpointsModel
from .message_steps import CAN
from .notices import ChatNotices
from .writing import Writing


class ChatPage(QWidget):
    """``models_wanted`` where a model has to be chosen first, ``model_wanted(id)`` where one of the catalogue is to be
    looked at, ``engine_wanted(name)`` where an engine is to be installed, ``check_wanted``. ``finish`` closes the file,
    on the bridge's loop."""

    models_wanted = Signal()
    model_wanted = Signal(str)
    check_wanted = Signal()
    engine_wanted = Signal(str)

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        conversations: Conversations,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._started = False
        self._wanted: int | None = None
        self._reply = ReplyParser()
        self._archive = archive = Archive(conversations)
        self._pictures = Pictures(services)
        servers = servers_of(services)
        chooser = Answerers(session.session, servers, services.library, self._pictures, archive.pictures)
        self.conversations = ConversationsModel(bridge, archive, self)
        self.endpoints = EndpointsModel(bridge, servers, self)
        self.controller = ChatController(bridge, session, self.conversations, chooser, self)
        self.demo = DemoStart(
            bridge, services, session, lambda: self.controller.settings.endpoint is None, self
        )
        self.parts = layout.build(self, bridge)
        self.writing = Writing(
            bridge, services, archive, session, self.controller, self.endpoints, self.parts.composer, self
        )
        self.dialogs = Dialogs(
            bridge, services, session, self.controller, self.endpoints, self._pictures, self
        )
        self.notices = ChatNotices(self.parts.notice, session, self.controller, self.endpoints, self.writing)
        self._order = layout.TabOrder(self.parts)
        self.acts = Acts(
            session,
            self.conversations,
            self.controller,
            self.writing,
            self.notices,
            self.dialogs,
            self.parts.list,
            self,
        )
        self.setAcceptDrops(True)
        self._connect()
        self._show_messages()
        self._show_state(session.state)

    async def finish(self) -> None:
        """Write the draft and close the file of conversations. Called on the loop when all its work has ended, and no
        engine reads pictures any more."""
        try:
            if self._archive.is_open:  # a page that was never shown has read nothing, and holds nothing
                await self.writing.finish()
        finally:
            await self.conversations.close()
            await self._pictures.close()

    def start(self) -> None:
        """Read the conversations; the first time the page is shown does it."""
        if not self._started:
            self._started = True
            self.conversations.start()
            self.endpoints.start()
        self.demo.set_shown()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.start()
        if not event.spontaneous():  # the window came back: the keyboard is where it was
            self.parts.composer.edit.setFocus()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasImage() or event.mimeData().hasUrls():
            picture_sources.accept(event)

    def dropEvent(self, event: QDropEvent) -> None:
        if self.parts.composer.take(event.mimeData()):
            picture_sources.accept(event)

    def _connect(self) -> None:
        self._connect_state()
        self._connect_list()
        parts, controller = self.parts, self.controller
        parts.header.settings_wanted.connect(self.dialogs.open_settings)
        parts.header.phone_wanted.connect(self.dialogs.open_phone)
        parts.header.act.connect(lambda name: parts.unfold() if name == "rename" else None)
        parts.header.act.connect(self.acts.do_with_conversation)
        self.dialogs.models_wanted.connect(self.models_wanted)
        self.acts.models_wanted.connect(self.models_wanted)
        self.acts.engine_wanted.connect(self.engine_wanted)
        self.acts.new_wanted.connect(lambda: self._open(None))
        self.acts.send_wanted.connect(parts.composer.send_now)
        parts.transcript.acted.connect(self.acts.do_with_message)
        parts.transcript.copied.connect(parts.say_copied)
        parts.empty.models_wanted.connect(self.models_wanted)
        parts.empty.model_wanted.connect(self.model_wanted)
        parts.empty.check_wanted.connect(self.check_wanted)
        parts.empty.remote_wanted.connect(self.dialogs.open_settings)
        parts.empty.demo_wanted.connect(self.demo.load)
        parts.empty.suggested.connect(parts.composer.suggest)
        parts.notice.acted.connect(self.acts.do)
        parts.opening.acted.connect(lambda _name: parts.opening.show_notice(None))
        for card in (parts.notice, parts.opening):
            card.arranged.connect(self._order.follow)
            card.left.connect(parts.composer.edit.setFocus)
        self.writing.changed.connect(self._order.follow)
        self._order.follow()
        parts.composer.sent.connect(self._send)
        parts.composer.stopped.connect(controller.stop)
        new = QShortcut(QKeySequence(QKeySequence.StandardKey.New), self)
        new.activated.connect(lambda: self._open(None))
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.activated.connect(parts.search)
        stop = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        stop.activated.connect(self._escape)

    def _connect_state(self) -> None:
        controller, conversations = self.controller, self.conversations
        self._session.changed.connect(self._show_state)
        self.demo.changed.connect(self._refresh)
        self.demo.failed.connect(self.notices.trouble)
        controller.settings_changed.connect(self.demo.consider)
        self.endpoints.changed.connect(self._show_servers)
        self.endpoints.failed.connect(self.notices.trouble)
        self.writing.changed.connect(self._refresh)
        self.writing.failed.connect(self.notices.trouble)
        self.writing.measured.connect(self.parts.header.set_meter)
        conversations.opened.connect(self._opened)
        conversations.listed.connect(self._show_list)
        conversations.failed.connect(self.notices.trouble)
        conversations.removed.connect(self._removed)
        controller.messages_changed.connect(self._show_messages)
        controller.settings_changed.connect(self._refresh)
        controller.began.connect(self._begin_live)
        controller.delta.connect(self._say)
        controller.busy_changed.connect(self._busy_changed)
        controller.failed.connect(self.notices.failed)
        controller.trouble.connect(self.notices.trouble)
        controller.failed_elsewhere.connect(self.notices.failed_elsewhere)
        controller.reopened.connect(self._open)
        controller.left_out.connect(lambda names: self.notices.say(words.left_out_notice(names)))
        controller.named.connect(self.writing.named)
        controller.draft_returned.connect(self.writing.take_back)

    def _connect_list(self) -> None:
        found, conversations = self.parts.list, self.conversations
        found.chosen.connect(self._open)
        found.list.clicked.connect(lambda _index: self.parts.composer.edit.setFocus())
        found.left.connect(self.parts.composer.edit.setFocus)
        found.new_wanted.connect(lambda: self._open(None))
        found.renamed.connect(conversations.rename)
        found.pinned.connect(conversations.pin)
        found.delete_wanted.connect(self.controller.delete)
        found.searched.connect(conversations.search)
        conversations.found.connect(found.show_found)
        found.hit_chosen.connect(self._open_hit)
        found.export_wanted.connect(self.acts.exchange.export)
        found.export_all_wanted.connect(self.acts.exchange.export_all)
        found.import_wanted.connect(self.acts.exchange.import_file)

    def put_away(self) -> None:
        """The window closes: keep what is being typed just now. ``finish`` follows."""
        self.dialogs.flush()
        found = (self.controller.unsent(), self.acts.messages.unsent())
        self.writing.unsent += [one for one in found if one is not None]

    def _escape(self) -> None:
        """One thing at a time: the answer first."""
        if self.controller.answering is not None:
            self.controller.stop()
        else:
            self.acts.messages.leave()

    def _send(self, text: str) -> None:
        if self.controller.answering is not None:
            return
        self.dialogs.flush()
        self.notices.say(None)
        self.parts.transcript.scroll_to_end()
        if not self.acts.messages.send(text):
            self.controller.ask(text, self.writing.sent())

    def _open(self, conversation: int | None) -> None:
        self.dialogs.flush()
        self._wanted = None
        self.notices.say(None)
        self.controller.open_conversation(conversation)
        self.parts.list.set_current(conversation)
        self._refresh()
        self.parts.transcript.scroll_to_end()
        if conversation is None or not self.parts.list.list.hasFocus():  # the arrow keys go through the list
            self.parts.composer.edit.setFocus()

    def _open_hit(self, conversation: int, message: int) -> None:
        """A place that the search has found, in whatever version it lies."""
        if self.conversations.get(conversation) is None:
            self.notices.trouble(AppError("conversation_gone"))
            return
        self.dialogs.flush()
        self._wanted = message if message >= 0 else None
        self.notices.say(None)
        self.controller.open_conversation(conversation, self._wanted)
        self.parts.list.set_current(conversation)
        self._refresh()

    def _opened(self, opening: Opening) -> None:
        self.parts.opening.show_notice(words.opening_notice(opening))
        self.writing.start()
        self._refresh()

    def _show_servers(self) -> None:
        self.parts.list.show_servers(self.endpoints.all)
        self._refresh()

    def _show_list(self) -> None:
        current = self.controller.current
        self.parts.list.show_conversations(self.conversations.all, current.id if current else None)
        self._show_header()

    def _show_header(self) -> None:
        controller, state = self.controller, self._session.state
        settings, endpoint = controller.settings, self.endpoints.of(controller.settings)
        model, demo = greetings.model(state, settings, endpoint), greetings.is_demo(state, settings)
        self.parts.header.show_chat(controller.current, settings, endpoint, model, demo=demo)

    def _show_messages(self) -> None:
        """Draw the open conversation; keep the draft of the one that was open."""
        controller, parts = self.controller, self.parts
        here = controller.current.id if controller.current is not None else None
        if here != self.writing.shown:
            self.acts.messages.switch(here)
        self.acts.messages.follow()
        shown = self._entries()
        parts.transcript.show_entries(shown)
        if self._wanted is not None and shown.place_of(self._wanted) is not None:
            parts.transcript.show_message(self._wanted)
            self._wanted = None
        parts.stack.setCurrentIndex(0 if shown or here is not None else 1)
        self._show_header()

    def _entries(self) -> Entries:
        controller = self.controller
        busy = controller.answering is not None
        return entries(controller.messages, busy=busy, can=CAN, folder=self._archive.pictures)

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

    def _refresh(self) -> None:
        self._show_state(self._session.state)

    def _show_state(self, state: SessionState) -> None:
        """What the session does, and what may be done now."""
        controller, parts = self.controller, self.parts
        answering, settings = controller.answering, controller.settings
        endpoint = self.endpoints.of(settings)
        name = greetings.who(state, settings, endpoint)
        self.notices.refresh()
        remote = settings.endpoint is not None
        parts.empty.set_state(state, endpoint, remote=remote, demo=self.demo)
        demo = greetings.is_demo(state, settings) or (not remote and bool(self.demo.coming))
        able = name is not None and not self.endpoints.gone(settings)
        parts.composer.set_state(
            ready=self.conversations.is_open and able and answering is None,
            busy=answering is not None,
            stopping=answering is not None and answering.stopping,
            hint=greetings.hint(answering is not None, self._elsewhere()),
            placeholder=greetings.placeholder(name, remote=remote, demo=demo),
        )
        self._show_header()

    def _elsewhere(self) -> str | None:
        """The title of another conversation in which an answer is being written."""
        answering = self.controller.answering
        if answering is None or answering.asked is None or self.controller.live() is not None:
            return None
        return answering.asked.conversation.title

    def load_again(self) -> None:
        """Load the model that could not be loaded before."""
        self.acts.load_again()

    def _removed(self, conversation: Conversation) -> None:
        self.notices.say(words.removed_notice(conversation.title))
