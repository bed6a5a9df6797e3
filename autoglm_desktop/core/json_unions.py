"""Alternatives of a schema that begin alike, kept from growing without end. Pure.

llama.cpp follows every alternative that still fits, and compares all with all. Objects that can't be told apart before
a part of theirs opens alternatives again double with each such part: a schema that refers to itself would take all
memory within a few dozen tokens. So alternatives are told apart by their first property, or their number is bounded.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from .json_schema import Document, Impossible, Schema, SchemaRefused, kinds

MOST_AT_ONCE = 64
"""Alternatives inside alternatives that may be open at the same time."""
MOST_SCALARS = 8
"""Alternatives that are texts, numbers, or one and the same value: in a list they multiply with each item that a token
says (200 of them in a list: minutes for one token)."""
_RULE = re.compile(r"\br[0-9]+\b")


class Unions:
    """The unions of one schema."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._alike: dict[str, int] = {}  # rule -> alternatives that can't be told apart by their beginning

    def before(self, rule: str, base: Schema, alternatives: list[Any]) -> str | None:
        """Look at a union before its alternatives are written; the property that each object has to begin with, so
        that they are told apart ("": they are, as they stand). Raises SchemaRefused."""
        objects: list[Schema] = []
        arrays = anything = 0
        scalars: Counter[str] = Counter()
        for alternative in self._flat(base, alternatives):
            if "enum" in alternative or "const" in alternative:
                scalars.update(_fixed(alternative))
                continue
            found = kinds(alternative)
            scalars.update({"number" if kind == "integer" else kind for kind in found} - {"object", "array"})
            if "object" in found:
                objects.append(alternative)
            arrays += "array" in found
            anything += not found
        if scalars and max(scalars.values()) > MOST_SCALARS:
            raise SchemaRefused(
                f"more than {MOST_SCALARS} alternatives (anyOf) are of one type, or the same value"
            )
        first = None
        alike = max(len(objects), arrays) + anything
        if len(objects) > 1 and not anything:
            first = _telling(objects)
            if first is None and _first_names_differ(objects):
                first = ""
            alike = alike if first is None else arrays
        self._alike[rule] = max(1, alike)
        return first

    def _flat(self, base: Schema, alternatives: list[Any]) -> list[Schema]:
        """The alternatives, those of alternatives among them. Raises SchemaRefused."""
        found: list[Schema] = []
        waiting = [(base, alternative) for alternative in alternatives]
        while waiting:
            self._document.step()
            beside, one = waiting.pop()
            try:
                wanted = self._document.with_alternative(beside, one)
            except Impossible:
                continue
            inner = wanted.get("anyOf", wanted.get("oneOf"))
            if isinstance(inner, list):
                rest = {key: value for key, value in wanted.items() if key not in ("anyOf", "oneOf")}
                waiting += [(rest, part) for part in inner]
            else:
                found.append(wanted)
        return found

    def check(self, rules: dict[str, str]) -> None:
        """Raises SchemaRefused where alternatives that begin alike could multiply."""
        below = {name: set(_RULE.findall(body)) for name, body in rules.items()}
        unions = {name for name, number in self._alike.items() if number > 1}
        reached = {name: _reached(below, name) & unions for name in unions}
        if any(name in found for name, found in reached.items()):
            raise SchemaRefused(
                "alternatives (anyOf) that begin alike hold themselves; give each a property with a const of its own"
            )
        most: dict[str, int] = {}
        for name in sorted(unions, key=lambda name: len(reached[name])):  # what lies below comes first
            most[name] = self._alike[name] * max((most[inner] for inner in reached[name]), default=1)
            if most[name] > MOST_AT_ONCE:
                raise SchemaRefused(
                    f"more than {MOST_AT_ONCE} alternatives (anyOf) that begin alike stand within each other"
                )


def _reached(below: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(below[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += below.get(name, ())
    return found


def _telling(objects: list[Schema]) -> str | None:
    """A property that all have to have, with values of its own in each (OpenAPI's discriminator)."""
    shared = set.intersection(*(set(_names(one, "required")) & _properties(one).keys() for one in objects))
    for name in (name for name in _properties(objects[0]) if name in shared):
        seen: set[str] = set()
        for one in objects:
            values = _fixed(_properties(one)[name])
            if not values or seen & values:
                break
            seen |= values
        else:
            return name
    return None


def _fixed(schema: Any) -> set[str]:
    """The values that a schema names; none: others are valid, too."""
    if not isinstance(schema, dict):
        return set()
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return {json.dumps(value, sort_keys=True) for value in values} if isinstance(values, list) else set()


def _first_names_differ(objects: list[Schema]) -> bool:
    """Whether no two can begin with the same property."""
    seen: set[str] = set()
    for one in objects:
        required = set(_names(one, "required"))
        firsts: set[str] = set()
        for name in _properties(one):
            firsts.add(name)
            if name in required:
                break
        if not firsts or not required or seen & firsts:
            return False
        seen |= firsts
    return True


def _properties(schema: Schema) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _names(schema: Schema, key: str) -> list[str]:
    found = schema.get(key)
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
