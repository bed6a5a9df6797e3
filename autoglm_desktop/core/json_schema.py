"""A JSON schema from outside, read with bounds: size, nesting, ``$ref`` and ``allOf``. Pure; fetches nothing.

What is read here is never followed further than ``MOST_STEPS``, so that no schema takes long or much memory.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

MOST_CHARACTERS = 1 << 17
MOST_NESTING = 48
MOST_VALUES = 1000
"""Properties, values of ``enum`` and alternatives of ``anyOf`` in one schema: each may cost time for each token."""
MOST_STEPS = 4000
"""Schemas looked at for one grammar: each part, and each merge of ``allOf`` and ``$ref``."""

UNHELD = (
    "multipleOf", "patternProperties", "propertyNames", "minProperties", "maxProperties", "uniqueItems",
    "contains", "minContains", "maxContains", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
    "dependencies", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
)  # fmt: skip
"""Keywords that a grammar doesn't hold: refused, rather than promised and not kept."""
OF_TYPE = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "additionalItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
TYPES = (*OF_TYPE, "integer", "boolean", "null")
KEYWORDS = frozenset(
    (
        "type",
        "const",
        "enum",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        *UNHELD,
        *(key for keys in OF_TYPE.values() for key in keys),
    )
)
"""All others hold no answer to anything, as title, default or x-…: JSON Schema 2020-12, section 6.5."""
_GREATER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_LESSER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


class SchemaRefused(ValueError):
    """No answer can be held to the schema; the message says why, in words for its author."""


class Impossible(SchemaRefused):
    """Nothing is valid by it: an alternative that is left out where there are others."""


