"""The routes over a scripted session, through ASGI."""

import asyncio
import base64
import hashlib
import html
import json
import logging
import re
from dataclasses import replace

import httpx
import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.phone import TEMPLATE_TOKENS
from autoglm_desktop.core.protocol import RAW, Sampling, Usage
from autoglm_desktop.service.app import create_app
from autoglm_desktop.service.parts import parts_for
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import SessionState
from tests.fakes.fake_session import READY, TARGET, FakeSession

HELLO = {"messages": [{"role": "user", "content": "你好"}]}
CHAT = "/v1/chat/completions"


def client_of(session, *, raise_errors=True, phone=False, **options):
    app = create_app(parts_for(session, ServeOptions(**options), is_phone=lambda _target: phone))
    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_errors)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", trust_env=False)


def send(
    session, method="POST", path=CHAT, *, data=HELLO, raise_errors=True, phone=False, options=None,
    before=lambda: None, **request,
):  # fmt: skip
    """One request → its response. ``before``: done when the service is there."""

    async def work():
        async with client_of(session, raise_errors=raise_errors, phone=phone, **(options or {})) as client:
            before()
            body = {"json": data} if method == "POST" and "content" not in request else {}
            return await client.request(method, path, **body, **request)

    return asyncio.run(asyncio.wait_for(work(), 30))


def get(session, path, **more):
    return send(session, "GET", path, **more)


def events_of(response):
    """The data of a stream, and whether it ended as it should."""
    lines = [line for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


def content_of(events):
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def assert_error(response, status, code):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code and error["message"]
    return error


def test_a_whole_answer():
    session = FakeSession("你好", " world")
    response = send(session, data={**HELLO, "model": "whatever", "max_tokens": 5})
    assert response.status_code == 200
    answer = response.json()
    assert answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-")
    assert answer["model"] == "autoglm-phone-9b"
    (choice,) = answer["choices"]
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"] == "你好 world"
    assert choice["finish_reason"] == "stop" and choice["index"] == 0
    assert answer["usage"] == {
        "prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 3},
    }  # fmt: skip
    assert session.requests[0][1] == Sampling(max_tokens=5)
    assert session.closed == 1


@pytest.mark.parametrize(("finish", "told"), [("stop", "stop"), ("length", "length"), ("cancelled", "stop")])
def test_finish_reasons(finish, told):
    assert send(FakeSession("a", finish=finish)).json()["choices"][0]["finish_reason"] == told
    stream = send(FakeSession("a", finish=finish), data={**HELLO, "stream": True})
    assert events_of(stream)[-1]["choices"][0]["finish_reason"] == told


def test_a_stream_begins_with_the_role_and_ends_with_done():
    response = send(FakeSession("你", "好"), data={**HELLO, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response)
    assert [event["object"] for event in events] == ["chat.completion.chunk"] * 4
    assert len({event["id"] for event in events}) == 1
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "你"}, {"content": "好"}, {}]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, None, "stop"]
    assert all("usage" not in event for event in events)


def test_usage_is_streamed_where_asked_for():
    data = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    *_, finish, usage = events_of(send(FakeSession("a", "b"), data=data))
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] == 14


def test_dropped_messages_are_told_in_header_usage_and_log(caplog):
    caplog.set_level(logging.INFO)
    session = FakeSession("a", usage=Usage(5, 1, 0, 4))
    response = send(session)
    assert response.headers["X-AutoGLM-Dropped-Messages"] == "4"
    assert response.json()["usage"]["dropped_messages"] == 4
    assert any("4 old messages" in record.getMessage() for record in caplog.records)


