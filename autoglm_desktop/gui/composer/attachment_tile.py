"""One thing that goes with a question, above its text: a picture, or a long text that is folded."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ...i18n import _
from ...texts import pictures as texts
from .. import theme
from ..theme import GAP
from ..widgets import glyph
from ..widgets.buttons import button
from ..widgets.glyph import GlyphButton
from ..widgets.labels import ElidedLabel
from . import big_paste
from .attachment_values import Item
from .big_paste import Folded

SIDE = 72
WIDTH = 328
LINES = 4
OPENS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Menu)
REMOVES = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
ELIDED_END = Qt.TextElideMode.ElideRight
MOVES = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class Thumb(QWidget):
    """A small picture, or a sign while there is none."""

    def __init__(self, sign: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign = sign
        self.image: QImage | None = None
        self.setFixedSize(SIDE, SIDE)

    def show_image(self, image: QImage | None) -> None:
        if image is not self.image:
            self.image = image
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QPainterPath()
        frame.addRoundedRect(QRectF(self.rect()), 6, 6)
        painter.fillPath(frame, theme.colour("raised"))
        if self.image is None:
            painter.setClipping(False)
            edge = SIDE / 3
            glyph.draw(painter, self._sign, QRectF(edge, edge, edge, edge), "muted")
        else:
            painter.setClipPath(frame)
            size = self.image.size().scaled(QSize(SIDE, SIDE), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRectF((SIDE - size.width()) / 2, (SIDE - size.height()) / 2, size.width(), size.height())
            painter.drawImage(place, self.image)
        painter.end()


class SizeLink(QPushButton):
    """A link with an arrow that points down: a menu follows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "link")
        self.setProperty("menu", True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(self.palette().buttonText().color(), 1.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        x, y = self.width() - 7.0, self.height() / 2 - 1.0
        painter.drawPolyline([QPointF(x - 3.5, y), QPointF(x, y + 3.5), QPointF(x + 3.5, y)])
        painter.end()


class Tile(QFrame):
    """Tab reaches it. ``removed`` by Delete or its cross, ``opened`` by Enter or its link, ``moved(±1)`` by the arrow
    keys."""

    removed = Signal()
    opened = Signal()
    moved = Signal(int)
    focused = Signal()

    def __init__(
        self,
        sign: str,
        link: QPushButton,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setProperty("tile", True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.thumb = Thumb(sign)
        self.name = ElidedLabel("", None, elide)
        self.about = ElidedLabel("", "muted", ELIDED_END)
        self.link = link
        self.link.clicked.connect(lambda: self.opened.emit())
        self.link.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Enter on the tile does the same
        self.cost = ElidedLabel("", "muted", ELIDED_END)
        self.cross = GlyphButton("close", _("Remove"), 10)
        self.cross.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Delete does the same
        self.cross.clicked.connect(self.removed)
        top = QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(self.name, 1)
        top.addWidget(self.cross)
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self.about)
        column.addWidget(self.link, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.cost)
        column.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP - 1, GAP - 1, GAP // 2, GAP - 1)
        row.setSpacing(GAP)
        row.addWidget(self.thumb, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(column, 1)
        line = max(self.name.sizeHint().height(), self.link.fontMetrics().height() + 4)
        self.setFixedSize(WIDTH, max(LINES * line + self.cross.height() - line, SIDE) + 2 * GAP)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in REMOVES:
            self.removed.emit()
        elif key in OPENS:
            self.opened.emit()
        elif key in MOVES:
            self.moved.emit(MOVES[key])
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)

    def say(self, parts: list[str], does: str) -> None:
        """What is heard of it: what it is, and which keys do what."""
        self.setAccessibleName(". ".join(filter(None, parts)))
        self.setAccessibleDescription(does)


class PictureTile(Tile):
    """``show_item`` as it is now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("picture", SizeLink(), parent=parent)

    def show_item(self, item: Item, *, warn: bool) -> None:
        """``warn``: there is too little room for the pictures."""
        picture, size = item.picture, item.size
        self.thumb.show_image(item.thumbnail)
        self.name.set_text(item.name or _("Pasted picture"))
        self.about.set_text(_about(item))
        self.link.setVisible(size is not None)
        self.cost.setVisible(item.cost is not None)
        if picture is None or size is None or item.cost is None:
            self.say([self.name.text(), self.about.text()], _("Delete removes it."))
            return
        self.link.setText(texts.size_text(size))
        self.link.setAccessibleName(_("{size}: choose another size").format(size=self.link.text()))
        self.link.setProperty("tone", "warn" if warn else "")
        self.link.style().polish(self.link)
        self.cost.set_text(texts.cost_text(item.cost))
        self.cost.setToolTip(texts.cost_tip(item.cost))
        self.say(
            [self.name.text(), self.about.text(), self.link.text(), self.cost.text()],
            _("Enter chooses its size, Delete removes it."),
        )


class TextTile(Tile):
    """A text that is folded. Its link puts it into the field, where it is short enough for that."""

    def __init__(self, folded: Folded, parent: QWidget | None = None) -> None:
        super().__init__("text", button(_("Put it into the field"), kind="link"), ELIDED_END, parent)
        self.name.set_text(folded.title)
        self.about.set_text(big_paste.size_text(folded))
        self.cost.set_text(big_paste.tokens_text(folded.tokens))
        self.link.setVisible(folded.can_unfold)
        does = _("Enter puts it into the field, Delete removes it.")
        parts = [self.about.text(), self.cost.text(), self.name.text()]
        self.say(parts, does if folded.can_unfold else _("Delete removes it."))


def _about(item: Item) -> str:
    if item.picture is None:
        return _("Reading…")
    parts = [texts.pixels(item.picture.width, item.picture.height)]
    if item.again:
        parts.append(_("is there already"))
    elif item.animated:
        parts.append(_("its first frame"))
    return " · ".join(parts)
