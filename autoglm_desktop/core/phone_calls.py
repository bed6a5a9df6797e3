"""A call as a model writes it, ``name(key="text", other=[1, 2])``, read without evaluating anything. Pure.

Models are careless with quotes: prose ends at a quote that an argument or the end of the text follows, so that
``text="say "yes""`` and line breaks are read as meant. Escapes are those of Python's own literals, in every argument.
The published agent (zai-org/Open-AutoGLM, ``parse_action`` of phone_agent/actions/handler.py) reads the quotes and line
breaks of a text to type and of the last message so too, but passes on their escapes as they were written: ``\\n`` is
a new line here, and a backslash and an n there. All other arguments it reads as Python's literals.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from .errors import Reason

Value: TypeAlias = "str | float | int | bool | tuple[float, ...] | None"

PROSE = ("text", "message", "instruction", "app")
"""Arguments whose text may hold quotes."""
MOST_ARGUMENTS = 16
MOST_NUMBERS = 8

_NAME = re.compile(r"\s*([A-Za-z_]\w{0,31})\s*\(")
_KEY = re.compile(r"\s*([A-Za-z_]\w{0,31})\s*=\s*", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{0,12})?", re.ASCII)
_NUMBERS = re.compile(r"[\[(]([\d\s.,+-]{0,200})[\])]", re.ASCII)
_END = re.compile(r"\s*\)")
_COMMA = re.compile(r"\s*,")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}
_WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None, "true": True, "false": False}
_WORD = re.compile("|".join(rf"{word}\b" for word in _WORDS))
_AFTER = r"(?=\s*(?:\)\s*\Z|,\s*[A-Za-z_]\w{0,31}\s*=))"
_CLOSE = {quote: re.compile(rf"(?:\\.|[^\\])*?{quote}{_AFTER}", re.DOTALL) for quote in "\"'"}
_SECOND = re.compile(r"[\"']\s*\)\s*((?:do|finish)\s*\()")
"""A second call behind the first, whose quotes would make it a part of the first one's prose."""
_CLOSE_EARLY = {quote: re.compile(rf"(?:\\.|[^\\{quote}])*{quote}", re.DOTALL) for quote in "\"'"}


class CallError(ValueError):
    """A text that is no call of the agent's; ``reason`` says why (texts.reasons)."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code, values)
        self.reason = Reason.of(code, **values)


def read_call(text: str) -> tuple[str, dict[str, Value]]:
    """Name and arguments. Raises CallError (action_none, action_cut, action_unclear, action_after)."""
    found = _NAME.match(text)
    if found is None:
        raise CallError("action_none")
    arguments: dict[str, Value] = {}
    place = found.end()
    while (end := _END.match(text, place)) is None:
        if len(arguments) == MOST_ARGUMENTS:
            raise CallError("action_unclear", at=_near(text, place))
        key = _KEY.match(text, place)
        if key is None:
            raise _unclear(text, place)
        arguments[key[1]], place = _value(text, key.end(), prose=key[1] in PROSE)
        comma = _COMMA.match(text, place)
        if comma is not None:
            place = comma.end()
        elif _END.match(text, place) is None:
            raise _unclear(text, place)
    if text[end.end() :].strip():
        raise CallError("action_after", text=_near(text, end.end()))
    return found[1], arguments


def written(value: Value) -> str:
    """A value for people."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _value(text: str, place: int, *, prose: bool) -> tuple[Value, int]:
    first = text[place : place + 1]
    if first in ("'", '"'):
        return _string(text, place, first, prose=prose)
    numbers = _NUMBERS.match(text, place)
    if numbers is not None:
        found = [part.strip() for part in numbers[1].split(",")]
        if len(found) <= MOST_NUMBERS and all(_NUMBER.fullmatch(part) for part in found):
            return tuple(map(_number, found)), numbers.end()
    number = _NUMBER.match(text, place)
    if number is not None:
        return _number(number[0]), number.end()
    word = _WORD.match(text, place)
    if word is not None:
        return _WORDS[word[0]], word.end()
    raise _unclear(text, place)


def _string(text: str, place: int, quote: str, *, prose: bool) -> tuple[str, int]:
    found = _CLOSE[quote].match(text, place + 1) if prose else None
    found = found or _CLOSE_EARLY[quote].match(text, place + 1)
    if found is None:
        raise CallError("action_cut")
    second = _SECOND.search(found[0])
    if second is not None:
        raise CallError("action_after", text=_near(found[0], second.start(1)))
    text = _ESCAPE.sub(_unescaped, found[0][:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), found.end()


def _unescaped(found: re.Match[str]) -> str:
    what = found[1]
    if len(what) > 1:
        return chr(int(what[1:], 16))
    return _PLAIN.get(what, what if what in "\\'\"" else f"\\{what}")


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _unclear(text: str, place: int) -> CallError:
    rest = text[place:].strip()
    cut = not rest or rest in "[(," or (rest[0] in "[(" and not re.search(r"[\])]", rest))
    return CallError("action_cut") if cut else CallError("action_unclear", at=_near(text, place))


def _near(text: str, place: int) -> str:
    return " ".join(text[place : place + 60].split())[:40]
