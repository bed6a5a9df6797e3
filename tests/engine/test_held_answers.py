"""Answers held to a JSON schema by llama.cpp, on a tiny model with random weights: whatever ends by itself is JSON and
valid by the schema."""

import json
import random
import re

import pytest

from autoglm_desktop.core import protocol
from autoglm_desktop.engine.server import JobFailed
from autoglm_desktop.usecases.deaths import Broken
from tests.engine.transformers_support import Remembering

jsonschema = pytest.importorskip(
    "jsonschema", reason="jsonschema is not installed here (it comes with schemathesis)"
)

SAFE = protocol.EngineOptions(use_extra_bufts=False)
HELLO = (protocol.Message("user", "打开微信 please"),)
WILD = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": 400}
GREEDY = {"temperature": 0.0, "max_tokens": 400}
PERSON = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "name": {"type": "string", "maxLength": 8},
        "awake": {"type": "boolean"},
    },
    "required": ["age", "awake"],
    "additionalProperties": False,
}
LIST = {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]}


class Asker:
    def __init__(self, backend):
        self.backend, self.channel = backend, backend._channel

    def ask(self, schema, messages=HELLO, **sampling):
        """(text, done)"""
        self.channel.events.clear()
        self.channel.asked, self.channel.cancel_after = 0, 10**9
        text = schema if isinstance(schema, str) or schema is None else json.dumps(schema)
        values = protocol.Sampling(**{**GREEDY, **sampling}, json_schema=text)
        done = self.backend.generate(protocol.Generate("r", tuple(messages), values))
        return self.channel.text(), done


@pytest.fixture(scope="module")
def asker(needs_llama, tiny_model):
    from autoglm_desktop.engine.llama_backend import LlamaBackend

    backend = LlamaBackend(Remembering())
    backend.load(protocol.Load("llama.cpp", str(tiny_model), 1024, threads=1, options=SAFE))
    yield Asker(backend)
    backend.unload()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "boolean"},
        {"type": "integer", "minimum": -3, "maximum": 120},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"enum": ["a\nb", "打开", "\\", '"', "[gMASK]", "<|user|>", None, 3, [1, {"k": "😀"}]]},
        {"type": "string", "maxLength": 6},
        {"type": "string", "minLength": 2, "maxLength": 4},
        {"type": "string", "format": "date-time"},
        {"type": ["string", "null"], "maxLength": 3},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4},
        {"type": "array", "prefixItems": [{"type": "null"}, {"const": {"a": [1.5]}}]},
        PERSON,
        {"allOf": [{"properties": {"b": {"const": 1}}, "required": ["b"]}, {"required": ["c"]}], "type": "object",
         "additionalProperties": True, "properties": {"c": {"type": "null"}}},
        {"oneOf": [{"properties": {"k": {"const": kind}, "v": {"type": of}}, "required": ["v", "k"]}
                   for kind, of in (("a", "null"), ("b", "boolean"))]},
    ],
)  # fmt: skip
def test_closed_answers_end_and_are_valid(asker, schema):
    for sampling in (
        GREEDY,
        {**GREEDY, "frequency_penalty": 0.8},
        *({**WILD, "seed": seed} for seed in range(8)),
    ):
        text, done = asker.ask(schema, **sampling)
        assert done.finish_reason == "stop", text
        jsonschema.validate(json.loads(text), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"type": "string"}, LIST])
def test_open_answers_are_valid_unless_they_are_cut(asker, schema):
    ended = []
    for seed in range(12):
        text, done = asker.ask(schema, **{**WILD, "seed": seed, "max_tokens": 120})
        assert done.finish_reason in ("stop", "length")
        if done.finish_reason == "stop":
            ended.append(json.loads(text))
            jsonschema.validate(ended[-1], schema or {"type": "object"}, cls=jsonschema.Draft202012Validator)
        else:
            assert done.usage.completion_tokens == 120
    assert ended


