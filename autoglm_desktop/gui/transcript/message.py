"""Writes one message into a region of the document: a question with its pictures, an answer part by part, an action."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtGui import QFont, QTextCursor, QTextDocument

from . import rendering, small_print, step_picture
from .body import Body, defines_links
from .entry import THINKING, Entry, Part
from .live import thought_line
from .region import Region


@dataclass
class Placed:
    """A message in the document. ``start``: its first character; ``small``: its small print, where it has some."""

    entry: Entry
    start: QTextCursor
    small: QTextCursor | None = None


@dataclass
class Unfolded:
    """Keys of the messages of which what was ``thought``, or the action as it was ``written``, is open."""

    thought: set[int] = field(default_factory=set)
    written: set[int] = field(default_factory=set)


class Writer:
    """Links of actions are ``scheme:name:key``."""

    def __init__(self, document: QTextDocument, font: QFont, scheme: str) -> None:
        self._document, self._scheme = document, scheme
        self.font = font
        self.unfolded = Unfolded()

    def write(self, entry: Entry, region: Region) -> Placed:
        """Write a message at the end of ``region``."""
        first = region.new_block()
        start = self.mark(first.position())
        region.reuse()
        if entry.role == "user":
            fragment = rendering.question_fragment(
                entry.text, self.font, entry.pictures, entry.key, self._scheme
            )
            region.put(region.new_block(), fragment)
        else:
            self._write_answer(entry, region)
        return Placed(entry, start, self.write_small_print(entry, region))

    def write_small_print(self, entry: Entry, region: Region) -> QTextCursor | None:
        """Write what stands below a message; where it begins, None: there is none."""
        if not small_print.needed(entry):
            return None
        cursor = region.new_block(bottom=small_print.BOTTOM)
        small = self.mark(cursor.position())
        small_print.write(entry, cursor, self._scheme)
        return small

    def mark(self, position: int) -> QTextCursor:
        """A place that stays at its character when something is written before it, and is not moved by what is
        written at it."""
        cursor = QTextCursor(self._document)
        cursor.setPosition(position)
        cursor.setKeepPositionOnInsert(True)
        return cursor

    def _write_answer(self, entry: Entry, region: Region) -> None:
        step = entry.step
        for part in entry.body:
            if part.kind == THINKING:
                self._write_thought(entry.key, part, region)
            elif step is None:
                self._write_text(part.text, region)
        if step is not None:
            if step.said:
                self._write_text(step.said, region)
            opened = entry.key in self.unfolded.written
            step_picture.write(step, entry.key, region, self.font, self._scheme, opened=opened)

    def _write_thought(self, key: int, part: Part, region: Region) -> None:
        opened = key in self.unfolded.thought
        thought_line(region.new_block(), key, self._scheme, part.seconds, opened=opened)
        if opened:
            region.put(region.new_block(), rendering.thought_fragment(part.text, self.font))

    def _write_text(self, text: str, region: Region) -> None:
        body = Body(region, self.font, self._scheme)
        if defines_links(text):
            body.show_whole(text)
        else:
            body.add(text)
            body.draw()
            body.finish()
