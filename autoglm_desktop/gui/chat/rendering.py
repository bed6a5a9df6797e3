"""Markdown as styled document fragments. Each is built in a document of its own and then inserted whole."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QUrl
from PySide6.QtGui import (
    QFont,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextDocumentFragment,
    QTextFormat,
    QTextTable,
)

from ...i18n import _
from .. import theme
from ..theme import GAP
from . import tables

KIND = QTextFormat.Property.UserProperty.value + 1
"""Block property: which backdrop is painted behind it (QUESTION, CODE, QUOTE, RULE)."""

GROUP = QTextFormat.Property.UserProperty.value + 2
"""Block property: blocks of one number share one backdrop."""

QUESTION, CODE, QUOTE, RULE = 1, 2, 3, 4
FEATURES = QTextDocument.MarkdownFeature.MarkdownNoHTML | QTextDocument.MarkdownFeature.MarkdownDialectGitHub
HEADING_SCALE = (1.45, 1.25, 1.12, 1.0, 1.0, 1.0)
LINE_HEIGHT = 120.0
CODE_LINE_HEIGHT = 118.0
MONO_FAMILIES = ["JetBrains Mono", "Cascadia Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]
IMAGE = "\ufffc"
PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value

_groups = itertools.count(1)


def answer_fragment(markdown: str, font: QFont) -> QTextDocumentFragment:
    """An answer. HTML in it is shown as text, pictures become links; nothing is loaded from anywhere."""
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setMarkdown(markdown, FEATURES)
    found = [frame for frame in document.rootFrame().childFrames() if isinstance(frame, QTextTable)]
    for table in found:
        tables.tidy(table)
    _drop_last_empty(document)
    group = (0, 0)
    block = document.begin()
    while block.isValid():
        group = _style_block(block, font, group)
        block = block.next()
    for table in found:
        tables.style(table)
    return _lead_in(document)


def question_fragment(text: str, font: QFont) -> QTextDocumentFragment:
    """A question, exactly as it was typed, on its bubble."""
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setPlainText(text)
    group = next(_groups)
    block = document.begin()
    while block.isValid():
        form = QTextBlockFormat()
        form.setProperty(KIND, QUESTION)
        form.setProperty(GROUP, group)
        form.setLeftMargin(1.75 * GAP)
        form.setRightMargin(1.75 * GAP)
        form.setLineHeight(LINE_HEIGHT, PROPORTIONAL)
        form.setTopMargin(3 * GAP if block.blockNumber() == 0 else 0)
        form.setBottomMargin(0 if block.next().isValid() else 3 * GAP)
        QTextCursor(block).setBlockFormat(form)
        block = block.next()
    return _lead_in(document)


def muted_format() -> QTextCharFormat:
    """Small print."""
    form = QTextCharFormat()
    form.setForeground(theme.colour("muted"))
    form.setProperty(QTextFormat.Property.FontSizeAdjustment.value, -1)
    return form


def link_format(href: str) -> QTextCharFormat:
    """An action in the small print."""
    form = muted_format()
    form.setAnchor(True)
    form.setAnchorHref(href)
    form.setForeground(theme.colour("accent"))
    form.setFontWeight(QFont.Weight.DemiBold)
    return form


def mono_font_format(font: QFont) -> QTextCharFormat:
    form = QTextCharFormat()
    form.setFontFamilies([*MONO_FAMILIES, *font.families()])
    form.setFontPointSize(font.pointSizeF() * 0.94)
    return form


def _style_block(block: QTextBlock, font: QFont, last: tuple[int, int]) -> tuple[int, int]:
    """Style one block; ``last`` and the result are (kind, group) of the block before and of this one."""
    form = block.blockFormat()
    kind = _kind(form)
    group = last[1] if kind and last[0] == kind else next(_groups)
    cursor = QTextCursor(block)
    if kind:
        form.setProperty(KIND, kind)
        form.setProperty(GROUP, group)
        cursor.setBlockFormat(form)
    if kind == CODE:
        _style_code(block, form, cursor, font, first=group != last[1])
    elif kind == RULE or (not block.text() and block.textList() is None):
        shrink(cursor)
    elif form.headingLevel():
        _style_heading(form, cursor, block, font)
    else:
        form.setLineHeight(LINE_HEIGHT, PROPORTIONAL)
        form.setTopMargin(0)
        form.setBottomMargin(0.5 * GAP if _is_item(block) and _is_item(block.next()) else 1.25 * GAP)
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


def _style_code(
    block: QTextBlock, form: QTextBlockFormat, cursor: QTextCursor, font: QFont, *, first: bool
) -> None:
    after = block.next()
    form.setNonBreakableLines(False)
    form.setLeftMargin(1.5 * GAP)
    form.setRightMargin(1.5 * GAP)
    form.setTopMargin(2.25 * GAP if first else 0)
    form.setBottomMargin(0 if after.isValid() and _kind(after.blockFormat()) == CODE else 2.5 * GAP)
    form.setLineHeight(CODE_LINE_HEIGHT, PROPORTIONAL)
    cursor.setBlockFormat(form)
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    chars = mono_font_format(font)
    chars.setForeground(theme.colour("text"))
    cursor.mergeCharFormat(chars)
    cursor.setBlockCharFormat(chars)


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
            style = QTextCharFormat()
            style.setForeground(theme.colour("accent"))
            cursor.mergeCharFormat(style)
        elif chars.fontFixedPitch():
            style = mono_font_format(font)
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


def _link_pictures(cursor: QTextCursor, chars: QTextCharFormat) -> None:
    image = chars.toImageFormat()
    words = str(image.property(QTextFormat.Property.ImageAltText.value) or image.name())
    style = QTextCharFormat()
    style.setForeground(theme.colour("accent"))
    if QUrl(image.name()).scheme() in ("http", "https"):
        style.setAnchor(True)
        style.setAnchorHref(image.name())
    cursor.insertText(_("[picture: {words}]").format(words=words), style)


def _drop_last_empty(document: QTextDocument) -> None:
    """Markdown leaves an empty paragraph after code and tables."""
    last = document.lastBlock()
    before = last.previous()
    after_table = before.isValid() and QTextCursor(before).currentTable() is not None
    if before.isValid() and not last.text() and not after_table and last.textList() is None:
        cursor = QTextCursor(last)
        cursor.deletePreviousChar()


def _lead_in(document: QTextDocument) -> QTextDocumentFragment:
    """With an empty block before: the first block of an inserted fragment loses its format, so that one may."""
    cursor = QTextCursor(document)
    cursor.insertBlock()
    cursor.movePosition(QTextCursor.MoveOperation.Start)
    cursor.setBlockFormat(QTextBlockFormat())
    cursor.setBlockCharFormat(QTextCharFormat())
    return QTextDocumentFragment(document)
