"""Messages of a conversation in one text document: added at both ends, cut, and one answer streamed at its end."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PySide6.QtGui import QFont, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextDocument

from ..theme import GAP
from . import rendering, small_print
from .body import Body, defines_links
from .column import MARGIN
from .entry import THINKING, Entry, Part
from .live import Live, thought_line
from .region import Region

__all__ = ["ChatDocument", "Entry", "Part"]


@dataclass
class _Shown:
    """``start``: its first character; ``small``: its small print, where it has some."""

    entry: Entry
    start: QTextCursor
    small: QTextCursor | None = None


class ChatDocument:
    """Writes into ``document``. Links of actions are ``scheme:name:key``."""

    def __init__(self, document: QTextDocument, font: QFont, scheme: str) -> None:
        self._document = document
        self._scheme = scheme
        self._shown: list[_Shown] = []
        self._live: Live | None = None
        self._ended: Live | None = None
        self.font = font
        self.unfolded: set[int] = set()
        self._prepare()

    @property
    def entries(self) -> list[Entry]:
        """The messages that are in the document."""
        return [shown.entry for shown in self._shown]

    @property
    def live(self) -> Entry | None:
        """The answer that is being written, with its text so far."""
        return self._live.entry if self._live is not None else None

    @property
    def undrawn(self) -> int:
        """How many characters of what is being written are drawn again each time."""
        return self._live.undrawn if self._live is not None else 0

    def start_of(self, index: int) -> int:
        """Where a message begins in the document; behind the last one: the document's end."""
        if index < len(self._shown):
            return self._shown[index].start.position()
        return self._document.characterCount() - 1

    def index_at(self, position: int) -> int:
        """Which message a place in the document belongs to; -1: there is none."""
        found = -1
        for number, shown in enumerate(self._shown):
            if shown.start.position() > position:
                break
            found = number
        return found

    def show(self, entries: Sequence[Entry]) -> None:
        """Show these messages; those that are shown already and did not change stay as they are."""
        self.end_live()
        with self._one_layout():
            self._show(entries)

    def _show(self, entries: Sequence[Entry]) -> None:
        for index, wanted in enumerate(entries):
            if index == len(self._shown):
                self._append(wanted)
            elif self._differs(index, wanted) and not self._amend(index, wanted):
                self.cut(index)
                self._append(wanted)
        self.cut(len(entries))
        self._ended = None

    def prepend(self, entries: Sequence[Entry]) -> None:
        """Show these before all that is shown."""
        if not self._shown or not entries:
            return
        with self._one_layout():
            region, first = Region(self._document, first=True), self._shown[0]
            if first.small is not None and first.small.position() == first.start.position():
                first.small = self._cursor(region.after)
            first.start = self._cursor(region.after)
            self._shown[0:0] = [self._write(entry, region) for entry in entries]

    def cut(self, kept: int) -> None:
        """Remove all messages but the first ``kept``."""
        if kept >= len(self._shown):
            return
        self._live = self._ended = None
        start = self._shown[kept].start.position()
        del self._shown[kept:]
        if kept == 0:
            self._document.clear()
            self._prepare()
            return
        cursor = QTextCursor(self._document)
        cursor.setPosition(start - 1)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()

    def drop_first(self, count: int) -> None:
        """Remove the first ``count`` messages, not all."""
        cursor = QTextCursor(self._document)
        cursor.setPosition(self._shown[count].start.position())
        cursor.movePosition(QTextCursor.MoveOperation.Start, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        del self._shown[:count]

    def begin(self, entry: Entry, waiting: str) -> None:
        """An answer that is being written; ``waiting`` stands in its place until its first words."""
        self.end_live()
        region = Region(self._document)
        self._live = Live(entry, region, self.font, self._scheme, waiting, self.unfolded)
        self._shown.append(_Shown(entry, self._cursor(self._live.start)))

    def add(self, text: str, kind: str = "text") -> None:
        """More of the answer that is being written; ``draw`` shows it."""
        if self._live is not None:
            self._live.add(text, kind)

    def draw(self) -> None:
        if self._live is not None:
            self._live.draw()

    def end_live(self) -> None:
        """What is being written stays as it is drawn."""
        if self._live is not None:
            self._shown[-1].entry = self._live.entry
            self._ended, self._live = self._live, None

    def fold(self, key: int) -> None:
        """Open or close what a message thought."""
        self.unfolded ^= {key}
        if self._live is not None and self._live.entry.key == key:
            entry = self._live.entry
            self.cut(len(self._shown) - 1)
            self.begin(entry, "…")
        else:
            index = next(n for n, shown in enumerate(self._shown) if shown.entry.key == key)
            self._write_again(index)

    def _differs(self, index: int, wanted: Entry) -> bool:
        """Whether something is to be done; with an answer that was being written there always is."""
        return self._shown[index].entry != wanted or (
            self._ended is not None and index == len(self._shown) - 1
        )

    def _amend(self, index: int, wanted: Entry) -> bool:
        """Change only what differs, if that can be done."""
        shown = self._shown[index]
        last = index == len(self._shown) - 1
        same = dataclasses.replace(shown.entry, text=wanted.text, parts=wanted.parts)
        if last and self._ended is not None and wanted.key == shown.entry.key:
            if defines_links(wanted.text) or not self._ended.complete(wanted):
                return False
            self._ended = None
            shown.entry = wanted
            shown.small = self._small_print(wanted, Region(self._document))
            return True
        if same != shown.entry and (wanted.key, wanted.role) != (shown.entry.key, shown.entry.role):
            return False
        if (wanted.text, wanted.parts) != (shown.entry.text, shown.entry.parts):
            return False
        shown.entry = wanted
        self._rewrite_small_print(index)
        return True

    def _rewrite_small_print(self, index: int) -> None:
        """Replace, add or remove the small print of a message; what stands around it is left alone."""
        shown = self._shown[index]
        cursor = QTextCursor(self._document)
        cursor.setPosition(self.start_of(index + 1) - (1 if index + 1 < len(self._shown) else 0))
        if shown.small is not None:
            alone = shown.small.position() == shown.start.position()
            wanted = small_print.needed(shown.entry) or alone
            cursor.setPosition(shown.small.position() - (0 if wanted else 1), QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            if not wanted:
                shown.small = None
                return
        elif not small_print.needed(shown.entry):
            return
        elif shown.entry.body:
            cursor.insertBlock(small_print.block_format(), QTextCharFormat())
        shown.small = self._cursor(cursor.position())
        small_print.write(shown.entry, cursor, self._scheme)

    def _write_again(self, index: int) -> None:
        after = [shown.entry for shown in self._shown[index:]]
        live = self._live
        self._live = None
        self.cut(index)
        if live is not None:
            after.pop()
        for entry in after:
            self._append(entry)
        if live is not None:
            self.begin(live.entry, "…")

    def _append(self, entry: Entry) -> None:
        self._shown.append(self._write(entry, Region(self._document)))

    def _write(self, entry: Entry, region: Region) -> _Shown:
        first = region.new_block()
        start = self._cursor(first.position())
        region.reuse()
        if entry.role == "user":
            region.put(region.new_block(), rendering.question_fragment(entry.text, self.font))
        else:
            for part in entry.body:
                self._write_part(entry, part, region)
        return _Shown(entry, start, self._small_print(entry, region))

    def _write_part(self, entry: Entry, part: Part, region: Region) -> None:
        if part.kind == THINKING:
            opened = entry.key in self.unfolded
            thought_line(region.new_block(), entry.key, self._scheme, part.seconds, opened=opened)
            if opened:
                region.put(region.new_block(), rendering.thought_fragment(part.text, self.font))
            return
        body = Body(region, self.font, self._scheme)
        if defines_links(part.text):
            body.show_whole(part.text)
        else:
            body.add(part.text)
            body.draw()
            body.finish()

    def _small_print(self, entry: Entry, region: Region) -> QTextCursor | None:
        if not small_print.needed(entry):
            return None
        cursor = region.new_block(bottom=small_print.BOTTOM)
        small = self._cursor(cursor.position())
        small_print.write(entry, cursor, self._scheme)
        return small

    @contextlib.contextmanager
    def _one_layout(self) -> Iterator[None]:
        """All changes within are laid out together."""
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        try:
            yield
        finally:
            cursor.endEditBlock()

    def _cursor(self, position: int) -> QTextCursor:
        """A place that stays at its character when something is written before it, and is not moved by what is
        written at it."""
        cursor = QTextCursor(self._document)
        cursor.setPosition(position)
        cursor.setKeepPositionOnInsert(True)
        return cursor

    def _prepare(self) -> None:
        self._document.setUndoRedoEnabled(False)
        self._document.setIndentWidth(3 * GAP)
        self._document.setDocumentMargin(MARGIN)
        QTextCursor(self._document).setBlockFormat(QTextBlockFormat())
