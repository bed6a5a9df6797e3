"""Markdown that is written piece by piece: the cost of a drawing does not grow with what is there already."""

from __future__ import annotations

import re

from PySide6.QtGui import QFont, QTextBlockFormat, QTextCursor

from . import blocks, code, rendering, styling
from .region import Region
from .visible import visible

_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s*\S", re.MULTILINE)


def defines_links(text: str) -> bool:
    """Whether links further up get their address here: then a text has to be drawn as a whole."""
    return _DEFINITION.search(text) is not None


class Body:
    """Writes at the end of ``region``. ``add``, then ``draw`` as often as is wished, ``finish`` at last."""

    def __init__(self, region: Region, font: QFont, scheme: str) -> None:
        self._region, self._font, self._scheme = region, font, scheme
        self._pieces: list[str] = []
        self._tail = ""
        self._fence: blocks.Fence | None = None
        self._lines = QTextBlockFormat()
        self._number: int | None = None
        self._start = self._mark(region.new_block())

    @property
    def text(self) -> str:
        """All of it so far, as it came."""
        return "".join(self._pieces)

    @property
    def undrawn(self) -> int:
        """How many characters are drawn again each time."""
        return len(self._tail)

    def wait(self, text: str) -> None:
        """Small print in its place until something is drawn."""
        self._region.end().insertText(text, code.small_format())

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._tail += visible(text)

    def draw(self) -> None:
        """Show what was added: finished blocks for good, the rest for now."""
        cursor = QTextCursor(self._region.document)
        cursor.beginEditBlock()
        while self._step():
            pass
        cursor.endEditBlock()

    def show_whole(self, text: str) -> None:
        """A text that has to be read as a whole."""
        self._pieces, self._tail = [text], ""
        self._show(visible(text))

    def finish(self) -> None:
        """Nothing more comes."""
        if self._fence is not None:
            self._end_fence()
        else:
            self._region.drop_empty_end()

    def _step(self) -> bool:
        """Draw one finished block, or what is left; whether there is more to do."""
        if self._fence is not None:
            return self._code_lines(self._fence)
        self._tail = blocks.without_blank_lines(self._tail)
        fence = blocks.opened(self._tail)
        if fence is not None:
            self._begin_fence(fence)
            return True
        heading, cut = blocks.long_table(self._tail)
        if cut:
            self._commit(self._tail[:cut], joined=False)
            self._tail = self._tail[:heading] + self._tail[cut:]
            return True
        length, joined = blocks.next_cut(self._tail)
        if not length:
            self._show(self._tail)
            return False
        self._commit(self._tail[:length], joined=joined)
        self._tail = self._tail[length:]
        return True

    def _commit(self, markdown: str, *, joined: bool) -> None:
        """A finished block. ``joined``: a list goes on after it."""
        self._show(markdown)
        first = blocks.first_number(markdown) if joined else None
        if first is not None:
            first = first if self._number is None else self._number
            self._number = first + blocks.numbered_items(markdown)
        else:
            self._number = None
        if joined:
            cursor = self._region.end()
            form = cursor.blockFormat()
            form.setBottomMargin(styling.ITEM_GAP)
            cursor.setBlockFormat(form)
        self._start = self._mark(self._region.new_block())

    def _show(self, markdown: str) -> None:
        cursor = self._region.clear_from(self._start.position())
        if markdown.strip():
            if self._number is not None:
                markdown = blocks.numbered_from(markdown, self._number)
            self._region.put(cursor, rendering.answer_fragment(markdown, self._font, self._scheme))

    def _begin_fence(self, fence: blocks.Fence) -> None:
        self._fence, self._number = fence, None
        self._tail = self._tail[fence.length :]
        language = code.language_of(fence.info)
        self._lines = code.line_block_format(QTextBlockFormat(), code.next_group(), language)
        code.insert_head(self._region.clear_from(self._start.position()), self._lines, self._scheme)
        self._start = self._mark(self._region.new_block())

    def _code_lines(self, fence: blocks.Fence) -> bool:
        *lines, last = self._tail.split("\n")
        for number, line in enumerate(lines):
            if fence.closed_by(line):
                self._write([fence.content(found) for found in lines[:number]], None)
                self._tail = "\n".join([*lines[number + 1 :], last])
                self._end_fence()
                self._start = self._mark(self._region.new_block())
                return True
        self._write([fence.content(line) for line in lines], fence.content(last))
        self._tail = last
        return False

    def _write(self, lines: list[str], last: str | None) -> None:
        """Complete lines of code in the place of what was not complete, and the one that is not."""
        cursor = self._region.clear_from(self._start.position())
        cursor.setBlockFormat(self._lines)
        chars = code.code_format(self._font)
        cursor.setBlockCharFormat(chars)
        text = "\n".join(lines) + ("\n" if lines and last is not None else "") + (last or "")
        cursor.insertText(text, chars)
        self._start = self._mark(QTextCursor(cursor.block()))

    @staticmethod
    def _mark(cursor: QTextCursor) -> QTextCursor:
        """Where what is drawn again begins: it moves with what changes before it."""
        cursor.setKeepPositionOnInsert(True)
        return cursor

    def _end_fence(self) -> None:
        self._fence = None
        last = self._region.end().block()
        before = last.previous()
        if not last.text() and code.is_code(before) and code.is_code(last):
            self._region.drop_empty_end()
            last = self._region.end().block()
        code.end_lines(last)
