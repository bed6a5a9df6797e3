"""Downloads at the foot of the navigation, seen from every page: how far, how long; a click leads to them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from ..core.downloads import DONE, FAILED, RUNNING, WAITING, DownloadItem, DownloadsState
from ..i18n import _, ngettext
from ..texts.downloads import time_left
from . import theme
from .downloads_model import UNDER_WAY, DownloadsModel
from .models import download_texts as texts
from .theme import GAP
from .widgets.labels import tip


class DownloadHint(QPushButton):
    """Hidden while nothing is under way and nothing new has come of it. ``looking``: whether the user has the
    list of downloads open, so that what is over is no news; ``seen`` forgets it."""

    def __init__(
        self,
        downloads: DownloadsModel,
        looking: Callable[[], bool] = lambda: False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._looking = looking
        self._over: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._text, self._detail, self._colour = "", "", "accent"
        self._fraction: float | None = None
        self.setObjectName("downloadHint")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()
        downloads.changed.connect(self.show_state)

    def show_state(self, state: DownloadsState) -> None:
        """Show a state of the queue."""
        for item in state.items:
            over = item.state in (DONE, FAILED) and self._before.get(item.id) in UNDER_WAY
            if over and not self._looking():
                self._over[item.id] = item.state
        self._before = {item.id: item.state for item in state.items}
        self._over = {key: value for key, value in self._over.items() if self._before.get(key) == value}
        active = [item for item in state.items if item.state in UNDER_WAY]
        if active:
            self._show_active(active)
        elif self._over:
            self._show_over()
        self.setVisible(bool(active or self._over))

    def seen(self) -> None:
        """The user has looked at the downloads: what is over is no news any more."""
        self._over.clear()
        if self._fraction is None:
            self.hide()

    def words(self) -> tuple[str, str]:
        """What it says: a line and a smaller one."""
        return self._text, self._detail

    def _show_active(self, active: list[DownloadItem]) -> None:
        running = [item for item in active if item.state == RUNNING]
        first = (running or active)[0]
        word, _tone = texts.state_word(first)
        left = first.progress.time_left_s if first.progress is not None and running else None
        share, more = texts.percent(first), len(active) - 1
        detail = time_left(left) if left is not None else ""
        colour = "warn" if first.state == WAITING else "accent"
        self._say(f"{word} {share}".strip(), detail, texts.fraction(first) or 0.0, colour)
        name = texts.full_name(first)
        if more:
            rest = ngettext("{count} more waits", "{count} more wait", more).format(count=more)
            name = f"{name} · {rest}"
        self.setToolTip(tip(name))

    def _show_over(self) -> None:
        if FAILED in self._over.values():
            self._say(_("Download stopped"), _("It needs your attention."), None, "bad")
        else:
            self._say(_("Download complete"), "", None, "good")
        self.setToolTip("")

    def _say(self, text: str, detail: str, fraction: float | None, colour: str) -> None:
        said = (text, detail, fraction, colour)
        if said != (self._text, self._detail, self._fraction, self._colour):
            if (text, detail) != (self._text, self._detail):
                self.setAccessibleName(f"{text}. {detail}" if detail else text)
            self._text, self._detail, self._fraction, self._colour = said
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(15 * GAP, 2 * self.fontMetrics().height() + 4 * GAP)

    def minimumSizeHint(self) -> QSize:
        return QSize(8 * GAP, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.underMouse() or self.hasFocus():
            painter.setBrush(theme.colour("raised"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), GAP, GAP)
        line = self.fontMetrics().height()
        inner = QRectF(self.rect()).adjusted(GAP, GAP, -GAP, -GAP)
        self._line(painter, inner.adjusted(0, 0, 0, line - inner.height()), self._text, "text")
        self._line(
            painter, inner.adjusted(0, line + 1, 0, 2 * line + 1 - inner.height()), self._detail, "muted"
        )
        painter.setPen(Qt.PenStyle.NoPen)
        bar = QRectF(inner.left(), inner.bottom() - 4, inner.width(), 4)
        painter.setBrush(theme.colour("bar" if self._fraction is not None else self._colour))
        painter.drawRoundedRect(bar, 2, 2)
        if self._fraction:
            bar.setWidth(max(4.0, bar.width() * self._fraction))
            painter.setBrush(theme.colour(self._colour))
            painter.drawRoundedRect(bar, 2, 2)
        painter.end()

    def _line(self, painter: QPainter, rect: QRectF, text: str, colour: str) -> None:
        painter.setPen(theme.colour(colour))
        shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(rect.width()))
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
