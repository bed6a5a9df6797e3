"""The published ``openai`` package as the client of a real server on 127.0.0.1."""

import asyncio
import base64
import contextlib
import io
import json
from dataclasses import replace

import httpx
import openai
import pytest
from PIL import Image

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.session_state import SessionState
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_engine import fake_command
from tests.fakes.fake_seeing import BLIND, SEES, Loadable
from tests.fakes.fake_services import made_prepare, made_services
from tests.fakes.fake_session import TARGET

HELLO = [{"role": "user", "content": "你好 hello"}]
MODEL = "autoglm-phone-9b"


@contextlib.asynccontextmanager
async def served(session, *, pictures=None, **options):
    """Where a service over ``session`` listens."""
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    options = ServeOptions(port=0, **options)
    task = asyncio.ensure_future(serve(session, options, ready.set_result, pictures=pictures))
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield ready.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.asynccontextmanager
async def client_of(session, *, key="EMPTY", timeout=30, retries=0, **how):
    async with (
        served(session, **how) as address,
        openai.AsyncOpenAI(
            base_url=f"{address.url}/v1", api_key=key, max_retries=retries, timeout=timeout,
            http_client=httpx.AsyncClient(trust_env=False),
        ) as client,
    ):  # fmt: skip
        yield client


@contextlib.asynccontextmanager
async def engine(home, *mode):
    """A session over a child that speaks the engine protocol, loaded."""
    session = Session(made_services(home, *mode), made_prepare)
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    try:
        await session.load(Target("模型", file), Wishes())
        yield session
    finally:
        await session.close()


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def ask(session, call, **how):
    """What ``call(client)`` brings."""

    async def work():
        async with client_of(session, **how) as client:
            return await call(client)

    return run(work())


def refused(session, call, **how):
    with pytest.raises(openai.APIStatusError) as caught:
        ask(session, call, **how)
    assert "/made" not in str(caught.value)
    return caught.value


def test_a_chat_over_an_engine(tmp_path):
    async def work():
        async with engine(tmp_path, "ok", "--tokens", 200) as session, client_of(session) as client:
            whole = await client.chat.completions.create(
                model="gpt-4o", messages=HELLO, max_tokens=40, temperature=0
            )
            stream = await client.chat.completions.create(
                model="any name",
                messages=HELLO,
                max_tokens=40,
                stream=True,
                stream_options={"include_usage": True},
            )
            return whole, [chunk async for chunk in stream]

    whole, chunks = run(work())
    assert whole.choices[0].message.role == "assistant" and "你好 hello" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 40
    assert whole.model == "模型"
    first, *middle, finish, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content or "" for chunk in (first, *middle)]
    assert "".join(texts) == whole.choices[0].message.content
    assert finish.choices[0].finish_reason == "length" and finish.usage is None
    assert usage.choices == [] and usage.usage == whole.usage
    assert {chunk.id for chunk in chunks} == {first.id}


def test_a_completion_over_an_engine(tmp_path):
    async def work():
        async with engine(tmp_path, "ok", "--tokens", 200) as session, client_of(session) as client:
            whole = await client.completions.create(model=MODEL, prompt="Once upon", max_tokens=30)
            stream = await client.completions.create(
                model=MODEL, prompt=["Once upon"], max_tokens=30, stream=True
            )
            short = await client.completions.create(model=MODEL, prompt="Once upon")
            return whole, [chunk async for chunk in stream], short

    whole, chunks, short = run(work())
    assert whole.object == "text_completion" and "Once upon" in whole.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens == 16


def test_an_answer_held_to_a_schema_over_an_engine(tmp_path):
    schema = {
        "type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"],
        "additionalProperties": False,
    }  # fmt: skip
    format_ = {"type": "json_schema", "json_schema": {"name": "step", "schema": schema, "strict": True}}
    bad = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "http://example.com"}}}

    async def work():
        async with engine(tmp_path, "ok") as session, client_of(session) as client:
            create = client.chat.completions.create
            held = await create(model=MODEL, messages=HELLO, response_format=format_)
            any_object = await create(model=MODEL, messages=HELLO, response_format={"type": "json_object"})
            with pytest.raises(openai.BadRequestError) as caught:
                await create(model=MODEL, messages=HELLO, response_format=bad)
            return held, any_object, caught.value

    held, any_object, error = run(work())
    assert set(json.loads(held.choices[0].message.content)) == {"action"}
    assert isinstance(json.loads(any_object.choices[0].message.content), dict)
    assert error.code == "bad_schema" and error.param == "response_format"


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_dies_before_its_first_word_is_followed_by_the_next(tmp_path, stream):
    """Two rungs: the first one crashes when it is asked, the second one answers; the client sees nothing of it."""
    crashing, calm, starts = fake_command("crash-generate", 0), fake_command("ok", "--reply", "there"), []

    def command(python):
        starts.append(python)
        return (crashing if len(starts) == 1 else calm)(python)

    async def work():
        session = Session(replace(made_services(tmp_path), command=command), made_prepare)
        (tmp_path / "model.gguf").write_bytes(b"made")
        try:
            await session.load(Target("模型", tmp_path / "model.gguf"), Wishes())
            async with client_of(session) as client:
                answer = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
                if not stream:
                    return answer.choices[0].message.content
                return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
        finally:
            await session.close()

    assert run(work()) == "there" and len(starts) == 2