PHONE_REPLY = (
    "<think>",
    "看",
    "</think>\n<ans",
    "wer>",
    'do(action="Back")',
    "</ans",
    "wer>",
    "<|us",
    "er|>",
    "\n",
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_replies_of_phone_models_are_cleaned(stream, phone):
    response = send(FakeSession(*PHONE_REPLY), phone=phone, data={**HELLO, "stream": stream})
    text = content_of(events_of(response)) if stream else response.json()["choices"][0]["message"]["content"]
    clean = '<think>看</think>\n<answer>do(action="Back")'
    assert text == (clean if phone else "".join(PHONE_REPLY))
    assert not phone or not any(token in response.text for token in TEMPLATE_TOKENS)


def test_keep_alives_are_comments_while_nothing_comes():
    session = FakeSession("late", held=True)
    app = create_app(parts_for(session, ServeOptions(keep_alive_s=0.01)))
    seen = []

    async def watched(scope, receive, send):
        async def watching(message):
            seen.append(message.get("body", b""))
            if seen.count(b": keep-alive\n\n") == 2:
                session.go.set()
            await send(message)

        await app(scope, receive, watching)

    async def work():
        transport = httpx.ASGITransport(watched)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            return await client.post(CHAT, json={**HELLO, "stream": True})

    response = asyncio.run(asyncio.wait_for(work(), 30))
    assert response.text.count(": keep-alive\n\n") >= 2
    assert content_of(events_of(response)) == "late"
    role = response.text.index('"role"')
    assert role < response.text.index(": keep-alive"), "something that clients read comes first"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (
            EngineError("context_full", detail="9000 prompt tokens, 4096 in the context"),
            400,
            "context_length_exceeded",
        ),
        (EngineError("no_vision", detail="x"), 400, "no_vision"),
        (EngineError("request_refused", detail="template"), 400, "request_refused"),
        (EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu"), 503, "engine_died"),
        (EngineError("no_model_loaded"), 503, "no_model_loaded"),
    ],
)
def test_a_failure_before_the_first_token_has_its_status(stream, error, status, code):
    response = send(FakeSession(error), data={**HELLO, "stream": stream})
    told = assert_error(response, status, code)
    assert ("Retry-After" in response.headers) == (status == 503)
    if code == "context_length_exceeded":
        assert "9000" in told["message"] and "4096" in told["message"]


def test_a_failure_in_the_middle_of_a_stream_is_an_event():
    session = FakeSession(
        "half ", EngineError("engine_died", kind="crashed", detail="SIGSEGV", rung="gguf-cpu")
    )
    response = send(session, data={**HELLO, "stream": True})
    assert response.status_code == 200
    events = events_of(response)
    assert content_of(events[:-1]) == "half "
    assert events[-1]["error"]["code"] == "engine_died"


def test_a_bug_is_a_500_without_details():
    session = FakeSession(RuntimeError("a secret of the machine"))
    response = send(session, raise_errors=False)
    assert_error(response, 500, "internal_error")
    assert "secret" not in response.text
    assert session.closed == 1


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"messages": [' + b"[" * 100_000, "nested"),
        (b"\xff\xfe\xfd", "UTF-8"),
        (b"[]", "object"),
    ],
)
def test_bodies_that_are_no_request_are_400(content, part):
    error = assert_error(send(FakeSession(), content=content), 400, "invalid_json")
    assert part in error["message"]


def test_validation_is_400_with_the_parameter():
    error = assert_error(send(FakeSession(), data={**HELLO, "temperature": 9}), 400, "invalid_value")
    assert error["param"] == "temperature" and error["type"] == "invalid_request_error"


def test_a_large_body_is_parsed_off_the_loop_and_answered():
    data = {"messages": [{"role": "user", "content": "x" * 2_000_000}]}
    session = FakeSession("ok")
    assert send(session, data=data).status_code == 200
    assert len(session.requests[0][0][0].content) == 2_000_000


def test_a_body_above_the_limit_is_413_by_its_header_and_by_reading():
    options = {"body_limit": 1000}
    large = {"messages": [{"role": "user", "content": "x" * 2000}]}
    assert_error(send(FakeSession(), data=large, options=options), 413, "request_too_large")

    async def pieces():
        for _ in range(100):
            yield b"x" * 100

    session = FakeSession()
    assert_error(send(session, content=pieces(), options=options), 413, "request_too_large")
    assert session.requests == []


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/redoc", "/docs/", "/v1/chat/completions/"])
def test_unknown_paths_are_404_in_shape(path):
    assert_error(get(FakeSession(), path), 404, "not_found")


