"""Markdown as styled document fragments. Each is built in a document of its own and then inserted whole."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import (
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextDocumentFragment,
    QTextTable,
)

from ...i18n import ngettext
from ..theme import GAP
from . import code, picture_lines, styling, tables
from .code import CODE, GROUP, KIND, PROPORTIONAL, QUESTION, QUOTE, next_group
from .entry import Shown
from .styling import LINE_HEIGHT
from .visible import visible

FEATURES = QTextDocument.MarkdownFeature.MarkdownNoHTML | QTextDocument.MarkdownFeature.MarkdownDialectGitHub
LONGEST_QUESTION = 20_000
"""Characters of a question that are shown; all of it was sent, and is copied."""


def answer_fragment(markdown: str, font: QFont, scheme: str = "") -> QTextDocumentFragment:
    """An answer. HTML in it is shown as text, pictures become links; nothing is loaded from anywhere.

    ``scheme``: of the links that copy code.
    """
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setMarkdown(markdown, FEATURES)
    found = [frame for frame in document.rootFrame().childFrames() if isinstance(frame, QTextTable)]
    for table in found:
        tables.tidy(table)
    _drop_last_empty(document)
    group, heads = (0, 0), []
    block = document.begin()
    while block.isValid():
        before, group = group, styling.style_block(block, font, group)
        if group[0] == CODE and group != before:
            heads.append(QTextCursor(block))
        block = block.next()
    for cursor in heads:
        styling.add_head(cursor, scheme)
    for table in found:
        tables.style(table)
    return _lead_in(document)


def plain_text(markdown: str) -> str:
    """What is read of an answer, without Markdown's marks."""
    document = QTextDocument()
    document.setMarkdown(markdown, FEATURES)
    return document.toPlainText().replace("\ufffc", "").strip("\n")


def thought_fragment(text: str, font: QFont) -> QTextDocumentFragment:
    """What was thought, as it came."""
    document = QTextDocument()
    document.setDefaultFont(font)
    cursor = QTextCursor(document)
    form = QTextBlockFormat()
    form.setProperty(KIND, QUOTE)
    form.setProperty(GROUP, next_group())
    form.setLeftMargin(2 * GAP)
    form.setLineHeight(LINE_HEIGHT, PROPORTIONAL)
    cursor.setBlockFormat(form)
    cursor.insertText(visible(text), code.small_format())
    form.setBottomMargin(1.25 * GAP)
    cursor.setBlockFormat(form)
    return _lead_in(document)


def question_fragment(
    text: str, font: QFont, pictures: Sequence[Shown] = (), key: int = 0, scheme: str = ""
) -> QTextDocumentFragment:
    """A question on its bubble: its pictures, and the words exactly as they were typed."""
    document = QTextDocument()
    document.setDefaultFont(font)
    left = len(text) - LONGEST_QUESTION
    if left > 0:
        more = ngettext("… and {count} more character", "… and {count} more characters", left)
        text = text[:LONGEST_QUESTION] + "\n" + more.format(count=left)
    document.setPlainText(visible(text))
    if pictures and text:
        QTextCursor(document).insertBlock()
    group = next_group()
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
    if pictures:
        picture_lines.insert(QTextCursor(document), key, pictures, scheme)
    return _lead_in(document)


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
