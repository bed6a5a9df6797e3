"""Where the parts of the chat tab stand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QSplitter,
    QStackedWidget,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from ...i18n import _
from ..bridge import Bridge
from ..composer.composer import Composer
from ..conversations.conversation_list import ConversationList
from ..theme import GAP
from ..transcript.column import centred
from ..transcript.transcript import Transcript
from ..widgets.buttons import button
from .empty import EmptyState
from .header import ChatHeader
from .notice_card import NoticeCard

LIST_WIDTH = 248
LIST_MINIMUM = 184


@dataclass(frozen=True)
class Parts:
    """The widgets of the page. ``stack``: 0 the transcript, 1 the empty state."""

    splitter: QSplitter
    list: ConversationList
    header: ChatHeader
    opening: NoticeCard
    stack: QStackedWidget
    transcript: Transcript
    empty: EmptyState
    notice: NoticeCard
    composer: Composer

    def search(self) -> None:
        """Go to the field above the list, which may be folded away."""
        self.unfold()
        self.list.search()

    def unfold(self) -> None:
        """Show the list where it is folded away."""
        left, right = self.splitter.sizes()
        if left == 0:
            self.splitter.setSizes([LIST_WIDTH, max(right - LIST_WIDTH, 1)])

    def say_copied(self) -> None:
        QToolTip.showText(QCursor.pos(), _("Copied"), self.transcript)


class TabOrder:
    """Tab goes down the page, also to what was put on it later."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: list[QWidget] = []

    def follow(self) -> None:
        """Look again at what there is."""
        parts = self._parts
        above = [parts.header.more, *parts.opening.reached()]
        empty = [parts.empty.examples[-1], *parts.empty.best.reached]
        below = [*empty, *parts.notice.reached(), *parts.composer.strip.reached()]
        if self._known != above + below:
            self._known = above + below
            for line in (above, below):
                for before, after in itertools.pairwise(line):
                    QWidget.setTabOrder(before, after)


class Newest(QObject):
    """A button over the transcript's lower edge that leads to the newest line; there while that is out of view."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self._transcript = transcript
        self.button = button(_("Go to the newest"), transcript.scroll_to_end)
        self.button.setParent(transcript)
        self.button.hide()
        transcript.installEventFilter(self)
        transcript.end_seen.connect(self._show)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _show(self, end_seen: bool) -> None:
        self.button.setVisible(not end_seen)
        if not end_seen:
            self._place()

    def _place(self) -> None:
        self.button.adjustSize()
        size, place = self.button.size(), self._transcript.rect()
        self.button.move((place.width() - size.width()) // 2, place.height() - size.height() - GAP)
        self.button.raise_()


def build(page: QWidget, bridge: Bridge) -> Parts:
    """Make the widgets and put them on the page."""
    transcript = Transcript(bridge=bridge)
    Newest(transcript)
    parts = Parts(
        splitter=QSplitter(Qt.Orientation.Horizontal),
        list=ConversationList(),
        header=ChatHeader(),
        opening=NoticeCard(),
        stack=QStackedWidget(),
        transcript=transcript,
        empty=EmptyState(),
        notice=NoticeCard(),
        composer=Composer(),
    )
    parts.stack.addWidget(parts.transcript)
    parts.stack.addWidget(parts.empty)
    left = QFrame()
    left.setObjectName("conversations")
    column = QVBoxLayout(left)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(parts.list)
    left.setMinimumWidth(LIST_MINIMUM)
    splitter = parts.splitter
    splitter.addWidget(left)
    splitter.addWidget(_right(parts))
    splitter.setStretchFactor(0, 0)
    splitter.setStretchFactor(1, 1)
    splitter.setCollapsible(1, False)
    splitter.setSizes([LIST_WIDTH, 4 * LIST_WIDTH])
    splitter.setHandleWidth(1)
    whole = QHBoxLayout(page)
    whole.setContentsMargins(0, 0, 0, 0)
    whole.addWidget(splitter)
    return parts


def _right(parts: Parts) -> QWidget:
    right = QFrame()
    right.setObjectName("chatPane")
    column = QVBoxLayout(right)
    column.setContentsMargins(0, 0, 0, 2 * GAP)
    column.setSpacing(0)
    column.addWidget(parts.header)
    column.addWidget(parts.opening)
    column.addWidget(parts.stack, 1)
    column.addWidget(parts.notice)
    column.addLayout(centred(parts.composer))
    return right
