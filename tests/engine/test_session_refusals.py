"""A request that the engine refuses is the request's fault: the engine goes on, and nothing falls."""

import asyncio
import contextlib
import json

import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Delta, Failed, Message, Sampling
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases.deaths import Broken
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.session import Session
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

HELLO = (Message("user", "你好"),)
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


@contextlib.asynccontextmanager
async def loaded(home, *mode):
    services = made_services(home, *mode)
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    session = Session(services, made_prepare)
    try:
        await session.load(Target("model", file), Wishes())
        yield session
    finally:
        await session.close()


async def said(session, messages=HELLO, schema=None):
    sampling = Sampling(
        json_schema=schema if schema is None or isinstance(schema, str) else json.dumps(schema)
    )
    events = [event async for event in session.generate(messages, sampling)]
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.parametrize(
    ("messages", "schema", "code", "shown"),
    [
        (HELLO, "{", "bad_schema", "no JSON"),
        (HELLO, {"$ref": "https://example.com/a"}, "bad_schema", "only parts of the same schema"),
        (HELLO, {"type": "string", "pattern": "(?=a)"}, "bad_schema", "pattern"),
        ((Message("raw", ""),), None, "request_refused", "the prompt is empty"),
        ((Message("raw", "a"), *HELLO), None, "request_refused", "no other messages"),
        ((Message("raw", "a" * 100_000),), None, "context_full", "100,000"),
    ],
)
def test_a_refusal_ends_no_engine(tmp_path, messages, schema, code, shown):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 4) as session:
            before = session.state
            with pytest.raises(EngineError) as caught:
                await said(session, messages, schema)
            after = session.state
            return caught.value, before, after, await said(session)

    error, before, after, text = asyncio.run(asyncio.wait_for(work(), 60))
    assert error.code == code and shown in errors.text(error)
    assert (after.phase, after.proof, after.plan, after.tries) == (
        "ready",
        before.proof,
        before.plan,
        before.tries,
    )
    assert text


def test_what_is_held_and_what_is_raw_is_answered(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 30) as session:
            held = await said(session, schema=SCHEMA)
            return held, await said(session, (Message("raw", "Once upon"),))

    held, raw = asyncio.run(asyncio.wait_for(work(), 60))
    assert json.loads(held) == {"ok": True}
    assert "Once" in raw


@pytest.mark.parametrize(
    ("message", "code", "shown"),
    [
        (
            "no_grammar: transformers can't hold an answer to a JSON schema",
            "no_grammar",
            "16 bit (transformers)",
        ),
        ("bad_schema: not is not held", "bad_schema", "JSON schema: not is not held."),
    ],
)
def test_the_sentences(message, code, shown):
    error = Broken(Failed("unsupported", message, "r"), None).error("transformers-16bit")
    assert error.code == code and shown in errors.text(error)