def test_who_asks_for_the_head_alone_is_answered():
    for path in ("/health", "/v1/models", "/"):
        assert send(FakeSession(), "HEAD", path).status_code == 200


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_a_piece_is_one_line_to_every_reader_of_lines(path):
    """httpx's ``iter_lines``, which some clients use, ends lines at U+0085, U+2028 and U+2029, too."""
    data = {"prompt": "x", **HELLO, "stream": True}
    lines = send(FakeSession("a\x85b", "\u2028", "c\u2029", "打"), path=path, data=data).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line and line != "data: [DONE]"]
    choices = [choice for event in events for choice in event["choices"]]
    texts = [choice["delta"].get("content", "") if path == CHAT else choice["text"] for choice in choices]
    assert "".join(texts) == "a\x85b\u2028c\u2029打"


def test_a_wrong_method_is_405_in_shape():
    response = get(FakeSession(), CHAT)
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_the_description_lists_routes_and_fields():
    described = get(FakeSession(), "/openapi.json").json()
    name = described["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert "frequency_penalty" in described["components"]["schemas"][name.rpartition("/")[2]]["properties"]
    assert {"/v1/models", "/health", "/v1/completions", "/predict", "/metrics", "/"} < set(described["paths"])
    assert "security" not in described
    opened = {"headers": {"Authorization": "Bearer secret"}, "options": KEYED}
    assert get(FakeSession(), "/openapi.json", **opened).json()["security"] == [{"key": []}]


def test_the_page_for_people_needs_nothing_from_elsewhere():
    response = get(FakeSession(), "/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    style = re.search("<style>(.*?)</style>", response.text, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "<script" not in response.text and not re.findall(r"(?:src|href)=.(?!/openapi)", response.text)
    described = get(FakeSession(), "/openapi.json").json()
    assert all(html.escape(path) in response.text for path in described["paths"])


def test_the_root_says_what_this_is():
    told = get(FakeSession(), "/").json()
    assert (
        told["name"] == "AutoGLM Desktop"
        and told["model"] == "autoglm-phone-9b"
        and told["documentation"] == "/docs"
    )
    assert get(FakeSession(state=SessionState()), "/").json()["model"] is None


def test_models_lists_the_one_that_is_loaded():
    (model,) = get(FakeSession(), "/v1/models").json()["data"]
    assert model["id"] == "autoglm-phone-9b" and model["object"] == "model" and model["max_model_len"] == 4096
    named = replace(READY, target=replace(TARGET, model=None))
    assert get(FakeSession(state=named), "/v1/models").json()["data"][0]["id"] == "AutoGLM 模型"
    assert get(FakeSession(state=SessionState()), "/v1/models").json() == {"object": "list", "data": []}


def test_a_model_is_found_by_the_name_it_is_served_under_and_no_other():
    assert get(FakeSession(), "/v1/models/autoglm-phone-9b").json()["id"] == "autoglm-phone-9b"
    slashed = replace(READY, target=replace(TARGET, model="ZhipuAI/AutoGLM"))
    assert get(FakeSession(state=slashed), "/v1/models/ZhipuAI/AutoGLM").json()["id"] == "ZhipuAI/AutoGLM"
    for session in (FakeSession(), FakeSession(state=SessionState())):
        assert_error(get(session, "/v1/models/gpt-4o"), 404, "model_not_found")


def test_health_is_up_when_a_model_is_there_or_comes_back():
    told = get(FakeSession(), "/health")
    assert told.status_code == 200
    assert told.json()["status"] == "UP" and told.json()["model"]["name"] == "autoglm-phone-9b"
    assert told.json()["engine"]["name"] == "llama-cpu" and told.json()["timestamp"].endswith("+00:00")
    assert get(FakeSession(state=SessionState("idle", TARGET)), "/health").status_code == 200


@pytest.mark.parametrize(("phase", "target"), [("idle", None), ("loading", TARGET)])
def test_health_is_down_before_a_model_is_there(phase, target):
    told = get(FakeSession(state=SessionState(phase, target)), "/health")
    assert told.status_code == 503 and told.json()["status"] == "DOWN" and "retry-after" in told.headers


def test_while_loading_requests_are_told_to_come_back():
    session = FakeSession(state=SessionState("loading", TARGET))
    response = send(session)
    assert_error(response, 503, "model_loading")
    assert int(response.headers["Retry-After"]) > 0
    assert session.requests == []


def test_a_failed_load_is_told_without_the_path():
    error = EngineError("file_refused", path="/made/model.gguf", detail="damaged")
    failed = SessionState("failed", TARGET, error=error)
    session = FakeSession(state=SessionState("loading", TARGET))
    response = send(session, before=lambda: session.show(failed))
    assert "could not be loaded" in assert_error(response, 503, "file_refused")["message"]
    assert "made" not in response.text and int(response.headers["Retry-After"]) > 1
    assert "made" not in get(FakeSession(state=failed), "/health").text


def test_one_generation_at_a_time_and_a_bounded_list():
    session = FakeSession("a", held=True)

    async def work():
        async with client_of(session, waiting=2) as client:
            first = [asyncio.ensure_future(client.post(CHAT, json=HELLO)) for _ in range(3)]
            await session.started.wait()
            while (await client.get("/health")).json()["queue"]["waiting"] < 2:
                await asyncio.sleep(0)
            refused = await client.post(CHAT, json={**HELLO, "stream": True})
            session.go.set()
            return refused, await asyncio.gather(*first)

    refused, answered = asyncio.run(asyncio.wait_for(work(), 30))
    assert_error(refused, 429, "service_busy")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert [response.status_code for response in answered] == [200] * 3
    assert session.most_running == 1


KEYED = {"api_key": "secret", "host": "0.0.0.0"}


@pytest.mark.parametrize("path", ["/v1/models", "/openapi.json", "/v1/nothing", "/health/x"])
@pytest.mark.parametrize("header", [None, "Bearer EMPTY", "Bearer secret2", "Basic secret"])
def test_with_a_key_nothing_is_told_without_it(path, header):
    headers = {"Authorization": header} if header else {}
    response = get(FakeSession(), path, options=KEYED, headers=headers)
    assert_error(response, 401, "invalid_api_key")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_opens_and_health_without_it_says_up_or_down_only():
    headers = {"Authorization": "Bearer secret"}
    assert send(FakeSession("a"), options=KEYED, headers=headers).status_code == 200
    assert set(get(FakeSession(), "/health", options=KEYED).json()) == {"status", "timestamp"}
    assert get(FakeSession(), "/health", options=KEYED, headers=headers).json()["model"]["context"] == 4096


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer EMPTY"}, {"Authorization": "nonsense"}])
def test_loopback_without_a_key_takes_any_bearer(headers):
    assert send(FakeSession("a"), headers=headers).status_code == 200


def test_foreign_hosts_and_origins_are_refused_before_the_body_is_read():
    session = FakeSession()
    assert_error(send(session, headers={"Host": "evil.example"}), 403, "host_not_allowed")
    assert_error(send(session, headers={"Origin": "https://evil.example"}), 403, "origin_not_allowed")
    assert_error(get(session, "/health", headers={"Origin": "null"}), 403, "origin_not_allowed")
    assert session.requests == []
    allowed = {"allowed_hosts": ("host.docker.internal",)}
    assert send(session, headers={"Host": "host.docker.internal:8000"}, options=allowed).status_code == 200


def test_no_page_is_invited():
    response = send(FakeSession("a"), headers={"Origin": "http://localhost:3000"})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_prompts_and_answers_are_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    data = {"messages": [{"role": "user", "content": "PROMPT-SECRET"}], "stream": True}
    send(FakeSession("ANSWER-SECRET"), data=data)
    send(FakeSession(), data={"messages": [{"role": "user", "content": {"x": "PROMPT-SECRET"}}]})
    send(FakeSession(), content=b'{"messages": "PROMPT-SECRET')
    assert "SECRET" not in caplog.text
    assert "answered" in caplog.text


SYSTEM = "made: 2026-11-21\n有人把一部安卓手机交给你，请替他操作，每次只走一步。" * 40


def agents_request(text):
    """What Open-AutoGLM's client sends (phone_agent/model/client.py), here without its screenshot."""
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [{"type": "text", "text": "打开设置"}]},
        {"role": "assistant", "content": '<think><think>a</think>\n<answer></think><answer>do(action="Home")</answer>'},
        {"role": "user", "content": [{"type": "text", "text": text}]},
    ]  # fmt: skip
    return {
        "model": "ZhipuAI/AutoGLM-Phone-9B", "stream": True, "max_tokens": 3000, "temperature": 0.0, "top_p": 0.85,
        "frequency_penalty": 0.2, "skip_special_tokens": False, "messages": messages,
    }  # fmt: skip


