"""What is selected or belongs to a code block, as text; and keeping in view what is read."""

from __future__ import annotations

from types import TracebackType

from PySide6.QtCore import QPoint
from PySide6.QtGui import QTextBlock, QTextCursor, QTextDocument
from PySide6.QtWidgets import QTextEdit

from . import code
from .picture_lines import OBJECT, words_at


def text_of(cursor: QTextCursor) -> str:
    """The selected words, line by line; small print, heads of code blocks and buttons are left out."""
    if not cursor.hasSelection():
        return ""
    document, start, end = cursor.document(), cursor.selectionStart(), cursor.selectionEnd()
    block = document.findBlock(start)
    lines = []
    while block.isValid() and block.position() <= end:
        if not block.blockFormat().boolProperty(code.CHROME):
            first, last = max(start - block.position(), 0), max(end - block.position(), 0)
            lines.append(_with_words(document, block, first, last))
        block = block.next()
    return "\n".join(lines).replace("\u2028", "\n").replace("\u00a0", " ")


def _with_words(document: QTextDocument, block: QTextBlock, first: int, last: int) -> str:
    """A part of a block; in the place of a picture its name."""
    text = block.text()[first:last]
    if OBJECT not in text:
        return text
    at = block.position() + first
    return "".join(
        words_at(document, at + place) if character == OBJECT else character
        for place, character in enumerate(text)
    )


def code_of(document: QTextDocument, group: int) -> str:
    """All lines of a code block."""
    lines, block = [], document.begin()
    while block.isValid():
        if code.is_code(block) and block.blockFormat().intProperty(code.GROUP) == group:
            lines.append(block.text())
        elif lines:
            break
        block = block.next()
    return "\n".join(lines).replace("\u2028", "\n")


def codes_between(document: QTextDocument, start: int, end: int) -> list[tuple[int, str]]:
    """(group, language) of the code blocks from one place to another."""
    found: dict[int, str] = {}
    block = document.findBlock(start)
    while block.isValid() and block.position() < end:
        if code.is_code(block):
            form = block.blockFormat()
            found.setdefault(form.intProperty(code.GROUP), str(form.property(code.LANGUAGE) or ""))
        block = block.next()
    return list(found.items())


class Anchor:
    """While the document changes, what stands at the view's upper edge stays there; ``end``: the end does."""

    def __init__(self, edit: QTextEdit, end: bool) -> None:
        self._edit, self._end = edit, end
        self._cursor = QTextCursor(edit.document())
        self._below = 0.0

    def __enter__(self) -> Anchor:
        block = self._edit.cursorForPosition(QPoint(1, 1)).block()
        self._cursor = QTextCursor(block)
        self._below = self._top() - self._edit.verticalScrollBar().value()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        bar = self._edit.verticalScrollBar()
        self._edit.document().documentLayout().documentSize()
        bar.setValue(bar.maximum() if self._end else int(self._top() - self._below))

    def _top(self) -> float:
        return self._edit.document().documentLayout().blockBoundingRect(self._cursor.block()).top()
