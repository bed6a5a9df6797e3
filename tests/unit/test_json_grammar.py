"""A JSON schema becomes a grammar, or is refused; what comes from outside takes neither long nor much memory."""

import json
import random
import re
import socket

import pytest

from autoglm_desktop.core import json_digits
from autoglm_desktop.core.json_grammar import grammar_of
from autoglm_desktop.core.json_schema import KEYWORDS, SchemaRefused

REMOTE = "only parts of the same schema"
HALVES = {"a": {"$ref": "#/$defs/e"}}

PATTERNS = (
    "(?=a)", "a(?!b)", "(?<=a)b", r"\bfoo", r"(a)\1", r"\p{L}", "(a*)*", "(a?|b)+", "a**", "a{2,1}", "a{99999}",
    "((a{40}){40}){40}", "a?" * 85, "(.?b?)" * 12, "^(a+)+b$", "^(((a|aa)+)+)+!$", "(.{1,30}){1,33}", "[a-z]?" * 900,
    ".*" * 5, "a" * 1001, "[z-a]", "[]", "[a", "[", "(", "a)", "\\", "^+", "a$b", "{",
)  # fmt: skip


def defs(root, **named):
    return {"$ref": f"#/$defs/{root}", "$defs": named}


def alike(count):
    """Objects within objects, each in two ways that begin alike."""
    found = {"type": "null"}
    for number in range(count):
        found = {"anyOf": [{"properties": {"a": found}}, {"properties": {"a": found, f"b{number}": {}}}]}
    return found


def doubling(count):
    """Parts that take the one before them twice."""
    parts = {"p0": {"properties": {"a": {"type": "null"}}}}
    for number in range(1, count):
        parts[f"p{number}"] = {
            "items": [{"$ref": f"#/$defs/p{number - 1}"}, {"$ref": f"#/$defs/p{number - 1}", "title": 1}]
        }
    return defs(f"p{count - 1}", **parts)


MANY = {f"p{number}": {"type": "null"} for number in range(900)}


def again(**named):
    """Parts that have to hold together, each taken many times."""
    return {"allOf": [{"$ref": f"#/$defs/{name}"} for name in named] * 1000, "$defs": named}


@pytest.mark.parametrize(
    "source",
    [
        r"^[A-Z]{3}-\d{4}$", "^(foo|far)+$", r"^\S+@\S+\.\S+$", r"^[\w.+-]+@[\w-]+\.[\w.-]+$", r"^https?://[^\s/]+(/\S*)?$",
        "^[a-z]+(-[a-z]+)*$", r"^v?\d+\.\d+\.\d+(-[\w.]+)?$", "^#([0-9a-f]{3}|[0-9a-f]{6})$", ".*a.*b.*", "a?" * 4,
        r"^([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|0-0)$", r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$",
    ],
)  # fmt: skip
def test_a_pattern_that_people_write_can_be_held(source):
    assert "root" in grammar_of(json.dumps({"type": "string", "pattern": source}))


def pattern_of(expression):
    """A GBNF expression without rules as a regular expression."""
    return re.compile(re.sub(r'"([^"]*)"', lambda found: re.escape(found[1]), expression).replace(" ", ""))


def test_whole_numbers_between_bounds():
    rng = random.Random(1)
    for _ in range(300):
        low, high = sorted(rng.randint(-1200, 1200) for _ in range(2))
        bounds = (rng.choice([low, None]), rng.choice([high, None]))
        pattern = pattern_of(json_digits.integers(*bounds))
        for number in (
            *range(-12, 13),
            *(edge + step for edge in (low, high) for step in (-10, -1, 0, 1, 10)),
        ):
            inside = (bounds[0] is None or number >= bounds[0]) and (bounds[1] is None or number <= bounds[1])
            assert bool(pattern.fullmatch(str(number))) == inside, (bounds, number)
        assert not pattern.fullmatch("007") and not pattern.fullmatch("+1") and not pattern.fullmatch("")
    assert json_digits.integers(3, 2) is None


