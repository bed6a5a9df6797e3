"""Where Markdown may be cut while it is still being written: what lies before a cut never changes its look again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"( {0,3})(?:(`{3,})([^`]*)|(~{3,})(.*))$")
_LIST_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?:\s|$)")
_FULL_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])[ \t]+\S")
_BEGINS_LIST = re.compile(r"(?:[-+*]|1[.)])[ \t]+\S")
_MAY_BECOME_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)]?)$")
_NUMBER = re.compile(r"(\d{1,9})(?=[.)])")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
_NUMBERED = re.compile(r"^\d{1,9}[.)][ \t]+\S", re.MULTILINE)
_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")

TABLE_ROWS = 120
"""Rows that are drawn as one table; a longer one goes on below with its heading again, since Qt lays out a table as a
whole whenever it changes."""


@dataclass(frozen=True)
class Fence:
    """The line that opens a code block. ``length``: of that line, in characters; ``info``: what follows the marks."""

    marks: str
    indent: int
    info: str
    length: int

    def closed_by(self, line: str) -> bool:
        """Whether a complete line ends the code block."""
        if len(line) - len(line.lstrip(" ")) > 3:
            return False
        bare = line.strip()
        return len(bare) >= len(self.marks) and set(bare) == {self.marks[0]}

    def content(self, line: str) -> str:
        """A line of the code block without the indent of its fence."""
        spaces = len(line) - len(line.lstrip(" "))
        return line[min(self.indent, spaces) :]


def without_blank_lines(text: str) -> str:
    """``text`` from its first line on in which something stands."""
    found = _BLANK_LINES.match(text)
    return text[found.end() :] if found is not None else text


def opened(text: str) -> Fence | None:
    """The code block that ``text`` begins with, once the line that opens it is complete."""
    end = text.find("\n")
    return _fence(text[:end]) if end >= 0 else None


def next_cut(text: str) -> tuple[int, bool]:
    """How many characters of ``text`` are finished, and whether a list goes on after them; 0: nothing is.

    Cuts are made before an item of a list at the left margin, before the first code block or table, and before a line
    that begins a block after a blank one. ``text`` does not begin with a code block (``opened``).
    """
    cut, joined, blank = 0, False, False
    in_list = _LIST_ITEM.match(text) is not None
    for position, line, complete in _lines(text):
        if position and complete and not (in_list and line[:1] == " ") and _fence(line) is not None:
            return position, False
        if not line.strip():
            blank = True
            continue
        item = _FULL_ITEM.match(line) is not None
        if position and item and (in_list or blank or _BEGINS_LIST.match(line)):
            cut, joined = position, in_list
        elif position and blank and _begins_block(line, complete=complete):
            cut, joined = position, False
            in_list = False
            if "|" in line and _RULE.match(_line_at(text, position + len(line) + 1)):
                return cut, joined
        in_list = in_list or item
        blank = False
    return cut, joined


def long_table(text: str) -> tuple[int, int]:
    """(characters of the heading, characters to where it is cut) of a table that ``text`` begins with and that is too
    long to be drawn as one; (0, 0): there is none."""
    heading, first, rows, columns = "", 0, 0, 0
    for number, (position, line, complete) in enumerate(_lines(text)):
        if not complete or "|" not in line:
            return 0, 0
        if number == 0:
            heading, columns = line, line.strip().strip("|").count("|")
        elif number == 1:
            if (
                _RULE.match(line) is None
                or line.strip().strip("|").count("|") != columns
                or not heading.strip()
            ):
                return 0, 0
            first = position + len(line) + 1
        elif rows == TABLE_ROWS:
            return first, position
        else:
            rows += 1
    return 0, 0


def first_number(text: str) -> int | None:
    """The number of the list's item that ``text`` begins with."""
    found = _NUMBER.match(text)
    return int(found[1]) if found is not None else None


def numbered_from(text: str, number: int) -> str:
    """``text`` with another number before its first item."""
    return _NUMBER.sub(str(number), text, count=1) if _NUMBER.match(text) else text


def numbered_items(text: str) -> int:
    """How many numbered items at the left margin ``text`` has."""
    return len(_NUMBERED.findall(text))


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """(position, line, whether its end has come) of each line."""
    position = 0
    while True:
        end = text.find("\n", position)
        if end < 0:
            yield position, text[position:], False
            return
        yield position, text[position:end], True
        position = end + 1


def _line_at(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[position:end] if end >= 0 else text[position:]


def _fence(line: str) -> Fence | None:
    found = _FENCE.match(line.rstrip("\r"))
    if found is None:
        return None
    indent, ticks, after_ticks, tildes, after_tildes = found.groups()
    return Fence(ticks or tildes, len(indent), (after_ticks or after_tildes or "").strip(), len(line) + 1)


def _begins_block(line: str, *, complete: bool) -> bool:
    if line[0] in " \t>" or _LIST_ITEM.match(line):
        return False
    return complete or not _MAY_BECOME_ITEM.match(line)
