"""The window: navigation at the left, the page, the engine's banner above, the badge below."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QPaintEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..i18n import _
from ..store.conversations import Conversations
from ..usecases.services import Services
from .badge import Badge
from .bridge import Bridge
from .chat.page import ChatPage
from .engine_banner import EngineBanner
from .icons import icon
from .models.page import ModelsPage
from .session_model import SessionModel
from .system.page import SystemPage
from .theme import GAP

NAVIGATION_WIDTH = 176


class MainWindow(QMainWindow):
    """``painted`` once, after the first paint: what may take time starts then. ``closed`` when it goes."""

    painted = Signal()
    closed = Signal()

    def __init__(
        self, bridge: Bridge, services: Services, session: SessionModel, conversations: Conversations
    ) -> None:
        super().__init__()
        self._was_painted = False
        self.setWindowTitle("AutoGLM Desktop")
        self.setMinimumSize(880, 560)
        self.resize(1280, 800)
        self.system = SystemPage(bridge, services)
        self.models = ModelsPage(bridge, services, session)
        self.chat = ChatPage(bridge, session, conversations)
        self.banner = EngineBanner(bridge, services)
        self.badge = Badge(session)
        self.pages = QStackedWidget()
        self.navigation = QFrame()
        self.navigation.setObjectName("navigation")
        self.navigation.setFixedWidth(NAVIGATION_WIDTH)
        self._buttons = QButtonGroup(self)
        self._fill_navigation()
        self._arrange()
        self.system.checked.connect(self.models.set_check)
        self.models.chat_wanted.connect(lambda: self.show_page(2))
        self.chat.models_wanted.connect(lambda: self.show_page(1))
        self.system.models_wanted.connect(lambda: self.show_page(1))
        self.show_page(0)

    def show_page(self, index: int) -> None:
        """0: system check, 1: models, 2: chat."""
        self.pages.setCurrentIndex(index)
        self._buttons.button(index).setChecked(True)
        self.setWindowTitle(f"{self._buttons.button(index).text()} – AutoGLM Desktop")

    def start(self) -> None:
        """Begin what takes time: the check, and the engine that belongs to set-up."""
        self.system.start()
        self.banner.start()

    def restore(self, geometry: str | None) -> None:
        """Place the window where it was (base64 of Qt's own form)."""
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))

    def geometry_text(self) -> str:
        return bytes(self.saveGeometry().toBase64().data()).decode()

    def come_forward(self) -> None:
        """Raise the window from wherever it is."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closed.emit()
        event.accept()

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if not self._was_painted and isinstance(event, QPaintEvent):
            self._was_painted = True
            self.painted.emit()
        return done

    def _fill_navigation(self) -> None:
        column = QVBoxLayout(self.navigation)
        column.setContentsMargins(GAP + GAP // 2, 2 * GAP, GAP + GAP // 2, 2 * GAP)
        column.setSpacing(GAP // 2)
        brand = QLabel("AutoGLM Desktop")
        brand.setObjectName("brand")
        column.addWidget(brand)
        column.addSpacing(2 * GAP)
        pages = (
            (_("System check"), "check", self.system),
            (_("Models"), "models", self.models),
            (_("Chat"), "chat", self.chat),
        )
        for index, (title, picture, page) in enumerate(pages):
            button = QToolButton()
            button.setText(title)
            button.setIcon(icon(picture))
            button.setIconSize(QSize(18, 18))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setCheckable(True)
            button.setShortcut(f"Ctrl+{index + 1}")
            button.setToolTip(f"{title} (Ctrl+{index + 1})")
            button.setMinimumWidth(NAVIGATION_WIDTH - 3 * GAP)
            self._buttons.addButton(button, index)
            column.addWidget(button)
            self.pages.addWidget(page)
        column.addStretch(1)
        self._buttons.idClicked.connect(self.show_page)

    def _arrange(self) -> None:
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.banner)
        right.addWidget(self.pages, 1)
        upper = QHBoxLayout()
        upper.setContentsMargins(0, 0, 0, 0)
        upper.setSpacing(0)
        upper.addWidget(self.navigation)
        upper.addLayout(right, 1)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(upper, 1)
        column.addWidget(self.badge)
        self.setCentralWidget(body)
