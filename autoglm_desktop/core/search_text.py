"""Text as it is searched: without case and diacritics, and writing without spaces between words cut into pairs.

A run of Chinese, Japanese or Korean characters becomes its pairs and its last character: 手机设置 → 手机 机设 设置
置. So a word of two characters is one term, a longer one a phrase, a single character the beginning of a term. Pure.
"""

from __future__ import annotations

import re
import unicodedata

VERSION = 1
"""Of what this module makes of a text: an index of another version is made anew."""

_UNSPACED = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Blocks of the Unicode standard: Han, Bopomofo, kana, Hangul."""
_RUN = re.compile(f"[{_UNSPACED}]+")
_PIECE = re.compile(f"(?P<run>[{_UNSPACED}]+)|(?P<word>[^\\W_{_UNSPACED}]+)")
MOST_TERMS = 32
"""Of one query."""
SNIPPET_BEFORE, SNIPPET_LENGTH = 40, 160
MOST_INDEXED = 200_000
"""Characters of one text that can be found: a pasted file of megabytes would hold everything up for seconds."""
MOST_FOLDED = 20_000
"""Characters that are looked through for a hit that is not written as it was typed."""


def folded(text: str) -> str:
    """Lower case, full-width forms as usual ones, no diacritics."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded_character, text.casefold()))


_FOLDED: dict[str, str] = {}


def _folded_character(character: str) -> str:
    if character < "\x80":
        return character
    found = _FOLDED.get(character)
    if found is None:
        if _RUN.match(character):
            found = character  # NFKD would take a Hangul syllable apart, and が is another letter than か
        else:
            parts = unicodedata.normalize("NFKD", character)
            found = "".join(part for part in parts if not unicodedata.combining(part)).casefold()
        _FOLDED[character] = found
    return found


def indexed(text: str) -> str:
    """What a full-text index gets of a text."""
    return _RUN.sub(_pairs, folded(text[:MOST_INDEXED]))


def _pairs(match: re.Match[str]) -> str:
    run = match.group()
    return " " + " ".join(run[place : place + 2] for place in range(len(run))) + " "


def terms(query: str) -> tuple[str, ...]:
    """The words of a query, folded: runs of one kind of writing. All of them have to be found."""
    found = dict.fromkeys(match.group() for match in _PIECE.finditer(folded(query)))
    return tuple(found)[:MOST_TERMS]


def words(query: str) -> tuple[str, ...]:
    """The same as they are written, for a search that cannot fold."""
    return tuple(dict.fromkeys(match.group() for match in _PIECE.finditer(query)))[:MOST_TERMS]


def match_expression(query: str) -> str | None:
    """An FTS5 expression: every term in quotes, so that nothing in it is syntax. None: nothing to look for.

    The last word of a query may be the beginning of one: it is still being typed.
    """
    found = terms(query)
    if not found:
        return None
    return " ".join(_expression(term, begun=term == found[-1]) for term in found)


def _expression(term: str, *, begun: bool) -> str:
    if not _RUN.match(term):
        return f'"{term}"' + ("*" if begun else "")
    if len(term) == 1:
        return f'"{term}"*'
    return '"' + " ".join(term[place : place + 2] for place in range(len(term) - 1)) + '"'


def snippet(text: str, query: str) -> tuple[str, int, int]:
    """(a piece of the text around the first hit, where the hit begins and ends in it); both 0 where it is not found
    soon enough."""
    begin, end = _hit(text[:MOST_INDEXED], terms(query))
    start = max(0, begin - SNIPPET_BEFORE)
    if start > 0:
        space = text.find(" ", start, begin)
        start = space + 1 if space >= 0 and space - start < SNIPPET_BEFORE // 2 else start
    piece = text[start : start + SNIPPET_LENGTH]
    flat = re.sub(r"\s", " ", piece)  # one for one: the places stay
    return flat, begin - start, min(end - start, len(flat))


def _hit(text: str, wanted: tuple[str, ...]) -> tuple[int, int]:
    """The place of the earliest term in the text as it is."""
    plain = text.lower()
    if len(plain) == len(text):
        place, length = _first(plain, wanted)
        if length:
            return place, place + length
    plain, places = _with_places(text[:MOST_FOLDED])
    place, length = _first(plain, wanted)
    return (places[place], places[place + length - 1] + 1) if length else (0, 0)


def _first(text: str, wanted: tuple[str, ...]) -> tuple[int, int]:
    """(place, length) of the term that comes first; both 0 where none is there."""
    found = [(text.find(term), len(term)) for term in wanted]
    return min((hit for hit in found if hit[0] >= 0), default=(0, 0))


def _with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters the place it comes from."""
    parts: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        part = folded(character)
        parts.append(part)
        places.extend([place] * len(part))
    places.append(len(text))
    return "".join(parts), places
