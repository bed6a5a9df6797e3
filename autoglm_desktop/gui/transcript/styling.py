"""How the blocks and words of an answer look: headings, lists, code, links, what stands in the place of pictures."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QFont, QTextBlock, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextFormat

from ...i18n import _
from .. import theme
from ..theme import GAP
from . import code
from .code import CODE, GROUP, KIND, PROPORTIONAL, QUOTE, RULE, next_group

HEADING_SCALE = (1.45, 1.25, 1.12, 1.0, 1.0, 1.0)
LINE_HEIGHT = 120.0
ITEM_GAP = 0.5 * GAP


def style_block(block: QTextBlock, font: QFont, last: tuple[int, int]) -> tuple[int, int]:
    """Style one block; ``last`` and the result are (kind, group) of the block before and of this one."""
    form = block.blockFormat()
    kind = _kind(form)
    group = last[1] if kind and last[0] == kind else next_group()
    cursor = QTextCursor(block)
    if kind:
        form.setProperty(KIND, kind)
        form.setProperty(GROUP, group)
        cursor.setBlockFormat(form)
    if kind == CODE:
        _style_code(block, form, group, font)
    elif kind == RULE or (not block.text() and block.textList() is None):
        shrink(cursor)
    elif form.headingLevel():
        _style_heading(form, cursor, block, font)
    else:
        form.setLineHeight(LINE_HEIGHT, PROPORTIONAL)
        form.setTopMargin(0)
        form.setBottomMargin(ITEM_GAP if _is_item(block) and _is_item(block.next()) else 1.25 * GAP)
        if kind == QUOTE:
            form.setLeftMargin(2 * GAP)
            form.setRightMargin(0)
        cursor.setBlockFormat(form)
    if QTextCursor(block).currentTable() is not None:
        form.setBottomMargin(0)
        form.setLineHeight(120.0, PROPORTIONAL)
        cursor.setBlockFormat(form)
    if kind != CODE:
        _style_spans(block, font)
    return kind, group


def _is_item(block: QTextBlock) -> bool:
    return block.isValid() and block.textList() is not None


def _kind(form: QTextBlockFormat) -> int:
    if form.hasProperty(QTextFormat.Property.BlockCodeFence.value) or (
        form.nonBreakableLines() and not form.headingLevel()
    ):
        return CODE
    if form.hasProperty(QTextFormat.Property.BlockTrailingHorizontalRulerWidth.value):
        return RULE
    return QUOTE if form.hasProperty(QTextFormat.Property.BlockQuoteLevel.value) else 0


def shrink(cursor: QTextCursor, bottom: float = GAP) -> None:
    """An empty block, as beside tables: hardly any height; a rule is painted by the backdrop."""
    form = cursor.blockFormat()
    form.clearProperty(QTextFormat.Property.BlockTrailingHorizontalRulerWidth.value)
    form.setTopMargin(0)
    form.setBottomMargin(bottom)
    form.setLineHeight(2.0, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    cursor.setBlockFormat(form)
    tiny = QTextCharFormat()
    tiny.setFontPointSize(1)
    cursor.setBlockCharFormat(tiny)


def _style_code(block: QTextBlock, form: QTextBlockFormat, group: int, font: QFont) -> None:
    """A code block inside of something else, such as a list."""
    language = code.language_of(str(form.property(QTextFormat.Property.BlockCodeLanguage.value) or ""))
    cursor = QTextCursor(block)
    cursor.setBlockFormat(code.line_block_format(form, group, language))
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    chars = code.code_format(font)
    cursor.mergeCharFormat(chars)
    cursor.setBlockCharFormat(chars)
    after = block.next()
    if not (after.isValid() and _kind(after.blockFormat()) == CODE):
        code.end_lines(block)


def add_head(cursor: QTextCursor, scheme: str) -> None:
    """The head of a nested code block, before its first line at ``cursor``."""
    line = cursor.blockFormat()
    position = cursor.position()
    cursor.insertBlock(line, cursor.charFormat())
    cursor.setPosition(position)
    code.insert_head(cursor, line, scheme)


def _style_heading(form: QTextBlockFormat, cursor: QTextCursor, block: QTextBlock, font: QFont) -> None:
    form.setTopMargin(1.5 * GAP)
    form.setBottomMargin(GAP)
    cursor.setBlockFormat(form)
    for position, length, chars in _spans(block):
        chars.clearProperty(QTextFormat.Property.FontSizeAdjustment.value)
        chars.setFontPointSize(font.pointSizeF() * HEADING_SCALE[min(form.headingLevel(), 6) - 1])
        chars.setFontWeight(QFont.Weight.DemiBold)
        _selection(block, position, length).setCharFormat(chars)


def _style_spans(block: QTextBlock, font: QFont) -> None:
    """Inline code, links, and links in the place of pictures. From the end, since replacing changes positions."""
    for position, length, chars in reversed(_spans(block)):
        cursor = _selection(block, position, length)
        if chars.isImageFormat():
            _link_pictures(cursor, chars)
        elif chars.isAnchor():
            _style_link(cursor, chars.anchorHref())
        elif chars.fontFixedPitch():
            style = code.mono_format(font)
            style.setBackground(theme.colour("code"))
            cursor.mergeCharFormat(style)


def _spans(block: QTextBlock) -> list[tuple[int, int, QTextCharFormat]]:
    """(position, length, format) of the parts of a block, read before any is changed."""
    fragments = [place.fragment() for place in block]  # type: ignore[attr-defined]  # PySide6's stubs lack __next__
    return [(part.position(), part.length(), part.charFormat()) for part in fragments]


def _selection(block: QTextBlock, position: int, length: int) -> QTextCursor:
    cursor = QTextCursor(block)
    cursor.setPosition(position)
    cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
    return cursor


def _style_link(cursor: QTextCursor, address: str) -> None:
    """Words that read like another address than the one they lead to get that one beside them."""
    style = QTextCharFormat()
    style.setForeground(theme.colour("accent"))
    cursor.mergeCharFormat(style)
    words = cursor.selectedText().strip()
    host = QUrl(address).host()
    if "." in words and " " not in words and host and QUrl.fromUserInput(words).host() not in (host, ""):
        cursor.setPosition(cursor.selectionEnd())
        cursor.insertText(f" [{host}]", code.small_format())


def _link_pictures(cursor: QTextCursor, chars: QTextCharFormat) -> None:
    image = chars.toImageFormat()
    words = str(image.property(QTextFormat.Property.ImageAltText.value) or image.name())
    style = QTextCharFormat()
    style.setForeground(theme.colour("accent"))
    if QUrl(image.name()).scheme() in ("http", "https"):
        style.setAnchor(True)
        style.setAnchorHref(image.name())
    cursor.insertText(_("[picture: {words}]").format(words=words), style)