def test_an_engine_that_dies_in_the_middle_ends_the_stream_with_an_error(tmp_path):
    async def work():
        async with engine(tmp_path, "crash-generate", 3) as session, client_of(session) as client:
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            heard = []
            with pytest.raises(openai.APIError) as caught:
                async for chunk in stream:
                    heard.append(chunk.choices[0].delta.content)
            return heard, caught.value

    heard, error = run(work())
    assert "".join(heard) == "你问的"
    assert error.code == "engine_died" and "again" in error.message


def shot(width=108, height=240, kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "#336699").save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def with_image(url):
    part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    return [{"role": "user", "content": [part, {"type": "text", "text": "打开设置"}]}]


def test_an_image(tmp_path):
    async def work():
        own, session = Pictures(made_services(tmp_path)), Loadable("seen")
        async with client_of(session, pictures=own) as client:
            create = client.chat.completions.create
            answer = await create(model=MODEL, messages=with_image(shot()))
            for url, code in (("https://example.com/a.png", "invalid_image"), (shot()[:80], "invalid_image")):
                with pytest.raises(openai.BadRequestError) as caught:
                    await create(model=MODEL, messages=with_image(url))
                assert caught.value.code == code and caught.value.param == "messages.0.content.0"
            session.state = BLIND
            with pytest.raises(openai.BadRequestError, match="mmproj") as caught:
                await create(model=MODEL, messages=with_image(shot()))
            assert caught.value.code == "no_vision"
        await own.close()
        return answer, session.requests

    answer, requests = run(work())
    assert answer.choices[0].message.content == "seen"
    ((messages, _),) = requests
    assert [part["type"] for part in messages[0].content] == ["image", "text"]


def chat(client, **fields):
    return client.chat.completions.create(model=MODEL, messages=HELLO, **fields)


@pytest.mark.parametrize("name", ["tools", "n", "logprobs"])
def test_what_cannot_be_kept_is_a_bad_request(name):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    value = {"tools": [tool], "n": 2, "logprobs": True}[name]
    error = refused(Loadable("x"), lambda client: chat(client, **{name: value}))
    assert isinstance(error, openai.BadRequestError)
    assert (error.code, error.param, error.type) == ("unsupported_value", name, "invalid_request_error")


def test_refusals_are_the_exceptions_that_clients_catch():
    keyed = {"host": "127.0.0.1", "api_key": "right", "wrong_key_s": (0.0, 0.0)}
    error = refused(Loadable("x"), chat, **keyed, key="wrong")
    assert isinstance(error, openai.AuthenticationError) and error.code == "invalid_api_key"
    assert ask(Loadable("x"), chat, **keyed, key="right").choices[0].message.content == "x"
    error = refused(Loadable("x"), lambda client: client.models.retrieve("gpt-4o"))
    assert isinstance(error, openai.NotFoundError) and error.code == "model_not_found"
    error = refused(Loadable("x"), lambda client: client.embeddings.create(model=MODEL, input="x"))
    assert isinstance(error, openai.NotFoundError) and error.code == "not_found"
    error = refused(Loadable(state=SessionState("loading", TARGET)), chat)
    assert isinstance(error, openai.InternalServerError) and error.status_code == 503
    assert error.code == "model_loading" and int(error.response.headers["retry-after"]) > 0
    full = EngineError("context_full", detail="9000 prompt tokens, 4096 in the context")
    error = refused(Loadable(full), chat)
    assert isinstance(error, openai.BadRequestError) and error.code == "context_length_exceeded"


def test_a_full_list_is_a_rate_limit_error():
    session = Loadable("x", state=SEES)
    session.go.clear()

    async def work():
        async with client_of(session, waiting=0) as client:
            first = asyncio.ensure_future(chat(client))
            await session.started.wait()
            with pytest.raises(openai.RateLimitError) as caught:
                await chat(client)
            session.go.set()
            await first
            return caught.value

    error = run(work())
    assert error.code == "service_busy" and int(error.response.headers["retry-after"]) > 0