def test_any_schema_within_reason_holds(asker):
    rng = random.Random(5)

    def scalar():
        values = ["a", "ab", "\n", "\\", '"', "打", "😀", 1, 10, 1.5, True, None, ["x", {}], {"k": "v"}]
        return rng.choice([
            {"type": "boolean"}, {"type": "null"}, {"const": rng.choice(["a", "\t/", 7])}, {"$ref": "#/$defs/d"},
            {"type": "integer", "minimum": rng.randint(-50, 5), "maximum": rng.randint(6, 500)},
            {"type": "number", "exclusiveMinimum": rng.randint(-5, 0), "exclusiveMaximum": rng.randint(1, 9)},
            {"type": "string", "minLength": rng.randint(0, 3), "maxLength": rng.randint(3, 6)},
            {"enum": rng.sample(values, rng.randint(1, 6))}, {"type": rng.sample(["boolean", "null", "integer"], 2)},
        ])  # fmt: skip

    def schema(depth=0):
        kind = rng.random()
        if depth > 2 or kind < 0.35:
            return scalar()
        if kind < 0.6:
            names = rng.sample(["a", "b", "é", "x y", 'q"', "\\"], rng.randint(0, 4))
            required = rng.sample(names, rng.randint(0, len(names)))
            extra = rng.choice([True, scalar()])
            properties = {name: schema(depth + 1) for name in names}
            return {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": extra,
            }
        if kind < 0.8:
            most = rng.randint(0, 4)
            found = {
                "type": "array",
                "items": schema(depth + 1),
                "maxItems": most,
                "minItems": rng.randint(0, most),
            }
            return {**found, "prefixItems": [schema(depth + 1)]} if rng.random() < 0.4 else found
        return {"anyOf": [schema(depth + 1) for _ in range(rng.randint(1, 3))]}

    ended = 0
    for seed in range(80):
        whole = {**schema(), "$defs": {"d": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 2}}}
        text, done = asker.ask(whole, **{**WILD, "seed": seed})
        if done.finish_reason == "stop":
            ended += 1
            jsonschema.validate(json.loads(text), whole, cls=jsonschema.Draft202012Validator)
    assert ended > 60


@pytest.mark.parametrize(
    "source",
    [
        "^a{2,4}$", r"^[A-Z]{3}-\d{4}$", "^(foo|bar)+$", "abc", r'^[^a-z"\\]{1,3}$', "^.{1,3}$", r'^"\\\n$', "^(a+)-b$",
        "^(?:(a|b)*?c)?$", r"^[\s]{1,2}$", r"^\S\D\W$", "^x|y$", r"^[\u6253\u5f00]{2}$", "^(((a|cb)+)?)!$",
        r"^[+\-*/]$",
    ],
)  # fmt: skip
def test_patterns_hold(asker, source):
    ended = 0
    for seed in range(8):
        text, done = asker.ask(
            {"type": "string", "pattern": source}, **{**WILD, "seed": seed, "max_tokens": 150}
        )
        if done.finish_reason == "stop":
            ended += 1
            assert re.search(source, json.loads(text)), text
    assert ended


def test_a_seed_repeats(asker):
    schema = {"type": "string", "minLength": 20, "maxLength": 40}
    texts = [asker.ask(schema, **{**WILD, "seed": seed})[0] for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1] and len(set(texts)) > 2


def test_greedy_takes_the_likeliest_allowed_token(asker):
    """Against the plain way: mask what the grammar refuses, then take the largest."""
    from autoglm_desktop.engine import llama_grammar

    checked = []

    class Looking(llama_grammar.Held):
        def choose(self, context):
            logits = llama_grammar.native.llama_get_logits_ith(context, -1)
            scores = [logits[token] for token in range(len(self._ids))]
            best = max((token for token in range(len(scores)) if self._may(token)), key=scores.__getitem__)
            token = super().choose(context)
            checked.append((token, best))
            return token

        def _may(self, token):
            return token not in self._vocabulary.silent and self._allows(token)

    before, llama_grammar.Held = llama_grammar.Held, Looking
    try:
        asker.ask({"enum": ["一二三", "This is", 12345]})
        asker.ask(PERSON)
    finally:
        llama_grammar.Held = before
    assert len(checked) > 20
    assert [token for token, _ in checked] == [best for _, best in checked]


