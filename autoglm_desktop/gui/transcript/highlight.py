"""Pygments' tokens as a few kinds, each with its colour. Pure but for the lexers, which are loaded at first use."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer

LONGEST_LINE = 1000
"""Characters; a longer line is not coloured: lexers are regular expressions, and some are slow on such lines."""

KINDS = (
    ("Comment", "code_comment"),
    ("Keyword", "code_keyword"),
    ("Operator.Word", "code_keyword"),
    ("Literal.String", "code_string"),
    ("Literal.Number", "code_number"),
    ("Name.Function", "code_name"),
    ("Name.Class", "code_name"),
    ("Name.Tag", "code_keyword"),
    ("Name.Attribute", "code_name"),
    ("Name.Decorator", "code_name"),
    ("Name.Builtin", "code_name"),
    ("Generic.Deleted", "code_removed"),
    ("Generic.Inserted", "code_string"),
    ("Generic.Heading", "code_name"),
)
"""(token, colour), the first that fits; everything else has the colour of text."""


@dataclass(frozen=True)
class Colouring:
    """``spans``: (start, length, colour) in the line. ``safe``: whether a lexer may begin with this line."""

    spans: tuple[tuple[int, int, str], ...]
    safe: bool


@functools.lru_cache(maxsize=32)
def lexer_of(language: str) -> Lexer | None:
    """None for a language that is not known."""
    if not language:
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@functools.cache
def colour_of(token: str) -> str | None:
    """The colour of a token's dotted name, such as ``Literal.String.Doc``."""
    return next((name for kind, name in KINDS if token == kind or token.startswith(kind + ".")), None)


def colour_lines(lexer: Lexer, lines: list[str]) -> list[Colouring]:
    """Colours of each line of a piece of code that begins with a safe line."""
    known = [line if len(line) <= LONGEST_LINE else "" for line in lines]
    text = "".join(f"{line}\n" for line in known)
    starts = [0]
    for line in known[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    spans: list[list[tuple[int, int, str]]] = [[] for _line in starts]
    safe = {0}
    row, before = 0, ""
    for offset, token, value in lexer.get_tokens_unprocessed(text):
        name = str(token)[6:]  # without "Token."
        while row + 1 < len(starts) and starts[row + 1] <= offset:
            row += 1
        if (
            offset == starts[row]
            and value[:1].strip()
            and not _goes_on(before)
            and not _goes_on(name, begun=True)
        ):
            safe.add(row)
        before = name
        colour = colour_of(name)
        if colour is not None:
            _add(spans, starts, row, offset, value, colour)
    return [Colouring(tuple(found), row in safe) for row, found in enumerate(spans)]


def _goes_on(token: str, *, begun: bool = False) -> bool:
    """Whether a token may be the middle of something longer than a line."""
    return token.startswith("Literal.String" if begun else ("Literal.String", "Comment.Multiline"))


def _add(
    spans: list[list[tuple[int, int, str]]], starts: list[int], row: int, offset: int, value: str, colour: str
) -> None:
    """A token, line by line."""
    for number, part in enumerate(value.split("\n")):
        if part:
            spans[row + number].append((offset - starts[row + number], len(part), colour))
        offset += len(part) + 1
