"""The window's frame: navigation at the left, room for the pages, the engine's banner and the badge.

The frame is painted first; ``fill`` puts the pages in, so that their imports don't delay the first picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from .icons import icon
from .theme import GAP

if TYPE_CHECKING:
    from .contents import Contents

NAVIGATION_WIDTH = 176
BADGE_HEIGHT = 44
SYSTEM, MODELS, CHAT, SERVICE = range(4)


class MainWindow(QMainWindow):
    """``painted`` once, after the first paint: what takes time starts then. ``closed`` when it goes."""

    painted = Signal()
    closed = Signal()
    _pictures: tuple[str, ...] = ()  # of the class, as events come while __init__ still runs

    def __init__(self) -> None:
        super().__init__()
        self._was_painted = False
        self.setMinimumSize(880, 560)
        self.resize(1280, 800)
        self.contents: Contents | None = None
        self.pages = QStackedWidget()
        self.navigation = QFrame()
        self.navigation.setObjectName("navigation")
        self.navigation.setFixedWidth(NAVIGATION_WIDTH)
        self._buttons = QButtonGroup(self)
        self._above = QVBoxLayout()
        self._foot = QVBoxLayout()
        self._hint_place = QVBoxLayout()
        self._fill_navigation()
        self._arrange()
        self.show_page(SYSTEM)

    def fill(self, contents: Contents) -> None:
        """Put the pages, the banner and the badge in."""
        from . import shortcuts

        shortcuts.install(self)
        self.contents = contents
        for page in contents.pages:
            self.pages.addWidget(page)
        self._above.addWidget(contents.banner)
        self._above.addWidget(contents.warning)
        self._empty_badge.hide()
        self._foot.addWidget(contents.badge)
        self._hint_place.addWidget(contents.download_hint)
        self.pages.currentChanged.connect(self._page_shown)
        contents.page_wanted.connect(self.show_page)
        self.show_page(self._buttons.checkedId())

    def show_page(self, index: int) -> None:
        """SYSTEM, MODELS, CHAT or SERVICE."""
        self.pages.setCurrentIndex(index)
        self._buttons.button(index).setChecked(True)
        self.setWindowTitle(f"{self._buttons.button(index).text().strip()} – AutoGLM Desktop")

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
        self.hide()  # ending the engine may take a moment
        self.closed.emit()
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for index, picture in enumerate(self._pictures):
                self._buttons.button(index).setIcon(icon(picture))

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if isinstance(event, QPaintEvent) and not self._was_painted:
            self._was_painted = True
            self.painted.emit()
        return done

    def _page_shown(self, index: int) -> None:
        if index == MODELS and self.contents is not None:
            self.contents.download_hint.seen()

    def _fill_navigation(self) -> None:
        column = QVBoxLayout(self.navigation)
        column.setContentsMargins(GAP + GAP // 2, 2 * GAP, GAP + GAP // 2, 2 * GAP)
        column.setSpacing(GAP // 2)
        brand = QLabel("AutoGLM Desktop")
        brand.setObjectName("brand")
        column.addWidget(brand)
        column.addSpacing(2 * GAP)
        entries = (
            (_("System check"), "check"),
            (_("Models"), "models"),
            (_("Chat"), "chat"),
            (_("Service"), "service"),
        )
        for index, (title, picture) in enumerate(entries):
            button = QToolButton()
            button.setText(f" {title}")
            button.setAccessibleName(title)
            button.setIcon(icon(picture))
            button.setIconSize(QSize(18, 18))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setCheckable(True)
            button.setShortcut(f"Ctrl+{index + 1}")
            button.setToolTip(f"{title} (Ctrl+{index + 1})")
            button.setMinimumWidth(NAVIGATION_WIDTH - 3 * GAP)
            self._buttons.addButton(button, index)
            column.addWidget(button)
        self._pictures = tuple(picture for _title, picture in entries)
        column.addStretch(1)
        column.addLayout(self._hint_place)
        self._buttons.idClicked.connect(self.show_page)

    def _arrange(self) -> None:
        right = QVBoxLayout()
        right.addLayout(self._above)
        right.addWidget(self.pages, 1)
        upper = QHBoxLayout()
        upper.addWidget(self.navigation)
        upper.addLayout(right, 1)
        self._empty_badge = QFrame()
        self._empty_badge.setObjectName("badge")
        self._empty_badge.setFixedHeight(BADGE_HEIGHT)
        self._foot.addWidget(self._empty_badge)
        body = QWidget()
        column = QVBoxLayout(body)
        column.addLayout(upper, 1)
        column.addLayout(self._foot)
        for layout in (self._above, self._foot, right, upper, column):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(0)
        self.setCentralWidget(body)
