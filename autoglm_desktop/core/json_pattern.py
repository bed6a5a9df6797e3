"""A ``pattern`` of a JSON schema (ECMA-262) as grammar: the text between the quotation marks of a JSON string. Pure.

The whole text matches it: without anchors a pattern allows more around it, and the grammar less. Read are characters,
classes, groups, alternatives and repetitions; look-around, references back and Unicode properties are refused. It needs
no stack and repeats at most ``MOST_PLACES`` characters. llama.cpp follows each way to read a token by itself, for every
token: 85 times ``a?`` in a row would take minutes for one. So patterns that can be read in too many ways are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .json_schema import SchemaRefused

MOST_PLACES = 1000
MOST_CHARACTERS = 1000
MOST_LINKS = 4000
MOST_WAYS = 500
"""To read ``LOOKED_AT`` characters, at most as many as a word has."""
LOOKED_AT = 16
AMBIGUOUS = "it can be read in too many ways: fewer optional parts in a row, no repetition of a repetition"
Ranges = list[tuple[int, int]]
LAST = 0x10FFFF
_CLASSES: dict[str, Ranges] = {
    "d": [(0x30, 0x39)],
    "w": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
    "s": [(0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x2028, 0x2029), (0x3000, 0x3000)],
}
_OTHER_SPACES: Ranges = [
    (0x1C, 0x1F), (0x85, 0x85), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F),
    (0xFEFF, 0xFEFF),
]  # fmt: skip
"""White space to some readers of patterns: not written for ``\\s`` and not for ``\\S``."""
_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11}
_ESCAPED: Ranges = [(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0xD800, 0xDFFF)]
"""What stands in a JSON string only as an escape, and surrogates, which don't."""
_TIMES = re.compile(r"\{([0-9]{1,9})(,([0-9]{0,9}))?\}")
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_][A-Za-z_0-9]*>|(?!\?))")


@dataclass(frozen=True)
class _Part:
    """``places``: characters that it is made of, repetitions counted; ``empty``: whether it matches nothing, too.
    ``first``, ``last``: which characters of the pattern may begin and end it."""

    text: str
    places: int = 0
    empty: bool = True
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