def agent_reads(response):
    """The agent's rules as written down in the project's notes: content only; the action starts at a marker."""
    raw = ""
    for event in events_of(response):
        if event["choices"] and event["choices"][0]["delta"].get("content") is not None:
            raw += event["choices"][0]["delta"]["content"]
    for marker in ("finish(message=", "do(action=", "<answer>"):
        if marker in raw:
            return raw[raw.index(marker) :]
    return raw


REPLIES = [
    ('<think>点</think>\n<answer>do(action="Tap", element=[499,120])</answer>', 'do(action="Tap", element=[499,120])'),
    ('do(action="Type", text="你好")</answer>\n', 'do(action="Type", text="你好")\n'),
    ('<|begin_of_box|>finish(message="完成")<|end_of_box|></answer>', 'finish(message="完成")'),
    ('do(action="Wait", duration="2 seconds")', 'do(action="Wait", duration="2 seconds")'),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "action"), REPLIES)
def test_the_agents_request_is_answered_as_it_reads_it(reply, action):
    session = FakeSession(*reply)
    response = send(
        session,
        data=agents_request("** Screen Info **"),
        phone=True,
        headers={"Authorization": "Bearer EMPTY"},
    )
    assert agent_reads(response) == action.rstrip("\n")
    messages, sampling = session.requests[0]
    assert sampling == Sampling(0.0, 0.85, max_tokens=3000, frequency_penalty=0.2)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0].content == SYSTEM and messages[3].content == "** Screen Info **"


