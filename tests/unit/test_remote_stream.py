"""Events and chunks, whole and hostile: text or a RemoteError, and nothing else."""

import copy
import json
import random

import pytest

from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.core.remote import Endpoint, RemoteError
from autoglm_desktop.core.remote_models import models_of
from autoglm_desktop.core.remote_request import body_of, refusal, without_unknown
from autoglm_desktop.core.remote_stream import DETAIL_CHARACTERS, Lines, Reader, error_text, shorten
from autoglm_desktop.texts import errors

ONE = Endpoint("made", "made", "http://localhost:8000/v1", "made-model")
STREAM = (
    b"\xef\xbb\xbf: keep-alive\r\n\r\n"
    b"event: message\ndata: one\n\n"
    b"id: 7\r\ndata:two\r\ndata: \xe5\xad\x97\r\n\r\n"
    b"retry: 3\n\n\n"
    b"data\n\n"
    b"data: three"
)
VALUES = (
    None,
    0,
    -1,
    1.5,
    True,
    "",
    "made",
    [],
    [None],
    ["made"],
    {},
    {"made": 1},
    10**30,
    "\x00\ud800",
    [{}],
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_do_not_depend_on_how_the_bytes_arrive(size):
    lines, found = Lines(), []
    for start in range(0, len(STREAM), size):
        found += lines.feed(STREAM[start : start + size])
    found += lines.end()
    assert found == ["one", "two\n字", "", "three"]
    assert lines.seen


def test_text_that_is_no_stream_is_known():
    lines = Lines()
    assert lines.feed(b"<html>\nIt works!\n</html>\n") + lines.end() == []
    assert not lines.seen


def test_a_line_without_end_is_ended():
    lines = Lines()
    with pytest.raises(RemoteError) as raised:
        for _ in range(100):
            lines.feed(b"x" * 100_000)
    assert raised.value.code == "remote_too_long"


def test_many_lines_of_one_event_are_ended():
    lines = Lines()
    with pytest.raises(RemoteError):
        for _ in range(100):
            lines.feed(b"data: " + b"x" * 100_000 + b"\n")


def chunk(**delta):
    return json.dumps({"id": "made", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def test_thoughts_come_and_go():
    reader = Reader()
    deltas = [
        {"reasoning": "a"},
        {"reasoning_content": "b"},
        {"content": "c"},
        {"content": None},
        {"reasoning": "d"},
    ]
    assert "".join(reader.read(chunk(**one)).text for one in deltas) == "<think>ab</think>c<think>d"
    assert reader.read("[DONE]").text == "</think>"


def test_content_in_parts_is_text():
    assert (
        Reader().read(chunk(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])).text
        == "ab"
    )


def test_counts_and_speeds_are_those_of_the_server():
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}}
    timings = {"prompt_per_second": 100.5, "predicted_per_second": 20}
    piece = Reader().read(json.dumps({"choices": [], "usage": usage, "timings": timings}))
    assert (piece.prompt_tokens, piece.completion_tokens, piece.cached_tokens) == (3, 5, 2)
    assert (piece.prompt_tokens_per_s, piece.tokens_per_s) == (100.5, 20)


def test_hostile_chunks_give_text_or_an_error():
    """Every value in every place."""
    chance = random.Random(7)
    good = json.loads(chunk(content="a", reasoning="b")) | {
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {}},
        "timings": {"prompt_per_second": 1},
    }
    read = 0
    for _ in range(3000):
        spoilt = json.loads(json.dumps(good))
        for _ in range(chance.randint(1, 3)):
            spoil(spoilt, chance)
        try:
            piece = Reader().read(json.dumps(spoilt))
        except RemoteError as error:
            assert errors.text(error)
        else:
            read += 1
            assert isinstance(piece.text, str)
            assert piece.completion_tokens is None or piece.completion_tokens >= 0
    assert 300 < read < 3000


def spoil(value, chance):
    """Another value somewhere in it."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(value[key], (dict, list)) and chance.random() < 0.7:
            value = value[key]
            continue
        value[key] = copy.deepcopy(chance.choice(VALUES))
        return


def test_an_error_deep_as_a_well_says_nothing():
    assert error_text(json.loads("[" * 800 + "]" * 800)) == ""


@pytest.mark.parametrize("value", [*VALUES, {"data": None}, {"data": [*VALUES]}], ids=repr)
def test_hostile_lists_and_errors(value):
    assert isinstance(error_text(value), str)
    assert isinstance(error_text({"error": {"message": value}}), str)
    try:
        models_of(value, ONE)
    except RemoteError as error:
        assert error.code == "remote_not_openai"


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 413, 418, 422, 429, 500, 502, 503, 529]
)
@pytest.mark.parametrize(
    "body", ["", "made", {"error": "made"}, {"detail": [{"msg": "made"}]}, None, 7], ids=repr
)
def test_each_status_is_one_sentence(status, body):
    for with_key in (False, True):
        for wait_s in (None, 0.2):
            text = errors.text(refusal(ONE, status, body, with_key=with_key, wait_s=wait_s))
            assert text.endswith(".") and "?" not in text and "{" not in text and "(remote_" not in text


def test_what_a_server_says_is_shown_in_one_short_line():
    said = shorten("made\n\x1b[31mred\u202e\x00 " + "x" * 10_000)
    assert "\n" not in said and "\x1b" not in said and "\u202e" not in said
    assert len(said) <= DETAIL_CHARACTERS + 1


def test_what_a_refusal_names_is_left_out():
    body = body_of(ONE, [Message("user", "Hi")], Sampling(seed=7, stop=("x",)), lambda part: "")
    assert without_unknown(body, "made: no") is None
    less, named = without_unknown(body, "Unexpected fields in the request: {'top_k', 'seed'}")
    assert named == ("top_k", "seed") and "top_k" not in less and "seed" not in less and less["stop"] == ["x"]
    renamed, named = without_unknown(body, "Use 'max_completion_tokens' instead of 'max_tokens'.")
    assert named == () and renamed["max_completion_tokens"] == 1024 and "max_tokens" not in renamed
    assert "messages" in less and without_unknown({"messages": []}, "messages top_k") is None
