"""A JSON schema as a grammar for llama.cpp (GBNF): whatever it lets through is JSON, and valid by the schema. Pure.

llama-cpp-python has a converter of its own (``llama_grammar.json_schema_to_gbnf``, 0.3.36). It is not used: it lets
line breaks into strings and forgets the backslashes of an ``enum``, so that an answer need not be JSON; it takes no
notice of bounds of numbers; it mixes up ``$ref`` of the same last name; and ``maxItems`` of a billion takes all memory.

Where a schema leaves a choice, the grammar may allow less: properties come in the schema's order, only those named are
written, a tuple is written whole, ``oneOf`` is read as ``anyOf``, numbers and blanks between values end. What it can't
hold is refused (``json_schema.UNHELD``).
"""

from __future__ import annotations

import json
import re
from typing import Any

from . import json_values as values
from .json_schema import (
    MOST_VALUES,
    UNHELD,
    Document,
    Impossible,
    Schema,
    SchemaRefused,
    constraints,
    count,
    kinds,
)
from .json_unions import Unions
from .json_values import LONGEST, MOST_REPEATS, times

MOST_REPEATS_IN_ALL = 100_000
"""Each repetition is a rule in llama.cpp's memory."""
NOTHING = r"[^\x00-\U0010FFFF]"
_REPEATED = re.compile(r"([0-9]+),?\}")


def grammar_of(schema: str) -> str:
    """The grammar of a schema's JSON text; "{}": any JSON object. Raises SchemaRefused."""
    document = Document(schema)
    writer = _Writer(document)
    try:
        wanted = document.plain(document.root)
        root = writer.rule(wanted if wanted else {"type": "object"})
    except RecursionError as error:
        raise SchemaRefused("its parts are nested too deeply") from error
    writer.unions.check(writer.rules)
    rules = {"root": root, **values.BASE, **writer.rules}
    text = "\n".join(f"{name} ::= {body}" for name, body in rules.items()) + "\n"
    if sum(int(number) for number in _REPEATED.findall(text)) > MOST_REPEATS_IN_ALL:
        raise SchemaRefused("minLength, maxLength, minItems and maxItems together are too much")
    return text