def test_the_agents_pre_flight():
    data = {"model": "autoglm-phone-9b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    answer = send(FakeSession("Hi", "!"), data={**data, "temperature": 0.0, "stream": False}).json()
    assert answer["choices"][0]["message"]["content"] == "Hi!"


def test_a_text_is_continued_and_nothing_taken_out_of_it():
    session = FakeSession("a</answer>", "<|user|>")
    response = send(session, path="/v1/completions", data={"prompt": "Once", "max_tokens": 9}, phone=True)
    answer = response.json()
    assert answer["object"] == "text_completion" and answer["id"].startswith("cmpl-")
    (choice,) = answer["choices"]
    assert choice == {"index": 0, "text": "a</answer><|user|>", "logprobs": None, "finish_reason": "stop"}
    ((message,), sampling) = session.requests[0]
    assert (message.role, message.content, sampling.max_tokens) == (RAW, "Once", 9)


def test_a_streamed_completion_has_no_role():
    data = {"prompt": "Once", "stream": True, "stream_options": {"include_usage": True}}
    *texts, finish, usage = events_of(send(FakeSession("a", "b"), path="/v1/completions", data=data))
    assert [event["choices"][0]["text"] for event in texts] == ["a", "b"]
    assert finish["choices"][0] == {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] == 14
    assert all(event["usage"] is None for event in (*texts, finish))
    assert {event["object"] for event in (*texts, finish, usage)} == {"text_completion"}


def test_predict_answers_one_question():
    session = FakeSession("<answer>42", "</answer>", finish="length")
    response = send(session, path="/predict", data={"text": "What is it?", "max_tokens": 3}, phone=True)
    assert response.json() == {
        "text": "<answer>42", "finish_reason": "length",
        "usage": {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14,
                  "prompt_tokens_details": {"cached_tokens": 3}},
    }  # fmt: skip
    ((message,), sampling) = session.requests[0]
    assert (message.role, message.content, sampling) == ("user", "What is it?", Sampling(max_tokens=3))
    assert_error(send(FakeSession(), path="/predict", data={"text": ""}), 400, "invalid_value")


def test_a_place_in_the_queue_is_told_in_comments():
    """Whoever waits hears how many come before; the first one to be answered is not among those who wait."""
    session = FakeSession("late", held=True)
    app = create_app(parts_for(session, ServeOptions(keep_alive_s=0.01)))
    told = asyncio.Event()

    async def watched(scope, receive, send):
        async def watching(message):
            if b"waiting, 2 before you" in message.get("body", b""):
                told.set()
            await send(message)

        await app(scope, receive, watching)

    async def work():
        transport = httpx.ASGITransport(watched)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            asked = [
                asyncio.ensure_future(client.post(CHAT, json={**HELLO, "stream": True})) for _ in range(3)
            ]
            await told.wait()
            session.go.set()
            return await asyncio.gather(*asked)

    first, second, third = asyncio.run(asyncio.wait_for(work(), 30))
    assert ": waiting" not in first.text
    assert ": waiting, 1 before you\n\n" in second.text and ": waiting, 2 before" not in second.text
    assert ": waiting, 2 before you\n\n" in third.text
    assert [content_of(events_of(one)) for one in (first, second, third)] == ["late"] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_for_a_load_that_is_cancelled_is_told(stream):
    """Session.generate raises CancelledError to those who share a load's end: no client may hang on it."""

    class Cancelled(FakeSession):
        async def generate(self, messages, sampling):
            raise asyncio.CancelledError
            yield

    response = send(Cancelled(), data={**HELLO, "stream": stream})
    assert_error(response, 503, "engine_freed")


def test_a_bug_in_the_middle_of_a_stream_is_an_event_without_details(caplog):
    response = send(FakeSession("half ", RuntimeError("a secret")), data={**HELLO, "stream": True})
    *texts, error = events_of(response)
    assert content_of(texts) == "half " and error["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert any(record.exc_info for record in caplog.records)


def test_half_characters_of_a_model_do_not_break_an_answer():
    for stream in (False, True):
        response = send(FakeSession("a\ud83d", "b"), data={**HELLO, "stream": stream})
        text = (
            content_of(events_of(response)) if stream else response.json()["choices"][0]["message"]["content"]
        )
        assert text == "a?b"


def test_the_counts_of_an_answer_reach_the_metrics():
    session = FakeSession("a", usage=Usage(512, 7, 3, 2))
    parts = parts_for(session, ServeOptions())

    async def work():
        transport = httpx.ASGITransport(create_app(parts))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            await client.post(CHAT, json={**HELLO, "stream": True})
            return await client.get("/metrics")

    page = asyncio.run(work())
    assert page.headers["content-type"].startswith("text/plain")
    for line in ("autoglm_prompt_tokens_total 512.0", "autoglm_completion_tokens_total 7.0",
                 "autoglm_requests_dropped_messages_total 2.0"):  # fmt: skip
        assert line in page.text


def test_every_route_is_described_and_every_description_has_its_route():
    app = create_app(parts_for(FakeSession(), ServeOptions()))
    routes = {
        (method.lower(), route.path.replace(":path}", "}"))
        for route in app.routes
        for method in route.methods
    }
    paths = get(FakeSession(), "/openapi.json").json()["paths"]
    heads = {(method, path) for method, path in routes if method == "head"}
    assert {path for _, path in heads} == {path for method, path in routes if method == "get"}
    assert routes - heads == {(method, path) for path, methods in paths.items() for method in methods}
