"""What fills the window's frame: the three pages, the engine's banner, the badge, and how they speak to each other."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ..store.conversations import Conversations
from ..usecases.services import Services
from .badge import Badge
from .bridge import Bridge
from .chat.page import ChatPage
from .engine_banner import EngineBanner
from .main_window import CHAT, MODELS
from .models.page import ModelsPage
from .session_model import SessionModel
from .system.page import SystemPage


class Contents(QObject):
    """``page_wanted(index)`` when a page sends the user to another one. ``start`` begins what takes time."""

    page_wanted = Signal(int)

    def __init__(
        self, bridge: Bridge, services: Services, session: SessionModel, conversations: Conversations
    ) -> None:
        super().__init__()
        self.system = SystemPage(bridge, services)
        self.models = ModelsPage(bridge, services, session)
        self.chat = ChatPage(bridge, session, conversations)
        self.banner = EngineBanner(bridge, services)
        self.badge = Badge(session)
        self.pages: tuple[QWidget, ...] = (self.system, self.models, self.chat)
        self.system.checked.connect(self.models.set_check)
        self.system.models_wanted.connect(lambda: self.page_wanted.emit(MODELS))
        self.models.chat_wanted.connect(lambda: self.page_wanted.emit(CHAT))
        self.chat.models_wanted.connect(lambda: self.page_wanted.emit(MODELS))
        self.banner.changed.connect(self.system.start)
        self.system.engine_test_wanted.connect(self.banner.test_again)

    def start(self) -> None:
        """The check, and the engine that belongs to set-up."""
        self.system.start()
        self.banner.start()
