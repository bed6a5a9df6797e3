"""Messages of a conversation in one text document: added at both ends, cut, and one answer streamed at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from PySide6.QtGui import QFont, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextDocument

from ..theme import GAP
from . import small_print
from .body import defines_links
from .column import MARGIN
from .entry import Entry, Part
from .live import Live
from .message import Placed, Writer
from .region import Region

__all__ = ["ChatDocument", "Entry", "Part"]


class ChatDocument:
    """Writes into ``document``. Links of actions are ``scheme:name:key``."""

    def __init__(self, document: QTextDocument, font: QFont, scheme: str) -> None:
        self._document = document
        self._scheme = scheme
        self._writer = Writer(document, font, scheme)
        self._shown: list[Placed] = []
        self._live: Live | None = None
        self._ended: Live | None = None
        self._prepare()

    @property
    def font(self) -> QFont:
        """Of what is written from now on."""
        return self._writer.font

    @font.setter
    def font(self, font: QFont) -> None:
        self._writer.font = font

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
                first.small = self._writer.mark(region.after)
            first.start = self._writer.mark(region.after)
            self._shown[0:0] = [self._writer.write(entry, region) for entry in entries]

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
        """An answer that is being written; ``waiting`` stands in its place until its first words. One that is shown
        already goes on where it ends."""
        self.end_live()
        if self._shown and self._shown[-1].entry.key == entry.key:  # it goes on
            self.cut(len(self._shown) - 1)
        region = Region(self._document)
        self._live = Live(entry, region, self.font, self._scheme, waiting, self._writer.unfolded.thought)
        self._shown.append(Placed(entry, self._writer.mark(self._live.start)))

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

    def find(self, key: int | None) -> Entry | None:
        """The message with a key, if it is in the document; with all its text where it is being written."""
        if self._live is not None and self._shown[-1].entry.key == key:
            return self._live.entry
        return next((shown.entry for shown in self._shown if shown.entry.key == key), None)

    def fold(self, key: int, *, written: bool = False) -> None:
        """Open or close what a message thought, or the action as it was ``written``."""
        opened = self._writer.unfolded.written if written else self._writer.unfolded.thought
        opened ^= {key}
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
        if last and self._ended is not None and wanted.key == shown.entry.key:
            drawn_anew = wanted.step is not None or defines_links(wanted.text)
            if drawn_anew or not self._ended.complete(wanted):
                return False
            self._ended = None
            shown.entry = wanted
            shown.small = self._writer.write_small_print(wanted, Region(self._document))
            return True
        if (wanted.key, wanted.role) != (shown.entry.key, shown.entry.role) or not wanted.reads_like(
            shown.entry
        ):
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
        shown.small = self._writer.mark(cursor.position())
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
        self._shown.append(self._writer.write(entry, Region(self._document)))

    @contextlib.contextmanager
    def _one_layout(self) -> Iterator[None]:
        """All changes within are laid out together."""
        cursor = QTextCursor(self._document)
        cursor.beginEditBlock()
        try:
            yield
        finally:
            cursor.endEditBlock()

    def _prepare(self) -> None:
        self._document.setUndoRedoEnabled(False)
        self._document.setIndentWidth(3 * GAP)
        self._document.setDocumentMargin(MARGIN)
        QTextCursor(self._document).setBlockFormat(QTextBlockFormat())
