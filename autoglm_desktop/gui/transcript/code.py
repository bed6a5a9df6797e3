"""Code blocks: a head with the language and Copy, then the lines."""

from __future__ import annotations

import itertools

from PySide6.QtGui import QFont, QTextBlock, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextFormat

from ...i18n import _
from .. import theme
from ..theme import GAP

KIND = QTextFormat.Property.UserProperty.value + 1
"""Block property: which backdrop is painted behind it (QUESTION, CODE, QUOTE, RULE)."""

GROUP = QTextFormat.Property.UserProperty.value + 2
"""Block property: blocks of one number share one backdrop."""

CHROME = QTextFormat.Property.UserProperty.value + 3
"""Block property: it is no part of any message, and not copied with a selection."""

LANGUAGE = QTextFormat.Property.UserProperty.value + 4
"""Block property of code: the language that its fence names."""

QUESTION, CODE, QUOTE, RULE = 1, 2, 3, 4
PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value
LINE_HEIGHT = 118.0
MONO_FAMILIES = ["JetBrains Mono", "Cascadia Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]
COPY_CODE = "code"
LONGEST_NAME = 24

_groups = itertools.count(1)


def next_group() -> int:
    return next(_groups)


def mono_format(font: QFont) -> QTextCharFormat:
    form = QTextCharFormat()
    form.setFontFamilies([*MONO_FAMILIES, *font.families()])
    form.setFontPointSize(font.pointSizeF() * 0.94)
    return form


def code_format(font: QFont) -> QTextCharFormat:
    """The characters of a code block."""
    form = mono_format(font)
    form.setForeground(theme.colour("text"))
    return form


def small_format() -> QTextCharFormat:
    """Small print."""
    form = QTextCharFormat()
    form.setForeground(theme.colour("muted"))
    form.setProperty(QTextFormat.Property.FontSizeAdjustment.value, -1)
    return form


def link_format(href: str, *, strong: bool = True) -> QTextCharFormat:
    """An action in the small print."""
    form = small_format()
    form.setAnchor(True)
    form.setAnchorHref(href)
    form.setForeground(theme.colour("accent"))
    if strong:
        form.setFontWeight(QFont.Weight.DemiBold)
    return form


def line_block_format(base: QTextBlockFormat, group: int, language: str) -> QTextBlockFormat:
    """A line of code. ``base`` keeps what Markdown gave it, such as its place in a list."""
    form = QTextBlockFormat(base)
    form.setNonBreakableLines(False)
    form.setProperty(KIND, CODE)
    form.setProperty(GROUP, group)
    form.setProperty(LANGUAGE, language)
    form.setLeftMargin(1.5 * GAP)
    form.setRightMargin(1.5 * GAP)
    form.setTopMargin(0)
    form.setBottomMargin(0)
    form.setLineHeight(LINE_HEIGHT, PROPORTIONAL)
    return form


def language_of(info: str) -> str:
    """The language in what follows a fence."""
    words = info.split()
    return words[0].strip("{}.").lower()[:LONGEST_NAME] if words else ""


def insert_head(cursor: QTextCursor, line: QTextBlockFormat, scheme: str) -> None:
    """Write the head of a code block into the empty block at ``cursor``; ``line`` is the format of its lines."""
    form = QTextBlockFormat(line)
    form.setProperty(CHROME, True)
    form.setTopMargin(2.25 * GAP)
    form.setBottomMargin(0.5 * GAP)
    cursor.setBlockFormat(form)
    language = str(line.property(LANGUAGE) or "")
    if language:
        cursor.insertText(language + "   ", small_format())
    href = f"{scheme}:{COPY_CODE}:{line.intProperty(GROUP)}"
    cursor.insertText(_("Copy"), link_format(href, strong=False))


def end_lines(block: QTextBlock) -> None:
    """The last line of a code block keeps its distance from what follows."""
    form = block.blockFormat()
    form.setBottomMargin(2.5 * GAP)
    QTextCursor(block).setBlockFormat(form)


def is_code(block: QTextBlock) -> bool:
    """Whether it is a line of a code block; its head is none."""
    form = block.blockFormat()
    return form.intProperty(KIND) == CODE and not form.boolProperty(CHROME)