def pattern(source: str) -> str:
    """The grammar of the texts that match. Raises SchemaRefused."""
    reader = _Reader(source)
    if len(source) > MOST_CHARACTERS:
        raise reader.refused(f"more than {MOST_CHARACTERS} characters")
    found = reader.alternatives(outside=True)
    if reader.at < len(source):
        raise reader.refused("a parenthesis without its other")
    if reader.ways(found.first) > MOST_WAYS:
        raise reader.refused(AMBIGUOUS)
    return found.text


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self.at = 0
        self._characters: list[Ranges] = []
        self._follow: list[list[int]] = []  # which of them may come behind each; twice, where in two ways
        self._links = 0

    def alternatives(self, outside: bool = False) -> _Part:
        parts = [self._sequence(outside)]
        while self._took("|"):
            parts.append(self._sequence(outside))
        text, empty = " | ".join(part.text for part in parts), any(part.empty for part in parts)
        first = frozenset(place for part in parts for place in part.first)
        last = frozenset(place for part in parts for place in part.last)
        return self._checked(_Part(text, sum(part.places for part in parts), empty, first, last))

    def _sequence(self, outside: bool) -> _Part:
        parts: list[_Part] = []
        if outside:
            self._took("^")
        while self._next not in ("", "|", ")"):
            if outside and self._next == "$" and self._source[self.at + 1 : self.at + 2] in ("", "|"):
                self.at += 1
                break
            parts.append(self._repeated(self._one()))
        found = _Part("")
        for part in parts:
            found = self._joined(found, part)
        return found if parts else _Part('""')

    def _one(self) -> _Part:
        group = _GROUP.match(self._source, self.at)
        if group:
            self.at = group.end()
            inside = self.alternatives()
            if not self._took(")"):
                raise self.refused("a parenthesis without its other")
            return replace(inside, text=f"( {inside.text} )")
        letter = self._taken()
        if letter == "[":
            return self._part(*self._class())
        if letter == "\\":
            return self._part(self._escape(), False)
        if letter == ".":
            return self._part([(10, 10), (13, 13), (0x2028, 0x2029)], True)
        if letter in "^$*+?{}()":
            raise self.refused(f"{letter!r} at {self.at}")
        return self._part([(ord(letter), ord(letter))], False)

    def _repeated(self, part: _Part) -> _Part:
        times = _TIMES.match(self._source, self.at)
        if times:
            self.at = times.end()
            least = int(times[1])
            most = least if times[2] is None else int(times[3]) if times[3] else None
        elif self._next and self._next in "*+?":
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self._taken()]
        else:
            return part
        self._took("?")  # as few as possible: the same texts
        if self._next and self._next in "*+?{":
            raise self.refused(f"{self._next!r} at {self.at}")
        if most is not None and most < least:
            raise self.refused("a repetition of fewer than its least")
        if part.empty and most != 1:
            raise self.refused("a repetition of what may be empty")
        if most == 0:
            return _Part('""')
        if most != 1:
            self._link(part.last, part.first)
        places = part.places * max(1, least if most is None else most)
        text = f"{part.text}{{{least},{'' if most is None else most}}}"
        return self._checked(replace(part, text=text, places=places, empty=part.empty or least == 0))

    def _class(self) -> tuple[Ranges, bool]:
        """(its ranges, whether they are what is left out)"""
        out, found = self._took("^"), Ranges()
        while not self._took("]"):
            low = self._of_class()
            if self._next == "-" and self._source[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._of_class()
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or low[0][0] > high[0][1]:
                    raise self.refused("a range in a class")
                low = [(low[0][0], high[0][1])]
            found += low
        return found, out

    def _of_class(self) -> Ranges:
        letter = self._taken()
        return self._escape() if letter == "\\" else [(ord(letter), ord(letter))]

    def _escape(self) -> Ranges:
        letter = self._taken()
        if letter.lower() in _CLASSES:
            ranges = _CLASSES[letter.lower()]
            return (
                ranges if letter.islower() else _others([*ranges, *(_OTHER_SPACES if letter == "S" else ())])
            )
        if letter in _CONTROLS:
            return [(_CONTROLS[letter], _CONTROLS[letter])]
        digits = {"x": 2, "u": 4}.get(letter, 0)
        code = self._source[self.at : self.at + digits]
        if digits and re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", code):
            self.at += digits
            return [(int(code, 16), int(code, 16))]
        if letter.isalnum():
            raise self.refused(f"\\{letter}")
        return [(ord(letter), ord(letter))]

    def _part(self, ranges: Ranges, out: bool) -> _Part:
        """One character; of those that are told by what they are not, no control characters."""
        plain = _others([*(ranges if out else _others(ranges)), *_ESCAPED])
        texts = ["[" + "".join(f"\\U{low:08X}-\\U{high:08X}" for low, high in plain) + "]"] if plain else []
        inside = _others(ranges) if out else ranges
        for code in (0x22, 0x5C, *(() if out else range(0x20))):
            if any(low <= code <= high for low, high in inside):
                texts.append(
                    '"' + "".join(f"\\x{ord(letter):02X}" for letter in json.dumps(chr(code))[1:-1]) + '"'
                )
        if not texts:
            raise self.refused("a class that no character is of")
        place = frozenset((len(self._characters),))
        self._characters.append(inside)
        self._follow.append([])
        return _Part(texts[0] if len(texts) == 1 else f"( {' | '.join(texts)} )", 1, False, place, place)

    @property
    def _next(self) -> str:
        return self._source[self.at : self.at + 1]

    def _taken(self) -> str:
        if not self._next:
            raise self.refused("it ends too early")
        self.at += 1
        return self._source[self.at - 1]

    def _took(self, letter: str) -> bool:
        found = self._next == letter
        self.at += found
        return found

    def _checked(self, part: _Part) -> _Part:
        if part.places > MOST_PLACES:
            raise self.refused(f"more than {MOST_PLACES} characters, repetitions counted")
        return part

    def _joined(self, one: _Part, other: _Part) -> _Part:
        """One behind the other."""
        self._link(one.last, other.first)
        text, places = f"{one.text} {other.text}".strip(), one.places + other.places
        first = one.first | other.first if one.empty else one.first
        last = one.last | other.last if other.empty else other.last
        return self._checked(_Part(text, places, one.empty and other.empty, first, last))

    def _link(self, before: Iterable[int], behind: frozenset[int]) -> None:
        for place in before:
            self._links += len(behind)
            if self._links > MOST_LINKS:
                raise self.refused(AMBIGUOUS)
            self._follow[place] += behind

    def ways(self, first: Iterable[int]) -> int:
        """In how many ways ``LOOKED_AT`` characters can be read at most, or more than that: of the ways that begin with
        one character each may go on with others."""
        groups = [self._groups(places) for places in (*self._follow, first)]
        found = [1] * len(groups)
        for _ in range(LOOKED_AT):
            found = [max((sum(found[one] for one in group) for group in some), default=1) for some in groups]
        return max(found)

    def _groups(self, places: Iterable[int]) -> set[tuple[int, ...]]:
        """Which of some places take the same character, for each character that makes a difference."""
        known = [(place, self._characters[place]) for place in places]
        return {
            tuple(place for place, ranges in known if any(low <= code <= high for low, high in ranges))
            for code in {low for _, ranges in known for low, _ in ranges}
        }

    def refused(self, why: str) -> SchemaRefused:
        return SchemaRefused(f"pattern {self._source[:80]!r} is not held: {why}")


def _others(ranges: Ranges) -> Ranges:
    """All code points but these."""
    found, start = Ranges(), 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return [*found, (start, LAST)] if start <= LAST else found