class _Writer:
    """Rules of one schema; every part becomes a rule of its own, ``r1``, ``r2`` …"""

    def __init__(self, document: Document) -> None:
        self.rules: dict[str, str] = {}
        self.unions = Unions(document)
        self._document = document
        self._references: dict[tuple[str, str | None], str] = {}
        self._values = 0

    def rule(self, schema: Any, first: str | None = None) -> str:
        """The name of a schema's rule. ``first``: the property that an object begins with; "": as they stand."""
        self._document.step()
        wanted = constraints(schema)
        if not wanted:
            return "value"
        if wanted.keys() == {"$ref"}:
            return self._referred(wanted["$ref"], first)
        return self._added(self._name(), wanted, first)

    def _name(self) -> str:
        name = f"r{len(self.rules) + 1}"
        self.rules[name] = NOTHING  # until it is written; where nothing is valid by it, for good
        return name

    def _added(self, name: str, wanted: Schema, first: str | None) -> str:
        self.rules[name] = self._body(self._document.plain(wanted), name, first)
        return name

    def _put(self, body: str) -> str:
        name = self._name()
        self.rules[name] = body
        return name

    def _referred(self, reference: Any, first: str | None) -> str:
        found, key = constraints(self._document.target(reference)), (reference, first)
        if key in self._references:
            return self._references[key]
        name = self._references[key] = self._name()
        try:
            if found.keys() == {"$ref"}:
                self.rules[name] = self._referred(found["$ref"], first)
            else:
                self._added(name, found, first)
        except Impossible:
            del self._references[key]
            raise
        return name

    def _body(self, wanted: Schema, name: str, first: str | None) -> str:
        self._document.step()
        _check_held(wanted)
        for key in ("anyOf", "oneOf"):
            if key in wanted:
                base = {other: value for other, value in wanted.items() if other != key}
                return self._union(base, wanted[key], name, first)
        if "const" in wanted or "enum" in wanted:
            found = values.literals(wanted)
            self._count_values(len(found))
            return values.one_of(found)
        named = kinds(wanted)
        if len(named) > 1:
            return " | ".join(self.rule({**wanted, "type": kind}, first) for kind in named)
        return self._typed(named[0], _led(wanted, first)) if named else "value"

    def _union(self, base: Schema, alternatives: Any, name: str, first: str | None) -> str:
        if not isinstance(alternatives, list) or not alternatives:
            raise SchemaRefused("anyOf and oneOf are lists of schemas")
        self._count_values(len(alternatives))
        names, reason = [], "no alternative is possible"
        told = self.unions.before(name, base, alternatives)
        first = told if first is None else first
        for alternative in alternatives:
            try:
                wanted = self._document.with_alternative(base, alternative) if base else alternative
                names.append(self.rule(wanted, first))
            except Impossible as error:
                reason = str(error)
        if not names:
            raise Impossible(reason)
        return " | ".join(dict.fromkeys(names))

    def _count_values(self, number: int) -> None:
        self._values += number
        if self._values > MOST_VALUES:
            raise SchemaRefused(
                f"it has more than {MOST_VALUES} properties, values of enum and alternatives of anyOf"
            )

    def _typed(self, kind: str, wanted: Schema) -> str:
        if kind == "object":
            return self._object(wanted)
        if kind == "array":
            return self._array(wanted)
        if kind == "string":
            return values.string(wanted)
        if kind in ("number", "integer"):
            return values.number(kind, wanted)
        return '"true" | "false"' if kind == "boolean" else '"null"'

    def _object(self, wanted: Schema) -> str:
        """Properties one after the other; for each place one rule where nothing and one where something stands before
        it: a comma is between two that are written."""
        extra = wanted.get("additionalProperties", True)
        properties = _properties(wanted, extra)
        required = set(wanted.get("required", ()))
        self._count_values(len(properties))
        if not properties:
            if extra is False:
                return '"{" ws "}"'
            return self._map(extra)
        nothing, something = '""', "ws"
        for key in reversed(properties):
            try:
                value = self.rule(properties[key])
            except Impossible:
                if key in required:
                    raise
                continue
            pair = f'{values.literal(json.dumps(key, ensure_ascii=False))} ":" ws {value}'
            after = self._put(something)
            skipped = "" if key in required else f" | {after}"
            before = "" if key in required else f" | {self._put(nothing)}"
            nothing, something = f"{pair} {after}{before}", f'"," ws {pair} {after}{skipped}'
        return f'"{{" ws ( {nothing} ) "}}"'

    def _map(self, value: Any) -> str:
        """An object with any names."""
        pair = self._put(f'string ":" ws {self.rule(value)}')
        return f'"{{" ws ( {pair} ( "," ws {pair} )* ws )? "}}"'

    def _array(self, wanted: Schema) -> str:
        parts, rest = _tuple(wanted)
        least, most = count(wanted, "minItems") or 0, count(wanted, "maxItems")
        most = None if most is None else min(most, LONGEST)
        if least > MOST_REPEATS:
            raise SchemaRefused(f"minItems is more than {MOST_REPEATS}")
        parts = parts[:most]
        if rest is False or (parts and rest is True and least <= len(parts)):
            most = len(parts)
        if most is not None and most < least:
            raise Impossible("maxItems, or the items there are, are less than minItems")
        written = [self.rule(part) for part in parts]
        if most is None or most > len(parts):
            item = self.rule(rest)
            more, begun = self._put(f'"," ws {item}'), written or [item]
            left = None if most is None else most - len(begun)
            begun[-1] += " " + times(more, max(0, least - len(begun)), left)
            if not written and not least:
                return f'"[" ws ( {begun[0]} ws )? "]"'
            written = begun
        inside = ' "," ws '.join(written)
        return f'"[" ws {inside} ws "]"' if inside else '"[" ws "]"'


def _tuple(wanted: Schema) -> tuple[list[Any], Any]:
    """(schemas of the first items, that of all further ones)"""
    parts, rest = wanted.get("prefixItems", []), wanted.get("items", True)
    if isinstance(rest, list):  # until 2019-09 a tuple was written so
        parts, rest = rest, wanted.get("additionalItems", True)
    if not isinstance(parts, list):
        raise SchemaRefused("prefixItems is no list")
    return parts, rest


def _properties(wanted: Schema, extra: Any) -> dict[str, Any]:
    """Those named, and those that are required without being named."""
    properties, required = wanted.get("properties", {}), wanted.get("required", [])
    if not isinstance(properties, dict):
        raise SchemaRefused("properties is no object")
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise SchemaRefused("required is no list of names")
    return {**properties, **{name: extra for name in required if name not in properties}}


def _led(wanted: Schema, first: str | None) -> Schema:
    """With the property ``first`` at its beginning."""
    properties = wanted.get("properties")
    if not first or not isinstance(properties, dict) or first not in properties:
        return wanted
    return {**wanted, "properties": {first: properties[first], **properties}}


def _check_held(wanted: Schema) -> None:
    for key in UNHELD:
        closed = key == "unevaluatedProperties" and "properties" in wanted
        if key in wanted and not (wanted[key] is False and (key == "uniqueItems" or closed)):
            raise SchemaRefused(f"{key} is not held")
