"""What a chat request may say."""

import json

import pytest

from autoglm_desktop.core.protocol import RAW, Message, Sampling
from autoglm_desktop.service import reading
from autoglm_desktop.service.errors import ApiError
from autoglm_desktop.service.schema import ChatRequest, CompletionRequest, parse
from autoglm_desktop.usecases.serve_pictures import Image

HELLO = [{"role": "user", "content": "hello"}]


def messages(*items):
    return reading.chat({"messages": list(items)}, 4096).messages


def sampling(context=4096, **fields):
    return reading.chat({"messages": HELLO, **fields}, context).sampling


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
    assert reading.chat({"messages": begun}, None).messages == (*asked, Message("assistant", ""))
    assert reading.chat({"messages": begun, "continue_final_message": False}, None).messages == (
        *asked,
        Message("assistant", ""),
    )
    assert reading.chat({"messages": begun, "continue_final_message": True}, None).messages == asked
    assert reading.chat({"messages": HELLO, "continue_final_message": True}, None).messages == asked[:1]


def test_nothing_given_is_the_engines_default_and_the_context_is_the_limit():
    assert sampling() == Sampling(max_tokens=4096)
    assert sampling(context=None) == Sampling(max_tokens=2**31 - 1), "of a model that this request loads"
    assert sampling(temperature=None, stop=None, seed=None, max_tokens=None) == Sampling(max_tokens=4096)


def test_everything_given_reaches_the_engine():
    found = sampling(
        temperature=0, top_p=0.85, top_k=-1, min_p=0.1, max_tokens=3000, frequency_penalty=0.2, presence_penalty=-1,
        seed=7, stop="END",
    )  # fmt: skip
    assert found == Sampling(0.0, 0.85, 0, 0.1, 3000, 0.2, -1.0, 7, ("END",))


def test_the_newer_name_of_max_tokens_wins_and_large_ones_are_left_to_the_engine():
    assert sampling(max_tokens=5, max_completion_tokens=9).max_tokens == 9
    assert sampling(max_tokens=10**12).max_tokens == 2**31 - 1
    assert sampling(max_tokens=3000.0).max_tokens == 3000


@pytest.mark.parametrize("none", [-1, -1.0])
def test_minus_one_is_no_limit_as_lm_studio_and_llama_cpp_write_it(none):
    assert sampling(max_tokens=none).max_tokens == 2**31 - 1
    assert sampling(max_tokens=5, max_completion_tokens=none).max_tokens == 2**31 - 1
    assert reading.completion({"prompt": "x", "max_tokens": none}, 4096).sampling.max_tokens == 2**31 - 1
    assert reading.predict({"text": "x", "max_tokens": none}, 4096).sampling.max_tokens == 2**31 - 1
    with pytest.raises(ApiError, match="greater"):
        sampling(max_tokens=-2)


def test_a_large_top_k_stays_large_in_the_engines_32_bits():
    assert sampling(top_k=2**32 + 1).top_k == 2**31 - 1


@pytest.mark.parametrize(
    "stop",
    [5, [1], ["a", 1], {"a": 1}],
)
def test_the_field_at_fault_is_called_as_the_client_called_it(stop):
    with pytest.raises(ApiError) as caught:
        sampling(stop=stop)
    assert caught.value.param == "stop"
    with pytest.raises(ApiError) as caught:
        reading.completion({"prompt": {"a": 1}}, None)
    assert caught.value.param == "prompt"


def test_stop_takes_a_string_or_a_list():
    assert sampling(stop=["a", "", "b"]).stop == ("a", "b")
    assert sampling(stop="").stop == ()