class Document:
    """A schema's text, read."""

    def __init__(self, text: str) -> None:
        """Raises SchemaRefused."""
        if len(text) > MOST_CHARACTERS:
            raise SchemaRefused(f"it is longer than {MOST_CHARACTERS} characters")
        try:
            self.root: Any = json.loads(text)
            json.dumps(self.root, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except RecursionError as error:
            raise SchemaRefused(f"it is nested deeper than {MOST_NESTING} levels") from error
        except UnicodeEncodeError as error:
            raise SchemaRefused("it holds half of a character (a lone surrogate)") from error
        except ValueError as error:
            raise SchemaRefused(f"it is no JSON ({error})") from error
        if not isinstance(self.root, (dict, bool)):
            raise SchemaRefused("a schema is an object, or true or false")
        _check_nesting(self.root)
        self._steps = 0

    def step(self, number: int = 1) -> None:
        """Count one, or more. Raises SchemaRefused."""
        self._steps += number
        if self._steps > MOST_STEPS:
            raise SchemaRefused(
                f"it has more than {MOST_STEPS} parts, or parts that refer to each other too often"
            )

    def target(self, reference: Any) -> Any:
        """What a ``$ref`` within this schema means (RFC 6901). Others are never fetched. Raises SchemaRefused."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaRefused(f"$ref {str(reference)[:80]!r}: only parts of the same schema (#/…) are read")
        found = self.root
        for step in reference.split("/")[1:]:
            name = _unescaped(step)
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(found):
                found = found[int(name[:9])]
            else:
                raise SchemaRefused(f"$ref {reference[:80]!r} leads nowhere")
        return found

    def plain(self, schema: Any) -> Schema:
        """A schema's own constraints with those of its ``$ref`` and ``allOf``, and of theirs. Raises SchemaRefused."""
        found: Schema = {}
        waiting = [schema]
        while waiting:
            part = constraints(waiting.pop())
            own = {key: value for key, value in part.items() if key not in ("$ref", "allOf")}
            found = self._merged(found, own) if found else own
            more = [self.target(part["$ref"])] if "$ref" in part else []
            more += _list(part, "allOf")
            for one in reversed(more):  # the last is taken first
                self.step()
                waiting.append(one)
        return found

    def _merged(self, one: Schema, other: Schema) -> Schema:
        """What both demand. Raises SchemaRefused."""
        self.step()
        _check_closed(one, other)
        _check_closed(other, one)
        both = {**one, **other}
        for key in one.keys() & other.keys():
            self.step(_shared(one[key], other[key]) if key == "properties" else 0)
            both[key] = _both(key, one[key], other[key])
        return both

    def with_alternative(self, base: Schema, alternative: Any) -> Schema:
        """An alternative of ``anyOf`` and what stands beside it. Raises SchemaRefused."""
        return self._merged(base, self.plain(alternative)) if base else self.plain(alternative)


def constraints(schema: Any) -> Schema:
    """A schema's keywords that hold an answer to something. Raises SchemaRefused."""
    if schema is True:
        return {}
    if schema is False:
        raise Impossible("nothing is valid by it (false)")
    if not isinstance(schema, dict):
        raise SchemaRefused(f"a part of it is no schema: {json.dumps(schema)[:80]}")
    return {key: value for key, value in schema.items() if key in KEYWORDS}


def kinds(schema: Schema) -> list[str]:
    """The types that a schema names, or the one that its keywords speak of; none: any. Raises SchemaRefused."""
    named = schema.get("type")
    if named is None:
        return [kind for kind, keys in OF_TYPE.items() if any(key in schema for key in keys)][:1]
    found = [named] if isinstance(named, str) else named
    if not isinstance(found, list) or not found or any(kind not in TYPES for kind in found):
        raise SchemaRefused(f"type {str(named)[:80]!r} is no name of a type")
    return list(dict.fromkeys(found))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: true is not 1."""
    return one is other or _text(one) == _text(other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def count(schema: Schema, key: str) -> int | None:
    """A whole number of at least 0, such as ``minLength``. Raises SchemaRefused."""
    value = schema.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != int(value):
        raise SchemaRefused(f"{key} is no whole number")
    return int(value)


def _shared(one: Any, other: Any) -> int:
    """How many properties are merged."""
    return len(one.keys() & other.keys()) if isinstance(one, dict) and isinstance(other, dict) else 0


def _both(key: str, one: Any, other: Any) -> Any:
    if same(one, other):
        return one
    if key == "properties" and isinstance(one, dict) and isinstance(other, dict):
        shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
        return {**one, **other, **shared}
    if key == "required" and isinstance(one, list) and isinstance(other, list):
        return list(dict.fromkeys(_names([*one, *other])))
    if key == "type":
        return _types_of_both(kinds({key: one}), kinds({key: other}))
    if key == "enum" and isinstance(one, list) and isinstance(other, list):
        if max(len(one), len(other)) > MOST_VALUES:
            raise SchemaRefused(f"an enum of more than {MOST_VALUES} values beside another one")
        others = set(map(_text, other))
        return [value for value in one if _text(value) in others]
    if key in (*_GREATER, *_LESSER) and all(isinstance(value, (int, float)) for value in (one, other)):
        return max(one, other) if key in _GREATER else min(one, other)
    if key == "items":
        return {"allOf": [one, other]}
    if key == "const":
        raise Impossible("two different const")
    raise SchemaRefused(f"two different {key} for one place (allOf, $ref)")


def _names(names: list[Any]) -> list[str]:
    if len(names) > 2 * MOST_VALUES or not all(isinstance(name, str) for name in names):
        raise SchemaRefused("required is no list of names, or of too many")
    return names


def _types_of_both(mine: list[str], theirs: list[str]) -> list[str]:
    both = [kind for kind in mine if kind in theirs or (kind == "integer" and "number" in theirs)]
    both += [kind for kind in theirs if kind == "integer" and "number" in mine and kind not in both]
    if not both:
        raise Impossible("two different type")
    return both


def _check_closed(one: Schema, other: Schema) -> None:
    """``additionalProperties`` of one part speaks of the properties of the other, too."""
    names = other.get("properties")
    if one.get("additionalProperties", True) is True or not isinstance(names, dict):
        return
    mine = one.get("properties")
    if not names.keys() <= (mine.keys() if isinstance(mine, dict) else set()):
        raise SchemaRefused("additionalProperties of one part of an allOf excludes properties of another")


def _list(schema: Schema, key: str) -> list[Any]:
    value = schema.get(key, [])
    if not isinstance(value, list):
        raise SchemaRefused(f"{key} is no list")
    return value


def _unescaped(step: str) -> str:
    from urllib.parse import unquote

    return unquote(step).replace("~1", "/").replace("~0", "~")


def _check_nesting(root: Any) -> None:
    level: list[Any] = [root]
    for _ in range(MOST_NESTING):
        level = [
            below
            for value in level
            for below in (
                value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            )
        ]
        if not level:
            return
    raise SchemaRefused(f"it is nested deeper than {MOST_NESTING} levels")
