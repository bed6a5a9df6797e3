"""The engine protocol: the documented examples, round trips, and lines that are none."""

import json
import random
import re
from pathlib import Path

import pytest

from autoglm_desktop.core import protocol

DOC = Path(__file__).resolve().parents[2] / "docs/engine-protocol.md"
BLOCKS = re.findall(r"^```json\n(.*?)^```$", DOC.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
EXAMPLES = [line for block in BLOCKS for line in block.splitlines()]


def decoder(line):
    return protocol.decode_command if "command" in json.loads(line) else protocol.decode_event


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: line[:40])
def test_documented_lines_decode_and_encode_back_equal(line):
    value = decoder(line)(line)
    assert json.loads(protocol.encode(value)) == json.loads(line), (
        "the example is not complete, or not of the protocol"
    )
    assert decoder(line)(line.encode()) == value
    assert "\n" not in protocol.encode(value)


def test_every_command_and_event_has_an_example():
    found = [json.loads(line) for line in EXAMPLES]
    assert {item["command"] for item in found if "command" in item} == set(protocol.COMMANDS)
    assert {item["event"] for item in found if "event" in item} == set(protocol.EVENTS)


def test_documented_kinds_and_phases_are_those_of_the_code():
    text = DOC.read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in protocol.FAILURE_KINDS)
    assert all(f"`{phase}`" in text for phase in protocol.PHASES)


@pytest.mark.parametrize("text", ["", "a\nb\r\n", "你好 🙂", '"\\', "\u2028\x00", "\ud83d half a pair"])
def test_any_text_survives_the_way_through_a_pipe(text):
    delta = protocol.Delta("id", text, 3)
    line = (protocol.encode(delta) + "\n").encode("utf-8", "surrogatepass")
    assert line.count(b"\n") == 1
    assert protocol.decode_event(line) == delta


def test_defaults_fill_what_a_line_leaves_out():
    command = protocol.decode_command('{"command": "generate", "id": "1", "messages": [], "future": true}')
    assert command == protocol.Generate("1", ())
    assert command.sampling == protocol.Sampling()


BAD = [
    "", "   ", "null", "3", "[]", "{}", "true", '"load"', "{", '{"command":', '{"command": null}', '{"command": []}',
    '{"command": {"load": 1}}', '{"command": "explode"}', '{"command": "load"}', '{"event": "delta"}',
    '{"event": "delta", "id": 1, "text": "a", "tokens": "many"}',
    '{"event": "delta", "id": 1, "text": "a", "tokens": null}',
    '{"event": "delta", "id": 1, "text": "a", "tokens": [1]}',
    '{"event": "delta", "id": 1, "text": "a", "tokens": 1e999}',
    '{"event": "ready", "proof": 7}', '{"event": "ready", "proof": {}}',
    '{"event": "progress", "phase": 1, "fraction": 0}',
    '{"event": "progress", "phase": "load", "fraction": ' + "9" * 400 + "}",
    '{"command": "load", "backend": "llama.cpp", "model": "m", "context": "wide"}',
    '{"command": "load", "backend": "llama.cpp", "model": "m", "context": true}',
    '{"command": "load", "backend": "llama.cpp", "model": "m", "context": 1e999}',
    '{"command": "generate", "id": "1", "messages": {"role": "user"}}',
    '{"command": "generate", "id": "1", "messages": ["hello"]}',
    '{"command": "generate", "id": "1", "messages": [], "sampling": {"stop": "end"}}',
    "[" * 100_000, b"\xff\xfe\x00", b"\x00\x00\x00\x00", b"\x80abc",
]  # fmt: skip


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_what_is_no_line_of_the_protocol_raises_protocol_error_only(line):
    for decode in (protocol.decode_command, protocol.decode_event):
        with pytest.raises(protocol.ProtocolError):
            decode(line)


def mutate(line, random_):
    """A documented line with one piece of damage."""
    data = json.loads(line)
    strange = [None, -1, 1e999, 10**400, "", "x" * 50, [], {}, [[]], {"a": {"b": None}}, True, "\ud800"]
    kind = random_.randrange(4)
    if kind == 0:
        data[random_.choice(list(data))] = random_.choice(strange)
        return json.dumps(data)
    if kind == 1:
        inner = [value for value in data.values() if isinstance(value, dict) and value]
        target = random_.choice(inner) if inner else data
        target[random_.choice(list(target))] = random_.choice(strange)
        return json.dumps(data)
    raw = bytearray(line.encode())
    if kind == 2:
        del raw[random_.randrange(len(raw)) :]
    else:
        raw[random_.randrange(len(raw))] = random_.randrange(256)
    return bytes(raw)


def test_damaged_lines_decode_or_raise_protocol_error():
    random_, refused = random.Random(1), 0
    for _ in range(4000):
        damaged = mutate(random_.choice(EXAMPLES), random_)
        for decode in (protocol.decode_command, protocol.decode_event):
            try:
                decode(damaged)
            except protocol.ProtocolError:
                refused += 1
    assert refused > 4000, "hardly anything was damaged: the test shows nothing"
