"""The single values of a JSON schema as grammar (GBNF): literals, strings, numbers, repetitions. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from . import json_digits as digits
from .json_pattern import pattern
from .json_schema import Impossible, Schema, SchemaRefused, count, kinds, same

MOST_REPEATS = 1000
"""llama.cpp refuses 2,000 and more (``llama-grammar.cpp``: ``MAX_REPETITION_THRESHOLD``)."""
LONGEST = 10_000
"""Characters of a string and items of an array where ``maxLength`` or ``maxItems`` would allow more."""
BASE = {
    "ws": '( " " | "\\n" [ ]{0,20} )?',
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" ( ["\\/bfnrt] | "u" unit )',
    "unit": "[0-9A-CE-Fa-ce-f] hex{3} | [Dd] [0-7] hex{2}",  # no surrogates: half a pair is no text
    "hex": "[0-9A-Fa-f]",
    "string": r'"\"" char* "\""',
    "number": digits.NUMBER,
    "integer": digits.INTEGER,
    "value": 'object | array | string | number | "true" | "false" | "null"',
    "object": '"{" ws ( pair ( "," ws pair )* ws )? "}"',
    "pair": 'string ":" ws value',
    "array": '"[" ws ( value ( "," ws value )* ws )? "]"',
}
_DATE = '[0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | [1-2] [0-9] | "3" [0-1] )'
_TIME = '( [0-1] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ":" [0-5] [0-9] ( "." [0-9]{1,6} )?'
_ZONE = '( "Z" | [+-] ( [0-1] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] )'
FORMATS = {
    "date": _DATE,
    "time": f"{_TIME} {_ZONE}",
    "date-time": f'{_DATE} "T" {_TIME} {_ZONE}',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
}


def string(wanted: Schema) -> str:
    """Raises SchemaRefused."""
    least, most = count(wanted, "minLength") or 0, count(wanted, "maxLength")
    form, source = wanted.get("format"), wanted.get("pattern")
    if source is not None:
        if not isinstance(source, str) or least or most is not None:
            raise SchemaRefused("pattern is no text, or has minLength or maxLength beside it")
        return rf'"\"" ( {pattern(source)} ) "\""'
    if isinstance(form, str) and form in FORMATS and not least and most is None:
        return rf'"\"" {FORMATS[form]} "\""'
    if most is not None and most < least:
        raise Impossible("maxLength is less than minLength")
    if least > MOST_REPEATS:
        raise SchemaRefused(f"minLength is more than {MOST_REPEATS}")
    if not least and most is None:
        return "string"
    if most is not None:
        most = min(most, LONGEST)
    return rf'"\"" {times("char", least, most)} "\""'


def times(rule: str, least: int, most: int | None) -> str:
    """A repetition in pieces that llama.cpp takes. Only the last piece may be shorter."""
    if most is None:
        return f"{rule}{{{least},}}" if least else f"{rule}*"
    if most <= MOST_REPEATS:
        return f"{rule}{{{least},{most}}}"
    rest = times(rule, 0, most - MOST_REPEATS)
    if least == MOST_REPEATS:
        return f"{rule}{{{MOST_REPEATS}}} {rest}"
    return f"( {rule}{{{least},{MOST_REPEATS - 1}}} | {rule}{{{MOST_REPEATS}}} {rest} )"


def number(kind: str, wanted: Schema) -> str:
    """``kind``: number or integer. Raises SchemaRefused."""
    low, open_low = _bound(wanted, "minimum", "exclusiveMinimum", max)
    high, open_high = _bound(wanted, "maximum", "exclusiveMaximum", min)
    if low is None and high is None:
        return kind
    if kind == "integer":
        if low is not None:
            low = math.floor(low) + 1 if open_low else math.ceil(low)
        if high is not None:
            high = math.ceil(high) - 1 if open_high else math.floor(high)
        found = digits.integers(low, high)
    elif any(bound is not None and bound != int(bound) for bound in (low, high)):
        raise SchemaRefused("a bound of a number that is no whole number")
    else:
        whole = [None if bound is None else int(bound) for bound in (low, high)]
        found = digits.numbers(whole[0], whole[1], open_low, open_high)
    if found is None:
        raise Impossible("no number is between its bounds")
    return found


def _bound(schema: Schema, closed: str, opened: str, tighter: Any) -> tuple[float | int | None, bool]:
    """(bound, whether it is itself excluded). ``true`` as draft 4 and OpenAPI 3.0 write the second is read, too."""
    one, other = schema.get(closed), schema.get(opened)
    if isinstance(other, bool):
        return _numeric(one, closed), other and one is not None
    one, other = _numeric(one, closed), _numeric(other, opened)
    if one is None or other is None:
        return (one, False) if other is None else (other, True)
    return (one, False) if tighter(one, other) == one and one != other else (other, True)


def _numeric(value: Any, key: str) -> float | int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise SchemaRefused(f"{key} is no number")
    return value


def _is_one_of(value: Any, kinds: list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, (int, float)):
        return "number" in kinds or ("integer" in kinds and value == int(value))
    names = {str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)] in kinds


def literals(wanted: Schema) -> list[str]:
    """The values of ``const`` and ``enum`` as JSON. Raises SchemaRefused."""
    beside = sorted(wanted.keys() - {"enum", "const", "type", "format"})
    if beside:
        raise SchemaRefused(f"{beside[0]} beside enum or const")
    listed = wanted.get("enum", [wanted.get("const")])
    if not isinstance(listed, list):
        raise SchemaRefused("enum is no list")
    if "const" in wanted:
        listed = [value for value in listed if same(value, wanted["const"])]
    if "type" in wanted:
        named = kinds(wanted)
        listed = [value for value in listed if _is_one_of(value, named)]
    if not listed:
        raise Impossible("its enum or const has no value that is valid")
    return list(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in listed))


def one_of(texts: Iterable[str]) -> str:
    """One of some texts. What they begin with alike is written once: llama.cpp looks at each alternative anew for each
    token (1,000 of them: 0.3 s with GLM-4's vocabulary)."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(text[:1], []).append(text)
    return " | ".join(_together(group) for group in groups.values())


def _together(texts: list[str]) -> str:
    if len(texts) == 1:
        return literal(texts[0])
    low, high = min(texts), max(texts)
    alike = next((at for at, both in enumerate(zip(low, high, strict=False)) if both[0] != both[1]), len(low))
    shared = low[:alike]
    return f"{literal(shared)} ( {one_of([text[len(shared) :] for text in texts])} )"


def literal(text: str) -> str:
    """A text as GBNF writes it."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if 32 <= code < 127 and character not in '"\\':
        return character
    return f"\\x{code:02X}" if code < 256 else f"\\U{code:08X}"