def test_unknown_fields_and_harmless_values_are_ignored():
    data = {
        "messages": HELLO, "model": {"any": "thing"}, "skip_special_tokens": False, "n": 1, "tools": [],
        "logit_bias": {}, "logprobs": False, "top_logprobs": 0, "modalities": ["text"], "audio": None,
        "stream_options": {"include_usage": True, "new": 1},
        "user": "x", "top_k": 0, "functions": None,
    }  # fmt: skip
    assert parse(ChatRequest, data).include_usage
    assert not parse(ChatRequest, {"messages": HELLO}).include_usage


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
    ({"messages": HELLO, "stream": "true"}, "stream", "boolean"),
    ({"messages": HELLO, "temperature": "0.5"}, "temperature", "number"),
    ({"messages": HELLO, "n": True}, "n", "integer"),
    ({"messages": HELLO, "logprobs": True}, "logprobs", "not offered"),
    ({"messages": HELLO, "top_logprobs": 3}, "top_logprobs", "not offered"),
    ({"messages": HELLO, "logit_bias": {"7": 1}}, "logit_bias", "not offered"),
    ({"messages": HELLO, "audio": {"voice": "x"}}, "audio", "only text"),
    ({"messages": HELLO, "modalities": ["text", "audio"]}, "modalities", "only text"),
    ({"messages": HELLO, "web_search_options": {}}, "web_search_options", "not offered"),
    ({"messages": HELLO, "seed": 2**63}, "seed", "less"),
    ({"messages": HELLO, "response_format": {"type": "xml"}}, "response_format.type", "json_object"),
    ({"messages": HELLO, "response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing"),
    ({"messages": HELLO, "response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
     "response_format.json_schema.schema", "dictionary"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "param", "part"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(data, param, part):
    with pytest.raises(ApiError) as caught:
        reading.chat(data, None)
    assert caught.value.status == 400
    assert (caught.value.param or "").startswith(param)
    assert part in caught.value.message


def test_too_many_stops_are_refused():
    with pytest.raises(ApiError, match="at most 16"):
        sampling(stop=["x"] * 17)


def test_an_answer_can_be_held_to_a_schema():
    assert sampling(response_format={"type": "text"}).json_schema is None
    assert sampling(response_format={"type": "json_object"}).json_schema == "{}"
    wanted = {"type": "object", "properties": {"数": {"type": "integer"}}}
    format_ = {"type": "json_schema", "json_schema": {"name": "made", "schema": wanted, "strict": True}}
    assert json.loads(sampling(response_format=format_).json_schema) == wanted
    assert (
        sampling(response_format={"type": "json_schema", "json_schema": {"name": "any"}}).json_schema == "{}"
    )


def test_a_schema_that_is_nested_too_deeply_is_refused():
    """Deeper than Python's writer of JSON goes; whatever the reader took."""
    schema = leaf = {}
    for _ in range(200_000):
        leaf["items"] = {}
        leaf = leaf["items"]
    with pytest.raises(ApiError, match="nested too deeply"):
        sampling(response_format={"type": "json_schema", "json_schema": {"schema": schema}})


def test_half_characters_reach_no_engine():
    """JSON can hold lone surrogates; UTF-8 can't."""
    asked = reading.chat({"messages": [{"role": "user", "content": "a\ud800b"}], "stop": "\udfff"}, None)
    assert asked.messages[0].content == "a?b" and asked.sampling.stop == ("?",)
    assert reading.completion({"prompt": "\ud83d"}, None).messages[0].content == "?"
    assert reading.predict({"text": "\ud83d"}, None).messages[0].content == "?"


@pytest.mark.parametrize("prompt", ["Once 从前", ["Once 从前"]])
def test_a_completion_is_one_text_that_is_continued(prompt):
    asked = reading.completion({"prompt": prompt, "temperature": 0, "stop": ["."]}, 4096)
    assert asked.messages == (Message(RAW, "Once 从前"),)
    assert asked.sampling == Sampling(temperature=0.0, max_tokens=16, stop=(".",))
    assert reading.completion({"prompt": prompt, "max_tokens": 99}, 4096).sampling.max_tokens == 99


COMPLETIONS_REFUSED = [
    ({}, "prompt"), ({"prompt": ""}, "prompt"), ({"prompt": []}, "prompt"), ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [1, 2]}, "prompt"), ({"prompt": [[1, 2]]}, "prompt"), ({"prompt": None}, "prompt"),
    ({"prompt": "x", "best_of": 2}, "best_of"), ({"prompt": "x", "echo": True}, "echo"), ({"prompt": "x", "n": 2}, "n"),
    ({"prompt": "x", "suffix": "y"}, "suffix"), ({"prompt": "x", "logprobs": 0}, "logprobs"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "param"), COMPLETIONS_REFUSED)
def test_a_completion_that_cannot_be_kept_is_refused_by_name(data, param):
    with pytest.raises(ApiError) as caught:
        reading.completion(data, None)
    assert caught.value.status == 400 and caught.value.param.startswith(param)


def test_what_a_completion_asks_by_default_is_taken():
    harmless = {
        "prompt": "x",
        "best_of": 1,
        "echo": False,
        "suffix": None,
        "logprobs": None,
        "n": 1,
        "user": "me",
    }
    assert parse(CompletionRequest, harmless).prompt == "x"


def test_predict_is_a_user_message():
    asked = reading.predict({"text": "你好", "max_tokens": 7, "more": 1}, 4096)
    assert asked.messages == (Message("user", "你好"),) and asked.sampling == Sampling(max_tokens=7)
    assert reading.predict({"text": "x"}, 4096).sampling.max_tokens == 4096
    for data in ({}, {"text": ""}, {"text": 7}, {"text": "x", "max_tokens": 0}, []):
        with pytest.raises(ApiError):
            reading.predict(data, None)


PNG = "data:image/png;base64,iVBORw0KGgo="
SHOT = {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}


@pytest.mark.parametrize(
    "part",
    [
        SHOT,
        {"type": "image_url", "image_url": PNG},
        {"type": "input_image", "image_url": PNG},
        {"type": "image_url", "image_url": {"url": "DATA:image/PNG;charset=utf-8;BASE64,iVBORw0KGgo="}},
        *({"type": "image_url", "image_url": f"data:image/{kind};base64,iVBORw0KGgo="}
          for kind in ("jpeg", "jpg", "webp", "gif", "bmp")),
    ],
)  # fmt: skip
def test_images_are_data_uris(part):
    asked = reading.chat(
        {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]}, None
    )
    image = Image(b"\x89PNG\r\n\x1a\n", "messages.0.content.0")
    assert asked.images == (image,) and asked.messages[0].content == [image, "?"]