def test_no_control_token_stands_for_its_name(asker):
    for seed in range(10):
        text, _ = asker.ask({"enum": ["[gMASK]", "<sop>", "<|system|>"]}, **{**WILD, "seed": seed})
        assert json.loads(text) in ("[gMASK]", "<sop>", "<|system|>")


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_a_cut_answer_is_continued(asker, count):
    first, done = asker.ask(PERSON, max_tokens=count)
    assert done.finish_reason == "length"
    rest, done = asker.ask(PERSON, (*HELLO, protocol.Message("assistant", first)))
    assert done.finish_reason == "stop"
    jsonschema.validate(json.loads(first + rest), PERSON)


def test_an_answer_that_is_none_of_the_schema_is_not_continued(asker):
    with pytest.raises(JobFailed, match="bad_schema: the answer that is to be continued"):
        asker.ask(PERSON, (*HELLO, protocol.Message("assistant", "Sure! {")))
    assert asker.ask(PERSON)[1].finish_reason == "stop"


@pytest.mark.parametrize(
    "schema",
    [
        "{", "[]", {"$ref": "https://example.com/a"}, {"type": "string", "pattern": "(a*)*"},
        '{"items":' * 5000 + "{}" + "}" * 5000, {"enum": list(range(9000))}, {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]},
                                        "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}},
    ],
)  # fmt: skip
def test_a_hostile_schema_is_refused_before_anything_is_evaluated(asker, schema):
    asker.ask(None, max_tokens=1)
    standing = list(asker.backend._model.cells.items)
    with pytest.raises(JobFailed, match=f"^{protocol.BAD_SCHEMA}: ") as failed:
        asker.ask(schema, (protocol.Message("user", "something else"),))
    assert failed.value.kind == "unsupported"
    assert asker.backend._model.cells.items == standing
    error = Broken(protocol.Failed(failed.value.kind, str(failed.value), "r"), None).error("gguf-cpu")
    assert error.code == "bad_schema"


def test_a_grammar_that_llama_cpp_refuses_is_no_crash(asker, monkeypatch):
    from autoglm_desktop.engine import llama_grammar

    monkeypatch.setattr(llama_grammar, "grammar_of", lambda _text: "root ::= root | nowhere")
    with pytest.raises(JobFailed, match=r"llama\.cpp refuses the grammar"):
        asker.ask({})
    monkeypatch.setattr(llama_grammar, "grammar_of", lambda _text: 'root ::= "a" [^\\x00-\\U0010FFFF]')
    with pytest.raises(JobFailed, match="no words for what it demands"):
        asker.ask({})
    monkeypatch.undo()
    assert asker.ask({"const": 7})[0] == "7"


def test_a_template_that_begins_to_think_is_told_to_say_it(asker, monkeypatch):
    prompts = asker.backend._model.prompts
    render = prompts._template.render
    monkeypatch.setattr(prompts._template, "render", lambda messages: render(messages) + "<think>\n")
    said = []
    tokens = prompts._vocabulary.tokens
    monkeypatch.setattr(
        prompts._vocabulary, "tokens", lambda text, *more: said.append(text) or tokens(text, *more)
    )
    text, done = asker.ask({"const": True})
    assert (text, done.finish_reason) == ("true", "stop")
    assert said[0].endswith("<think>\n\n</think>\n\n")
    asker.ask(None, max_tokens=1)
    assert said[-1].endswith("<think>\n")


def test_transformers_refuses_before_it_reads_the_prompt(made_glm4):
    from tests.engine.transformers_support import InProcess

    backend = InProcess(made_glm4)
    with pytest.raises(JobFailed, match=f"^{protocol.NO_GRAMMAR}: ") as failed:
        backend.ask("hello", json_schema="{}")
    assert failed.value.kind == "unsupported" and not backend.backend._cache.keys
    error = Broken(protocol.Failed("unsupported", str(failed.value), "r"), None).error("transformers-cpu")
    assert (error.code, error.values["rung"]) == ("no_grammar", "transformers-cpu")
    assert backend.ask("hello")[0]
    backend.backend.unload()
