"""Text in columns for the terminal: East Asian characters take two, colours take none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
MIN_LAST_COLUMN = 24


@dataclass(frozen=True)
class Style:
    """Colours, or none at all. ``base`` is applied to whole rows."""

    colour: bool
    base: str | None = None

    def paint(self, text: str, *hues: str) -> str:
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[hue] for hue in hues)}m{text}\x1b[0m"

    def dimmed(self) -> Style:
        return replace(self, base="dim")

    def row(self, text: str) -> str:
        return self.paint(text, self.base) if self.base else text


def columns(text: str) -> int:
    """How many columns a text takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Filled up with blanks to a width; longer text stays as it is."""
    return text + " " * max(width - columns(text), 0)


def cut(text: str, width: int) -> str:
    """No wider than ``width``, with an ellipsis where something is left out."""
    if columns(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        if used + _columns(character) > width - 1:
            break
        kept, used = kept + character, used + _columns(character)
    return kept.rstrip() + "…"


def paragraph(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most ``width`` columns, broken at blanks and between East Asian characters."""
    room = max(width - columns(indent), 10)
    lines, line = [], ""
    for word in _words(text):
        if columns(line) + columns(word.rstrip()) > room and line.strip():
            lines.append(line.rstrip())
            line = ""
        line += word if line else word.lstrip()
    if line.strip():
        lines.append(line.rstrip())
    return [indent + found for found in lines] or [indent]


def _words(text: str) -> list[str]:
    """Pieces between which a line may break; blanks stay with the piece before."""
    words, word = [], ""
    for character in text:
        word += character
        if character.isspace() or _columns(character) == 2:
            words.append(word)
            word = ""
    return [*words, word] if word else words


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    styles: Sequence[Style],
    indent: str = "  ",
) -> list[str]:
    """Columns as wide as they must be; the last one takes what is left, on a line of its own where that is too
    little."""
    widths = [max(columns(row[index]) for row in [heads, *rows]) for index in range(len(heads) - 1)]
    head = indent + "  ".join(pad(text, size) for text, size in zip(heads, widths, strict=False))
    used = columns(head) + 2
    lines = [head.rstrip()]
    for row, style in zip(rows, styles, strict=True):
        start = indent + "  ".join(pad(text, size) for text, size in zip(row, widths, strict=False))
        lines += [style.row(line) for line in _with_last(start, row[-1], used, width)]
    return lines


def _with_last(start: str, last: str, used: int, width: int) -> list[str]:
    if not last:
        return [start.rstrip()]
    if width - used >= MIN_LAST_COLUMN:
        first, *rest = paragraph(last, width - used)
        return [f"{start}  {first}", *(" " * used + line for line in rest)]
    return [start.rstrip(), *paragraph(last, width, indent="     ")]