def test_models():
    async def call(client):
        return [model async for model in client.models.list()], await client.models.retrieve(MODEL)

    listed, one = ask(Loadable(), call)
    assert listed == [one] and one.id == MODEL and one.owned_by == "autoglm-desktop"
    named = replace(SEES, target=replace(TARGET, model="ZhipuAI/AutoGLM-Phone-9B"))
    found = ask(Loadable(state=named), lambda client: client.models.retrieve("ZhipuAI/AutoGLM-Phone-9B"))
    assert found.id == "ZhipuAI/AutoGLM-Phone-9B"


def test_headers_of_the_raw_response():
    async def call(client):
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        streamed = await client.chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, stream=True
        )
        chunks = [chunk async for chunk in streamed.parse()]
        return raw, streamed, chunks

    raw, streamed, chunks = ask(Loadable("a", "b"), call)
    assert (
        raw.headers["content-type"] == "application/json" and raw.parse().choices[0].message.content == "ab"
    )
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8" and len(chunks) == 4


def test_a_client_that_ends_its_stream_frees_the_engine():
    async def work():
        session = Loadable(*["word "] * 100_000)
        async with client_of(session) as client:
            stream = await chat(client, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
            while not session.closed:
                await asyncio.sleep(0.001)
            said = session.streamed
            session.pieces = ("next",)
            answer = await chat(client)
            return said, answer

    said, answer = run(work())
    assert said < 100_000 and answer.choices[0].message.content == "next"


def test_a_client_that_waits_too_long_gives_its_place_back():
    async def work():
        session = Loadable("late")
        session.go.clear()
        async with client_of(session, timeout=0.2) as client:
            with pytest.raises(openai.APITimeoutError):
                await chat(client)
            while not session.closed:
                await asyncio.sleep(0.001)
            session.go.set()
            return await client.with_options(timeout=30).chat.completions.create(model=MODEL, messages=HELLO)

    assert run(work()).choices[0].message.content == "late"


def test_a_client_comes_back_by_itself_after_the_time_it_was_told():
    """The package's own retries, as the phone agent has them (two)."""

    async def work():
        session = Loadable(EngineError("engine_died", kind="crashed", detail="x", rung="gguf-cpu"), "there")
        seen = []

        async def heard(request):
            seen.append(request.headers.get("x-stainless-retry-count"))
            if len(seen) > 1:
                session.pieces = ("there",)

        async with served(session) as address:
            http = httpx.AsyncClient(trust_env=False, event_hooks={"request": [heard]})
            async with openai.AsyncOpenAI(
                base_url=f"{address.url}/v1", api_key="EMPTY", max_retries=2, http_client=http
            ) as client:
                client._calculate_retry_timeout = lambda *_: 0.0
                answer = await chat(client)
        return answer.choices[0].message.content, seen

    assert run(work()) == ("there", ["0", "1"])


def test_the_synchronous_client():
    """As the phone agent uses it: in a program without a loop."""

    async def work():
        async with served(Loadable("你", "好")) as address:

            def talk():
                http = httpx.Client(trust_env=False)
                with openai.OpenAI(base_url=f"{address.url}/v1", api_key="EMPTY", http_client=http) as client:
                    stream = client.chat.completions.create(
                        model=MODEL, messages=HELLO, stream=True, max_tokens=3000, temperature=0.0, top_p=0.85,
                        frequency_penalty=0.2, extra_body={"skip_special_tokens": False},
                    )  # fmt: skip
                    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

            return await asyncio.to_thread(talk)

    assert run(work()) == "你好"


def test_comments_while_it_waits_are_nothing_to_the_client():
    """Its stream begins in the queue: signs of life and its place come as comments, then the answer."""

    async def work():
        session = Loadable("late")
        session.go.clear()

        async def heard(client):
            return "".join(
                [chunk.choices[0].delta.content or "" async for chunk in await chat(client, stream=True)]
            )

        async with client_of(session, keep_alive_s=0.01) as client:
            first = asyncio.ensure_future(heard(client))
            await session.started.wait()
            second = asyncio.ensure_future(heard(client))
            async with client._client.stream(
                "POST", f"{client.base_url}chat/completions", json={"messages": HELLO, "stream": True}
            ) as third:
                async for line in third.aiter_lines():
                    if line.startswith(": waiting, "):
                        session.go.set()
                    if line == "data: [DONE]":
                        break
            return await first, await second

    assert run(work()) == ("late", "late")