@pytest.mark.parametrize("opened", [(False, False), (True, False), (False, True), (True, True)])
def test_numbers_between_bounds(opened):
    rng = random.Random(2)
    for _ in range(200):
        low, high = sorted(rng.randint(-30, 30) for _ in range(2))
        expression = json_digits.numbers(low, high, *opened)
        pattern = pattern_of(expression) if expression else None
        for text in {
            f"{edge + step}{end}" for edge in (low, high) for step in (-1, 0, 1) for end in ("", ".5", ".0")
        }:
            number = float(text)
            inside = low <= number <= high
            inside = inside and not (opened[0] and number == low) and not (opened[1] and number == high)
            found = bool(pattern and pattern.fullmatch(text))
            assert found <= inside, (low, high, opened, text)
            if inside and not text.endswith(".0") and not text.startswith("-0"):
                assert found, (low, high, opened, text)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{", "no JSON"),
        ("[]", "object, or true or false"),
        ('"text"', "object, or true or false"),
        ("false", "nothing is valid"),
        ('{"const": NaN}', "no JSON"),
        ('{"minimum": 1e400}', "no JSON"),
        ('{"const": "\\ud800"}', "surrogate"),
        (" " * (1 << 17) + "{}", "longer than"),
        ('{"items":' * 100 + "{}" + "}" * 100, "nested deeper"),
        ('{"items":' * 9000 + "{}" + "}" * 9000, "nested deeper"),
        ({"$ref": "https://example.com/schema.json"}, REMOTE),
        ({"$ref": "http://127.0.0.1:9/x#/a"}, REMOTE),
        ({"$ref": "file:///etc/passwd"}, REMOTE),
        ({"$ref": "other.json"}, REMOTE),
        ({"$ref": "#/nowhere"}, "leads nowhere"),
        ({"$ref": 5}, REMOTE),
        ({"$ref": "#"}, "refer to each other"),
        (defs("a", a={"$ref": "#/$defs/b"}, b={"$ref": "#/$defs/a"}), "refer to each other"),
        ({"allOf": [{"$ref": "#"}], "properties": {"a": {}}}, "refer to each other"),
        (defs("e", e={"anyOf": [{"$ref": "#/$defs/e"}, {"type": "null"}]}), "refer to each other"),
        (
            defs("e", e={"anyOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/p"}]},
                 n={"properties": HALVES, "required": ["a"]}, p={"properties": {**HALVES, "b": {}}, "required": ["a"]}),
            "hold themselves",
        ),
        (alike(7), "begin alike"),
        ({"items": {"anyOf": [{"type": "integer", "maximum": most} for most in range(9)]}}, "of one type"),
        ({"items": {"anyOf": [{"type": "string", "maxLength": most} for most in range(9)]}}, "of one type"),
        ({"items": {"anyOf": [{"enum": [1, most + 2]} for most in range(9)]}}, "same value"),
        ({"enum": list(range(5000))}, "more than 1000"),
        ({"properties": {f"p{number}": {} for number in range(1001)}}, "more than 1000"),
        *(({"type": "string", "pattern": source}, "^pattern .* is not held: ") for source in PATTERNS),
        ({"type": "string", "pattern": 5}, "no text"),
        ({"type": "string", "pattern": "a", "maxLength": 5}, "beside it"),
        ({"type": "integer", "multipleOf": 7}, "multipleOf is not held"),
        ({"not": {"type": "string"}}, "not is not held"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems is not held"),
        ({"type": "array", "minItems": 10**9}, "minItems"),
        ({"type": "string", "minLength": 10**9}, "minLength"),
        ({"allOf": [{"enum": list(range(3000))}, {"enum": list(range(3000, 6000))}]}, "more than 1000"),
        ({"allOf": [{"required": ["a"]}, {"required": [1]}]}, "no list of names"),
        (again(a={"properties": MANY}, b={"properties": {**MANY, "p0": {}}}), "refer to each other"),
        ({"properties": {f"p{number}": {"type": "string", "maxLength": 9999} for number in range(50)}}, "together"),
        ({"type": "number", "minimum": 0.5}, "no whole number"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "no number"),
        ({"type": "str"}, "no name of a type"),
        ({"type": []}, "no name of a type"),
        ({"type": "string", "minLength": -1}, "no whole number"),
        ({"type": "string", "enum": [1, 2]}, "no value"),
        ({"enum": []}, "no value"),
        ({"anyOf": []}, "lists of schemas"),
        ({"anyOf": [False]}, "nothing is valid"),
        ({"properties": {"a": 5}}, "no schema"),
        ({"properties": {"a": False}, "required": ["a"]}, "nothing is valid"),
        ({"required": ["a"], "additionalProperties": False}, "nothing is valid"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "different type"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_refused_with_a_reason(schema, why):
    with pytest.raises(SchemaRefused, match=why):
        grammar_of(schema if isinstance(schema, str) else json.dumps(schema))


def test_nothing_is_fetched(monkeypatch):
    def opened(*_values, **_named):
        raise AssertionError("a schema opened a connection")

    monkeypatch.setattr(socket, "socket", opened)
    for reference in ("https://example.com/a", "http://example.com/a#/b", "//example.com/a"):
        with pytest.raises(SchemaRefused, match=REMOTE):
            grammar_of(json.dumps({"properties": {"a": {"$ref": reference}}}))


@pytest.mark.parametrize(
    "schema",
    [
        {}, True, {"title": "anything", "x-order": 1}, {"type": "object"}, {"type": ["string", "null"]},
        defs("node", node={"properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}),
        defs(
            "e", e={"oneOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/sum"}]},
            n={"type": "object", "properties": {"kind": {"const": "n"}}, "required": ["kind"]},
            sum={"type": "object", "required": ["left", "kind"],
                 "properties": {"left": {"$ref": "#/$defs/e"}, "kind": {"const": "sum"}}},
        ),
        {"anyOf": [{"const": number} for number in range(200)]}, {"anyOf": [{"type": "integer"}, {"type": "number"}]},
        {"type": "string", "maxLength": 10**12}, {"type": "array", "items": {}, "maxItems": 10**12},
        alike(3), doubling(9), {"type": "integer", "exclusiveMinimum": True, "minimum": 0},
    ],
)  # fmt: skip
def test_what_can_be_held_becomes_a_grammar(schema):
    text = grammar_of(json.dumps(schema))
    rules = dict(line.split(" ::= ", 1) for line in text.splitlines())
    used = set(
        re.findall(r"\b(?:r[0-9]+|value|object|pair|ws)\b", re.sub(r'"[^"]*"', "", " ".join(rules.values())))
    )
    assert "root" in rules and used <= rules.keys()
    assert len(text) < 100_000


def test_parts_of_an_all_of_may_refer_and_hold_all_of_themselves():
    cat = {"properties": {"lives": {"type": "integer"}}, "required": ["lives"]}
    animal = {"allOf": [{"type": "object"}, {"properties": {"name": {"type": "string"}}}]}
    whole = {
        "allOf": [{"$ref": "#/$defs/animal"}, {"$ref": "#/$defs/cat"}],
        "$defs": {"animal": animal, "cat": cat},
    }
    plain = {"type": "object", "properties": {**animal["allOf"][1]["properties"], **cat["properties"]}}
    assert grammar_of(json.dumps(whole)) == grammar_of(json.dumps({**plain, "required": ["lives"]}))


def test_no_text_of_a_schema_is_read_as_grammar():
    name = 'a" | root ::= [^"] \\ \n 打\u2028'
    text = grammar_of(json.dumps({"properties": {name: {"const": name}}, "required": [name]}))
    assert text.isascii()
    bare = re.sub(r'"[^"]*"', "", text)  # no text of a schema holds a quotation mark that ends it
    assert bare.count("::=") == len(text.splitlines()) and "root" not in bare[4:]
    assert (
        text.count("\\x22a\\x5C\\x22 | root ::= [^\\x5C\\x22] \\x5C\\x5C \\x5Cn \\U00006253\\U00002028\\x22")
        == 2
    )


def test_whatever_comes_is_a_grammar_or_refused():
    rng = random.Random(3)
    words = [*sorted(KEYWORDS), "$defs", "a", "b"]

    def junk(depth=0):
        kind = rng.random()
        if depth > 4 or kind < 0.3:
            return rng.choice(
                [None, True, False, 0, -1, 2.5, 1e300, "a", "#", "#/$defs/a", "string", "array", [], {}]
            )
        if kind < 0.5:
            return [junk(depth + 1) for _ in range(rng.randint(0, 3))]
        return {rng.choice(words): junk(depth + 1) for _ in range(rng.randint(0, 4))}

    held = 0
    for _ in range(3000):
        schema = junk()
        if isinstance(schema, dict):
            schema["$defs"] = {"a": junk(1), "b": junk(1)}
        try:
            grammar_of(json.dumps(schema))
            held += 1
        except SchemaRefused as error:
            assert str(error)
    assert held > 100
