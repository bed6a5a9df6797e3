"""An answer that is being written: what was thought, collapsed, and what is said."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtGui import QFont, QTextCursor

from ...i18n import _
from ..theme import GAP
from . import code, rendering
from .body import Body
from .entry import THINKING, Entry, Part
from .region import Region
from .visible import visible

FOLD = "think"
RELABEL = "relabel"


def thought_line(
    cursor: QTextCursor, key: int, scheme: str, seconds: float | None, *, opened: bool, going_on: bool = False
) -> None:
    """The line that stands for what was thought, into an empty block; a click opens or closes it."""
    form = cursor.blockFormat()
    form.setProperty(code.CHROME, True)
    form.setBottomMargin(GAP)
    cursor.setBlockFormat(form)
    mark = "▾" if opened else "▸"
    cursor.insertText(
        f"{mark} {thought_words(seconds, going_on=going_on)}",
        code.link_format(f"{scheme}:{FOLD}:{key}", strong=False),
    )


def thought_words(seconds: float | None, *, going_on: bool = False) -> str:
    if going_on:
        return _("Thinking…")
    if seconds is None:
        return _("Thought")
    return _("Thought for {seconds} s").format(
        seconds=f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"
    )


@dataclass
class _Growing:
    kind: str
    pieces: list[str] = field(default_factory=list)
    seconds: float | None = None
    began: float | None = None
    line: QTextCursor | None = None

    def text(self) -> str:
        return "".join(self.pieces)

    def part(self) -> Part:
        return Part(self.kind, self.text(), self.seconds)


class Live:
    """Writes ``entry`` at the end of ``region`` and goes on with what is added. ``unfolded``: keys of the messages
    whose thinking is open."""

    def __init__(
        self,
        entry: Entry,
        region: Region,
        font: QFont,
        scheme: str,
        waiting: str,
        unfolded: set[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entry, self._region, self._font, self._scheme = entry, region, font, scheme
        self._clock = clock
        self._opened = entry.key in unfolded
        self._parts: list[_Growing] = []
        self._coming: list[tuple[str, str]] = []
        self._body: Body | None = self._new_body()
        self.start = region.end().block().position()
        self._body.wait(waiting)
        for part in entry.body:
            self._coming.append((part.kind, part.text))
            self._take()
            self._parts[-1].seconds = part.seconds
        if entry.body:
            self.draw()

    @property
    def entry(self) -> Entry:
        """The message with all that came so far."""
        coming = [(kind, text) for kind, text in self._coming if kind != RELABEL]
        parts = [*(grown.part() for grown in self._parts), *(Part(kind, text) for kind, text in coming)]
        if not any(part.kind == THINKING for part in parts):
            return dataclasses.replace(self._entry, text="".join(part.text for part in parts), parts=())
        text = "\n\n".join(part.text for part in parts if part.kind != THINKING)
        return dataclasses.replace(self._entry, text=text, parts=_joined(parts))

    @property
    def undrawn(self) -> int:
        """How many characters are drawn again each time."""
        return self._body.undrawn if self._body is not None else 0

    def add(self, text: str, kind: str) -> None:
        """``kind``: text | thinking | relabel (all until now was thinking)."""
        if text or kind == RELABEL:
            self._coming.append((kind, text))

    def draw(self) -> None:
        self._take()
        if self._body is not None and self._body.text:
            self._body.draw()

    def complete(self, wanted: Entry) -> bool:
        """End as ``wanted``, of which a part is drawn; False where that is another text."""
        self._take()
        theirs = wanted.body
        if len(theirs) != len(self._parts) or not theirs:
            return False
        for ours, part in zip(self._parts, theirs, strict=True):
            if ours.kind != part.kind or (
                part is not theirs[-1] and ours.text().strip() != part.text.strip()
            ):
                return False
        drawn, last = self._parts[-1].text().rstrip(), theirs[-1]
        if not last.text.startswith(drawn):
            return False
        rest = last.text[len(self._parts[-1].text()) :]
        if rest and last.kind == THINKING:
            return False
        for ours, part in zip(self._parts, theirs, strict=True):
            self._end_line(ours, part.seconds)
        if self._body is not None:
            self._body.add(rest)
            self._body.draw()
            self._body.finish()
        return True

    def _take(self) -> None:
        """Put what has come in its place."""
        coming, self._coming = self._coming, []
        for kind, text in coming:
            if kind == RELABEL:
                self._relabel()
            elif kind == THINKING:
                self._think(text)
            else:
                self._say(text)

    def _say(self, text: str) -> None:
        if not self._parts or self._parts[-1].kind == THINKING:
            if self._parts:
                self._end_line(self._parts[-1], None)
                self._body = self._new_body()
            self._parts.append(_Growing("text"))
        self._parts[-1].pieces.append(text)
        assert self._body is not None
        self._body.add(text)

    def _think(self, text: str) -> None:
        if not self._parts or self._parts[-1].kind != THINKING:
            self._begin_thinking()
        self._parts[-1].pieces.append(text)
        if self._opened:
            self._region.end().insertText(visible(text), code.small_format())

    def _begin_thinking(self) -> None:
        if self._parts and self._body is not None:
            self._body.draw()
            self._body.finish()
        else:
            self._region.clear_from(self.start)
            self._region.reuse()
        self._body = None
        grown = _Growing(THINKING, began=self._clock())
        self._parts.append(grown)
        cursor = self._region.new_block()
        grown.line = QTextCursor(cursor.block())
        grown.line.setKeepPositionOnInsert(True)
        thought_line(cursor, self._entry.key, self._scheme, None, opened=self._opened, going_on=True)
        if self._opened:
            self._region.put(self._region.new_block(), rendering.thought_fragment("", self._font))

    def _end_line(self, grown: _Growing, seconds: float | None) -> None:
        """The thinking has ended: how long it took, by the message or else by the clock."""
        if grown.line is None:
            return
        if seconds is None and grown.seconds is None and grown.began is not None:
            seconds = self._clock() - grown.began
        grown.seconds = seconds if seconds is not None else grown.seconds
        cursor = QTextCursor(grown.line.block())
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        thought_line(cursor, self._entry.key, self._scheme, grown.seconds, opened=self._opened)

    def _relabel(self) -> None:
        text = "".join(grown.text() for grown in self._parts)
        self._parts, self._body = [], None
        if text:
            self._think(text)

    def _new_body(self) -> Body:
        return Body(self._region, self._font, self._scheme)


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbours of one kind are one part."""
    found: list[Part] = []
    for part in parts:
        if found and found[-1].kind == part.kind:
            found[-1] = dataclasses.replace(found[-1], text=found[-1].text + part.text)
        else:
            found.append(part)
    return tuple(found)
