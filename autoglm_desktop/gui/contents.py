"""What fills the window's frame: the four pages, the engine's banner, the badge, and how they speak to each other."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ..store.conversations import Conversations
from ..usecases.pictures import Pictures
from ..usecases.services import Services
from .badge import Badge
from .bridge import Bridge
from .chat import demo
from .chat.page import ChatPage
from .download_hint import DownloadHint
from .downloads_model import DownloadsModel
from .engine_banner import EngineBanner
from .main_window import CHAT, MODELS, SYSTEM
from .models.page import ModelsPage
from .running.warning_bar import WarningBar
from .service.page import ServicePage
from .session_model import SessionModel
from .system.page import SystemPage


class Contents(QObject):
    """``page_wanted(index)`` when a page sends the user to another one. ``start`` begins what takes time."""

    page_wanted = Signal(int)

    def __init__(
        self,
        bridge: Bridge,
        services: Services,
        session: SessionModel,
        conversations: Conversations,
        downloads: DownloadsModel,
    ) -> None:
        super().__init__()
        self._downloads = downloads
        self.system = SystemPage(bridge, services, session=session)
        self.models = ModelsPage(bridge, services, session, downloads)
        self.chat = ChatPage(bridge, services, session, conversations)
        self._pictures = Pictures(services)  # of the service's requests
        self.service = ServicePage(bridge, services, session, self._pictures)
        self.banner = EngineBanner(bridge, services)
        self.warning = WarningBar(session)
        self.badge = Badge(session)
        self.download_hint = DownloadHint(downloads, self.models.isVisible)
        self.pages: tuple[QWidget, ...] = (self.system, self.models, self.chat, self.service)
        self.system.checked.connect(self.models.set_check)
        self.system.checked.connect(self.chat.demo.set_check)
        self.system.models_wanted.connect(lambda: self.page_wanted.emit(MODELS))
        self.models.chat_wanted.connect(lambda: self.page_wanted.emit(CHAT))
        self.chat.models_wanted.connect(lambda: self.page_wanted.emit(MODELS))
        self.chat.model_wanted.connect(self._show_model)
        self.chat.check_wanted.connect(lambda: self.page_wanted.emit(SYSTEM))
        downloads.arrived.connect(lambda _item: self.chat.demo.look_again())
        self.service.models_wanted.connect(lambda: self.page_wanted.emit(MODELS))
        self.banner.changed.connect(self.system.start)
        self.chat.engine_wanted.connect(self.banner.install)
        self.banner.wanted_ready.connect(self.chat.load_again)
        self.download_hint.clicked.connect(lambda: self.page_wanted.emit(MODELS))
        self.system.engine_test_wanted.connect(self.banner.test_again)
        self.banner.ready.connect(lambda _environment: self.chat.demo.set_engine(demo.READY))
        self.banner.working.connect(self.chat.demo.set_engine_stage)
        self.banner.stopped.connect(lambda: self.chat.demo.set_engine(demo.MISSING))

    def start(self) -> None:
        """The check, the engine that belongs to set-up, whether the demo is wanted (the chat tab knows it when it is
        shown), what the queue of downloads holds, the service if it was on."""
        self.system.start()
        self.chat.demo.look_again()
        self.chat.demo.set_engine(demo.COMING)
        self.banner.start()
        self._downloads.start()
        self.service.start()

    def _show_model(self, model: str) -> None:
        self.page_wanted.emit(MODELS)
        self.models.reveal.show(model)

    async def before_session(self) -> None:
        """What has to end before the session does. On the loop."""
        await self.service.finish()

    async def after_session(self) -> None:
        """What ends when no engine reads anything any more. On the loop."""
        try:
            await self.chat.finish()
        finally:
            await self._pictures.close()
