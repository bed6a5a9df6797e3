"""A part of a text document that is written at its end: the whole of it, or all before a place."""

from __future__ import annotations

from PySide6.QtGui import QTextBlockFormat, QTextCharFormat, QTextCursor, QTextDocument, QTextDocumentFragment

from . import styling


class Region:
    """The end of a document; with ``first`` its beginning, before what is there already."""

    def __init__(self, document: QTextDocument, *, first: bool = False) -> None:
        self.document = document
        self._fresh = first or document.isEmpty()
        self._after: QTextCursor | None = None
        if first and not document.isEmpty():
            cursor = QTextCursor(document)
            cursor.insertBlock()
            self._after = cursor
            start = QTextCursor(document)
            start.setBlockFormat(QTextBlockFormat())
            start.setBlockCharFormat(QTextCharFormat())

    def end(self) -> QTextCursor:
        """A cursor behind the last character."""
        cursor = QTextCursor(self.document)
        if self._after is None:
            cursor.movePosition(QTextCursor.MoveOperation.End)
        else:
            cursor.setPosition(self._after.position() - 1)
        return cursor

    def new_block(self, bottom: float = 0.0) -> QTextCursor:
        """An empty block; the first one is there already."""
        cursor = self.end()
        form = QTextBlockFormat()
        form.setBottomMargin(bottom)
        if self._fresh:
            cursor.setBlockFormat(form)
            cursor.setBlockCharFormat(QTextCharFormat())
        else:
            cursor.insertBlock(form, QTextCharFormat())
        self._fresh = False
        return cursor

    def reuse(self) -> None:
        """The last block is empty: the next ``new_block`` is that one."""
        self._fresh = True

    @property
    def after(self) -> int:
        """Where what follows begins; -1: nothing does."""
        return self._after.position() if self._after is not None else -1

    def clear_from(self, position: int) -> QTextCursor:
        """Remove all from ``position`` on; an empty block without any format is left."""
        cursor = self.end()
        if cursor.position() > position:
            cursor.setPosition(position, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
        cursor.setBlockFormat(QTextBlockFormat())
        cursor.setBlockCharFormat(QTextCharFormat())
        return cursor

    def put(self, cursor: QTextCursor, fragment: QTextDocumentFragment) -> None:
        """Insert a fragment at an empty block and drop the empty block it begins with."""
        position = cursor.position()
        cursor.insertFragment(fragment)
        cursor.setPosition(position)
        cursor.deleteChar()
        after = cursor.block().next()
        if not cursor.block().text() and after.isValid() and QTextCursor(after).currentTable() is not None:
            styling.shrink(cursor, 0)  # before a table the empty block stays

    def drop_empty_end(self) -> None:
        """Remove the last block where nothing stands in it; behind a table it stays, hardly to be seen."""
        cursor = self.end()
        block = cursor.block()
        before = block.previous()
        if block.text() or not before.isValid():
            return
        if QTextCursor(before).currentTable() is not None:
            styling.shrink(cursor, 0)
        else:
            form, chars = before.blockFormat(), before.charFormat()
            cursor.deletePreviousChar()
            cursor.setBlockFormat(form)
            cursor.setBlockCharFormat(chars)