def test_images_of_older_turns_are_dropped_and_their_texts_stay():
    turns = [
        {"role": "user", "content": [SHOT, {"type": "text", "text": "one"}]},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [SHOT, SHOT, "three"]},
        {"role": "assistant", "content": [{"type": "text", "text": "fo"}]},
    ]
    asked = reading.chat({"messages": turns, "continue_final_message": True}, None)
    assert [image.where for image in asked.images] == ["messages.2.content.0", "messages.2.content.1"]
    assert asked.dropped == 1
    assert [message.content for message in asked.messages] == ["one", "two", [*asked.images, "three"], "fo"]


WRONG_IMAGES = [
    ("http://example.com/a.png", "never fetched"), ("https://example.com/a.png", "never fetched"),
    ("file:///etc/passwd", "never fetched"), ("/etc/passwd", "data:image"), ("", "data:image"), ("data:", "base64"),
    ("data:image/svg+xml;base64,aaaa", "png"), ("data:text/html;base64,aaaa", "png"),
    ("data:image/png,%89PNG", "base64"),
    ("data:image/png;base64,iVBO%52w0KGgo=", "not base64"), ("data:image/png;base64,iVBO\nRw0KGgo=", "not base64"),
    ("data:image/png;base64,iVBORw0KGgo", "not base64"), ("data:image/png;base64,图", "not base64"),
    ("data:image/png;base64,", "empty"), (None, "url"), (7, "url"), ({}, "url"), ({"url": None}, "url"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "part"), WRONG_IMAGES)
def test_what_is_no_image_is_refused_naming_the_part(url, part):
    with pytest.raises(ApiError) as caught:
        messages({"role": "user", "content": ["x", {"type": "image_url", "image_url": url}]})
    assert (caught.value.status, caught.value.code) == (400, "invalid_image")
    assert caught.value.param == "messages.0.content.1" and part in caught.value.message
    assert "passwd" not in caught.value.message and "example" not in caught.value.message
