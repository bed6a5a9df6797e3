"""Colours code blocks after they are shown: a little at a time, the newest first, without touching the text."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QTextBlock, QTextCharFormat, QTextCursor, QTextDocument, QTextLayout

from .. import theme
from . import code, highlight
from .highlight import Colouring

SLICE_S = 0.008
"""How long it may work before other events have their turn."""

CHUNK = 40
"""Lines that are coloured at once."""

REACH = 60
"""Lines that are read again at most to know in what a changed line stands."""

COLOURED, SAFE = 1, 2
"""What the user state of a block says of a line: it has its colours; and lexers may begin there."""


class Colouriser(QObject):
    """Watches ``document`` as long as it lives."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._document = document
        self._waiting: list[QTextCursor] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)
        self._known: set[str] = set()
        document.contentsChange.connect(self._changed)

    @property
    def busy(self) -> bool:
        """Whether code waits for its colours."""
        return bool(self._waiting)

    def _changed(self, position: int, _removed: int, added: int) -> None:
        block = self._document.findBlock(position)
        group = -1
        while block.isValid() and block.position() <= position + added:
            if code.is_code(block):
                block.setUserState(-1)
                here = block.blockFormat().intProperty(code.GROUP)
                if here != group:
                    self._remember(block)
                group = here
            else:
                group = -1
            block = block.next()

    def _remember(self, block: QTextBlock) -> None:
        if not _language(block):
            return
        self._waiting.append(QTextCursor(block))
        if not self._timer.isActive():
            self._timer.start()

    def _work(self) -> None:
        end = time.monotonic() + SLICE_S
        while self._waiting and time.monotonic() < end:
            cursor = self._waiting.pop()
            block = cursor.block()
            if not code.is_code(block) or block.userState() in (COLOURED, SAFE):
                continue
            if self._first_of(_language(block)):
                self._waiting.append(cursor)
                return
            following = self._colour(block)
            if following.isValid():
                self._waiting.append(QTextCursor(following))
        if not self._waiting:
            self._timer.stop()

    def _first_of(self, language: str) -> bool:
        """Load a language's lexer, which takes a turn of its own; whether it was not there yet."""
        if language in self._known:
            return False
        self._known.add(language)
        highlight.lexer_of(language)
        return True

    def _colour(self, block: QTextBlock) -> QTextBlock:
        """Colour a line and some after it; the next one that has no colours yet, if there is one in its block."""
        group = block.blockFormat().intProperty(code.GROUP)
        first = _restart(block, group)
        lines: list[QTextBlock] = []
        at, after = first, 0
        while at.isValid() and code.is_code(at) and at.blockFormat().intProperty(code.GROUP) == group:
            if after >= CHUNK:
                break
            lines.append(at)
            after += at.position() >= block.position()
            at = at.next()
        else:
            at = QTextBlock()
        lexer = highlight.lexer_of(_language(block))
        if lexer is None:
            return QTextBlock()
        found = highlight.colour_lines(lexer, [line.text() for line in lines])
        for line, colouring in zip(lines, found, strict=True):
            _apply(line, colouring)
        self._document.markContentsDirty(first.position(), lines[-1].position() - first.position() + 1)
        return at if at.isValid() and at.userState() == -1 else QTextBlock()


def _restart(block: QTextBlock, group: int) -> QTextBlock:
    """The nearest line at or before this one at which a lexer may begin."""
    at = block
    for _step in range(REACH):
        before = at.previous()
        if (
            not (before.isValid() and code.is_code(before))
            or before.blockFormat().intProperty(code.GROUP) != group
        ):
            return at
        at = before
        if at.userState() == SAFE:
            return at
    return block


def _apply(line: QTextBlock, colouring: Colouring) -> None:
    ranges = []
    for start, length, name in colouring.spans:
        part = QTextLayout.FormatRange()
        part.start, part.length = start, length
        chars = QTextCharFormat()
        chars.setForeground(theme.colour(name))
        part.format = chars
        ranges.append(part)
    line.layout().setFormats(ranges)
    line.setUserState(SAFE if colouring.safe else COLOURED)


def _language(block: QTextBlock) -> str:
    return str(block.blockFormat().property(code.LANGUAGE) or "")
