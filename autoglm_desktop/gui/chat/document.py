"""The messages of a conversation in one text document: appended, cut, and one answer streamed at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtGui import (
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextDocumentFragment,
)

from ..theme import GAP
from . import rendering
from .blocks import finished_length
from .column import MARGIN


@dataclass(frozen=True)
class Entry:
    """A message as it is shown. ``footer``, ``remarks`` and ``actions`` ((name, text) pairs) stand below an answer.

    ``role``: user | assistant | earlier (a line above the first message that is shown).
    """

    key: int
    role: str
    text: str
    footer: str = ""
    remarks: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()


class ChatDocument:
    """Writes into ``document``. Links of actions are ``scheme:name:key``."""

    def __init__(self, document: QTextDocument, font: QFont, scheme: str) -> None:
        self._document = document
        self._scheme = scheme
        self._starts: list[int] = []
        self._live: Entry | None = None
        self._text = ""
        self._committed = 0
        self._tail = 0
        self.font = font
        self.entries: list[Entry] = []
        self._prepare()

    @property
    def live(self) -> Entry | None:
        """The answer that is being written, with its text so far."""
        if self._live is None:
            return None
        return Entry(self._live.key, self._live.role, self._text)

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these messages; those that are shown already and did not change stay as they are."""
        self.end_live()
        kept = 0
        for shown, wanted in zip(self.entries, entries, strict=False):
            if shown != wanted:
                break
            kept += 1
        self._cut(kept)
        for entry in entries[kept:]:
            self._append(entry)

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self.end_live()
        self._remember(entry)
        self._live, self._text, self._committed = entry, entry.text, 0
        cursor = self._new_block()
        self._tail = cursor.position()
        cursor.insertText(waiting, rendering.muted_format())
        if self._text:
            self.draw()

    def add(self, text: str) -> None:
        """More of the answer that is being written; ``draw`` shows it."""
        self._text += text

    def end_live(self) -> None:
        """What is being written stays as it is drawn."""
        self._live = None

    def draw(self) -> None:
        """Commit the blocks that are finished and draw the rest again: the cost does not grow with the answer."""
        tail = self._text[self._committed :]
        finished = finished_length(tail)
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        if finished:
            self._replace_tail(tail[:finished])
            self._committed += finished
            self._tail = self._new_block().position()
            tail = tail[finished:]
        self._replace_tail(tail)
        cursor.endEditBlock()

    def _append(self, entry: Entry) -> None:
        self._remember(entry)
        if entry.role == "user":
            self._put(self._new_block(), rendering.question_fragment(entry.text, self.font))
            return
        if entry.text:
            self._put(self._new_block(), rendering.answer_fragment(entry.text, self.font))
        self._append_small_print(entry)

    def _append_small_print(self, entry: Entry) -> None:
        cursor = self._new_block(bottom=GAP)
        small = rendering.muted_format()
        for remark in entry.remarks:
            cursor.insertText(remark + "\n", small)
        cursor.insertText(entry.footer, small)
        for number, (name, text) in enumerate(entry.actions):
            if number or entry.footer:
                cursor.insertText("   ", small)
            cursor.insertText(text, rendering.link_format(f"{self._scheme}:{name}:{entry.key}"))
        cursor.setCharFormat(QTextCharFormat())

    def _replace_tail(self, markdown: str) -> None:
        cursor = QTextCursor(self._document)
        cursor.setPosition(self._tail)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        cursor.setBlockFormat(QTextBlockFormat())
        cursor.setBlockCharFormat(QTextCharFormat())
        if markdown.strip():
            self._put(cursor, rendering.answer_fragment(markdown, self.font))

    def _put(self, cursor: QTextCursor, fragment: QTextDocumentFragment) -> None:
        """Insert a fragment at an empty block and drop the empty block it begins with."""
        position = cursor.position()
        cursor.insertFragment(fragment)
        cursor.setPosition(position)
        cursor.deleteChar()
        after = cursor.block().next()
        if not cursor.block().text() and after.isValid() and QTextCursor(after).currentTable() is not None:
            rendering.shrink(cursor, 0)  # before a table the empty block stays

    def _new_block(self, bottom: float = 0.0) -> QTextCursor:
        """An empty block at the end; the document's first one is used as it is."""
        cursor = QTextCursor(self._document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        form = QTextBlockFormat()
        form.setBottomMargin(bottom)
        if self._document.isEmpty():
            cursor.setBlockFormat(form)
        else:
            cursor.insertBlock(form, QTextCharFormat())
        return cursor

    def _remember(self, entry: Entry) -> None:
        cursor = QTextCursor(self._document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        self._starts.append(cursor.position())
        self.entries.append(entry)

    def _cut(self, kept: int) -> None:
        """Remove all messages but the first ``kept``."""
        if kept >= len(self.entries):
            return
        start = self._starts[kept]
        del self.entries[kept:], self._starts[kept:]
        if kept == 0:
            self._document.clear()
            self._prepare()
            return
        cursor = QTextCursor(self._document)
        cursor.setPosition(start)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()

    def _prepare(self) -> None:
        self._document.setUndoRedoEnabled(False)
        self._document.setIndentWidth(3 * GAP)
        self._document.setDocumentMargin(MARGIN)
