"""What a chat request may say."""

import pytest

from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.service.errors import ApiError
from autoglm_desktop.service.schema import messages_of, parse, sampling_of

HELLO = [{"role": "user", "content": "hello"}]


def messages(*items):
    return messages_of(parse({"messages": list(items)}))


def sampling(context=4096, **fields):
    return sampling_of(parse({"messages": HELLO, **fields}), context)


def test_text_parts_are_joined_and_roles_kept():
    found = messages(
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "name": "me",
            "content": [{"type": "text", "text": "打开"}, {"type": "text", "text": "设置"}],
        },
        {"role": "assistant", "content": None},
        {"role": "user", "content": ["a", {"type": "input_text", "text": "b"}]},
    )
    assert found == (
        Message("system", "be brief"), Message("user", "打开设置"), Message("assistant", ""), Message("user", "ab"),
    )  # fmt: skip


def test_behind_an_assistant_message_a_new_one_begins_unless_it_is_to_be_continued():
    """As OpenAI, and vLLM with ``continue_final_message``: an empty answer asks the engine for a new one."""
    begun = [*HELLO, {"role": "assistant", "content": "<think>"}]
    asked = (Message("user", "hello"), Message("assistant", "<think>"))
    assert messages_of(parse({"messages": begun})) == (*asked, Message("assistant", ""))
    assert messages_of(parse({"messages": begun, "continue_final_message": False})) == (
        *asked,
        Message("assistant", ""),
    )
    assert messages_of(parse({"messages": begun, "continue_final_message": True})) == asked
    assert messages_of(parse({"messages": HELLO, "continue_final_message": True})) == asked[:1]


def test_nothing_given_is_the_engines_default_and_the_context_is_the_limit():
    assert sampling() == Sampling(max_tokens=4096)
    assert sampling(context=None) == Sampling()
    assert sampling(temperature=None, stop=None, seed=None, max_tokens=None) == Sampling(max_tokens=4096)


def test_everything_given_reaches_the_engine():
    found = sampling(
        temperature=0, top_p=0.85, top_k=-1, min_p=0.1, max_tokens=3000, frequency_penalty=0.2, presence_penalty=-1,
        seed=7, stop="END",
    )  # fmt: skip
    assert found == Sampling(0.0, 0.85, 0, 0.1, 3000, 0.2, -1.0, 7, ("END",))


def test_the_newer_name_of_max_tokens_wins_and_large_ones_are_left_to_the_engine():
    assert sampling(max_tokens=5, max_completion_tokens=9).max_tokens == 9
    assert sampling(max_tokens=10**12).max_tokens == 10**12


def test_stop_takes_a_string_or_a_list():
    assert sampling(stop=["a", "", "b"]).stop == ("a", "b")
    assert sampling(stop="").stop == ()


def test_unknown_fields_and_harmless_values_are_ignored():
    data = {
        "messages": HELLO, "model": {"any": "thing"}, "skip_special_tokens": False, "n": 1, "tools": [],
        "logit_bias": {}, "stream_options": {"include_usage": True, "new": 1},
        "user": "x", "top_k": 0, "functions": None,
    }  # fmt: skip
    assert parse(data).include_usage
    assert not parse({"messages": HELLO}).include_usage


REFUSED = [
    ([], "", "JSON object"),
    ("text", "", "JSON object"),
    (None, "", "JSON object"),
    ({}, "messages", "messages"),
    ({"messages": []}, "messages", "messages"),
    ({"messages": "hello"}, "messages", "messages"),
    ({"messages": ["hello"]}, "messages.0", "dictionary"),
    ({"messages": [{"content": "x"}]}, "messages.0.role", "role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "developer"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role", "role"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content", "list of parts"),
    ({"messages": [{"role": "user", "content": [7]}]}, "messages.0.content.0", "type text"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0", "type text"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0", "type text"),
    ({"messages": HELLO, "temperature": -0.1}, "temperature", "greater"),
    ({"messages": HELLO, "temperature": "hot"}, "temperature", "number"),
    ({"messages": HELLO, "temperature": float("nan")}, "temperature", "finite"),
    ({"messages": HELLO, "top_p": 1.1}, "top_p", "less"),
    ({"messages": HELLO, "max_tokens": 0}, "max_tokens", "greater"),
    ({"messages": HELLO, "max_tokens": 1.5}, "max_tokens", "integer"),
    ({"messages": HELLO, "frequency_penalty": 3}, "frequency_penalty", "less"),
    ({"messages": HELLO, "stop": [1]}, "stop", "string"),
    ({"messages": HELLO, "stop": 5}, "stop", "string"),
    ({"messages": HELLO, "seed": "x"}, "seed", "integer"),
    ({"messages": HELLO, "n": 2}, "n", "one answer"),
    ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools", "not offered"),
    ({"messages": HELLO, "functions": [{"name": "f"}]}, "functions", "not offered"),
    ({"messages": HELLO, "stream": "maybe"}, "stream", "boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "param", "part"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(data, param, part):
    with pytest.raises(ApiError) as caught:
        messages_of(parse(data))
    assert caught.value.status == 400
    assert (caught.value.param or "").startswith(param)
    assert part in caught.value.message


def test_too_many_stops_are_refused():
    with pytest.raises(ApiError, match="at most 16"):
        sampling(stop=["x"] * 17)


@pytest.mark.parametrize("kind", ["image_url", "input_image", "image"])
def test_an_image_is_refused_naming_what_is_missing(kind):
    picture = {"type": kind, "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(ApiError) as caught:
        messages({"role": "user", "content": [picture, {"type": "text", "text": "?"}]})
    assert caught.value.status == 400 and caught.value.code == "no_vision"
    assert caught.value.param == "messages.0.content.0"
    assert "mmproj" in caught.value.message
    assert "iVBOR" not in caught.value.message
