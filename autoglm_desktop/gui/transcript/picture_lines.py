"""Pictures in the text of a message: each is one character, as large from the beginning as it will be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import (
    QImage,
    QPainter,
    QPainterPath,
    QPen,
    QPyTextObject,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)

from ...core.errors import AppError
from ...core.phone_actions import Action
from ...i18n import _
from ...texts import errors
from .. import theme
from ..phone import drawing
from ..theme import GAP
from .entry import Entry, Shown
from .thumbnails import Thumbnails
from .visible import visible

OBJECT = "\ufffc"
"""The character in the place of a picture."""

PICTURE_TYPE = QTextFormat.ObjectTypes.UserObject.value + 1
KEY = QTextFormat.Property.UserProperty.value + 10
PLACE = QTextFormat.Property.UserProperty.value + 11
WIDTH = QTextFormat.Property.UserProperty.value + 12
HEIGHT = QTextFormat.Property.UserProperty.value + 13
WORDS = QTextFormat.Property.UserProperty.value + 14
"""Properties of its format: the message, which of its pictures, its size, what is copied in its place."""

SHOW = "picture"
"""The link of a picture is ``scheme:picture.<number>:<key>``."""

ALONE, AMONG, DRAWN = QSize(300, 220), QSize(230, 170), QSize(300, 360)
"""The most room of a question's only picture, of one of several, of a screenshot with an action."""
LEAST = 40
"""The shorter side at least, so that there is something to click on."""
CORNER = 6.0
LONGEST_NAME = 60


def room(count: int, *, drawn: bool = False) -> QSize:
    """The most room for each of some pictures."""
    return DRAWN if drawn else ALONE if count == 1 else AMONG


def fitted(width: int, height: int, most: QSize) -> QSize:
    """A picture's size within ``most``; small ones are not enlarged."""
    width, height = max(width, 1), max(height, 1)
    scale = min(most.width() / width, most.height() / height, 1.0)
    return QSize(max(round(width * scale), 1), max(round(height * scale), 1))


def box(width: int, height: int, most: QSize) -> QSize:
    """The room that a picture takes: as it is fitted, but not too thin to be clicked on."""
    return fitted(width, height, most).expandedTo(QSize(LEAST, LEAST))


def insert(
    cursor: QTextCursor, key: int, pictures: Sequence[Shown], scheme: str, *, drawn: bool = False
) -> None:
    """Write a message's pictures into a block."""
    form = cursor.blockFormat()
    form.setLineHeight(0, QTextBlockFormat.LineHeightTypes.SingleHeight.value)
    cursor.setBlockFormat(form)
    between = QTextCharFormat()
    between.setFontWordSpacing(0.5 * GAP)
    for place, picture in enumerate(pictures):
        if place:
            cursor.insertText(" ", between)
        size = box(picture.width, picture.height, room(len(pictures), drawn=drawn))
        chars = QTextCharFormat()
        chars.setObjectType(PICTURE_TYPE)
        chars.setProperty(KEY, key)
        chars.setProperty(PLACE, place)
        chars.setProperty(WIDTH, size.width())
        chars.setProperty(HEIGHT, size.height())
        chars.setProperty(WORDS, _("[picture: {words}]").format(words=name(picture)))
        chars.setAnchor(True)
        chars.setAnchorHref(f"{scheme}:{SHOW}.{place}:{key}")
        cursor.insertText(OBJECT, chars)


def name(picture: Shown) -> str:
    """What its file was called, on one line, without anything that would hide a part of it."""
    words = " ".join(visible(picture.name).split())
    if len(words) > LONGEST_NAME:
        half = LONGEST_NAME // 2
        words = f"{words[:half]}…{words[-half + 1 :]}"
    return words or _("Picture")


def description(picture: Shown) -> str:
    """``screen.png · 1080 × 2400 · at most 3,354 tokens``"""
    parts = [name(picture), f"{picture.width} × {picture.height}"]
    if picture.tokens is not None:
        parts.append(_("at most {tokens} tokens").format(tokens=f"{picture.tokens:,}"))
    return " · ".join(parts)


def words_at(document: QTextDocument, position: int) -> str:
    """What is copied in the place of the picture at a position."""
    cursor = QTextCursor(document)
    cursor.setPosition(position + 1)
    return str(cursor.charFormat().property(WORDS) or "")


class PictureLines(QPyTextObject):
    """Draws the pictures of ``document``. ``find``: the message with a key, of those that are shown."""

    def __init__(
        self,
        document: QTextDocument,
        thumbnails: Thumbnails,
        find: Callable[[int], Entry | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._thumbnails, self._find = thumbnails, find
        document.documentLayout().registerHandler(PICTURE_TYPE, self)

    def intrinsicSize(self, doc: QTextDocument, posInDocument: int, format: QTextFormat) -> QSizeF:
        return QSizeF(format.intProperty(WIDTH), format.intProperty(HEIGHT) + GAP)

    def drawObject(
        self,
        painter: QPainter,
        rect: QRectF | QRect,
        doc: QTextDocument,
        posInDocument: int,
        format: QTextFormat,
    ) -> None:
        entry, place = self._find(format.intProperty(KEY)), format.intProperty(PLACE)
        if entry is None or place >= len(entry.drawn):
            return
        picture, action = entry.drawn[place]
        room = QRectF(rect).adjusted(0, 0, 0, -GAP)
        ratio = painter.device().devicePixelRatioF()
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(doc.defaultFont())
        _paint(painter, room, picture, self._image(picture, room, ratio), action)
        painter.restore()

    def _image(self, picture: Shown, room: QRectF, ratio: float) -> QImage | AppError | None:
        if picture.path is None:
            return AppError("file_not_found", path=picture.name)
        most = QSize(round(room.width() * ratio), round(room.height() * ratio))
        return self._thumbnails.image(picture.path, fitted(picture.width, picture.height, most))


def _paint(
    painter: QPainter, room: QRectF, picture: Shown, image: QImage | AppError | None, action: Action | None
) -> None:
    """The picture, or what stands in its place, and the action on it."""
    size = fitted(picture.width, picture.height, room.size().toSize())
    area = QRectF(0, 0, size.width(), size.height())
    area.moveCenter(room.center())
    frame = QPainterPath()
    frame.addRoundedRect(room, CORNER, CORNER)
    painter.save()
    painter.setClipPath(frame)
    painter.fillRect(room, theme.colour("raised"))
    if isinstance(image, QImage):
        painter.drawImage(area, image)
    painter.restore()
    painter.setPen(QPen(theme.colour("border"), 1))
    painter.drawPath(frame)
    if isinstance(image, AppError):
        _say(painter, room, image)
    elif action is not None:
        drawing.draw(painter, action, area)


def _say(painter: QPainter, room: QRectF, error: AppError) -> None:
    """Why there is no picture; a mark alone where the words have no room."""
    missing = error.code == "file_not_found"
    words = _("The picture's file is missing.") if missing else _("The picture can't be read.")
    inner = room.adjusted(GAP, GAP, -GAP, -GAP)
    flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
    needed = painter.boundingRect(inner, flags, words)
    painter.setPen(theme.colour("bad"))
    painter.drawText(inner, flags, words if inner.contains(needed) else "!")


def failure(error: AppError) -> str:
    """Why a picture can't be shown, in one sentence."""
    if error.code == "file_not_found":
        return _("The file of this picture is missing: {path}.").format(
            path=visible(str(error.values["path"]))
        )
    return errors.text(error)
