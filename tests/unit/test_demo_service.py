"""The demo behind the service: its name, and how it samples where a client doesn't say."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from autoglm_desktop.cli_serve import how_to_use
from autoglm_desktop.core import demo
from autoglm_desktop.core.agent_request import SETTINGS
from autoglm_desktop.core.protocol import Sampling
from autoglm_desktop.service.app import READ_ELSEWHERE, create_app
from autoglm_desktop.service.parts import parts_for
from autoglm_desktop.store import catalog
from autoglm_desktop.usecases.serve import ServeOptions, sampling_of
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_session import READY, FakeSession

TARGET = Target(demo.NAME, Path("/made/demo.gguf"), demo.ID, whole=True)
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"
LONG = {"messages": [{"role": "user", "content": "x" * READ_ELSEWHERE}]}


def asked(*requests, target=TARGET):
    """What the engine is told for each (path, body); and what the service says of itself."""
    session, models = FakeSession(state=replace(READY, target=target)), catalog.load()

    async def work():
        parts = parts_for(session, ServeOptions(), sampling=lambda loaded: sampling_of(loaded, models))
        transport = httpx.ASGITransport(create_app(parts))
        where = {"transport": transport, "base_url": "http://127.0.0.1:8000", "trust_env": False}
        async with httpx.AsyncClient(**where) as client:
            for path, body in requests:
                (await client.post(path, json=body)).raise_for_status()
            return [(await client.get(path)).json() for path in ("/v1/models", "/health", "/")]

    told = asyncio.run(asyncio.wait_for(work(), 30))
    return [sampling for _messages, sampling in session.requests], told


def test_it_is_called_demo_everywhere():
    _sampling, (models, health, root) = asked()
    assert [model["id"] for model in models["data"]] == ["demo"]
    assert health["model"]["name"] == "demo" and root["model"] == "demo"


@pytest.mark.parametrize(
    ("path", "body"),
    [(CHAT, HELLO), (CHAT, LONG), ("/v1/completions", {"prompt": "x"}), ("/predict", {"text": "x"})],
    ids=["chat", "long", "completion", "predict"],
)
def test_without_a_word_it_says_the_likeliest(path, body):
    ((told,), _) = asked((path, body))
    assert told == Sampling(temperature=0.0, max_tokens=told.max_tokens)


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, HELLO), (CHAT, LONG), ("/v1/completions", {"prompt": "x"})]
)
def test_what_a_client_says_holds(path, body):
    ((told, other), _) = asked(
        (path, {**body, "temperature": 0.7, "top_p": 0.5, "max_tokens": 7}), (path, {**body, "top_k": 3})
    )
    assert told == Sampling(temperature=0.7, top_p=0.5, max_tokens=7)
    assert (other.temperature, other.top_k) == (0.0, 3)


def test_other_models_sample_as_their_makers_do():
    phone = replace(TARGET, name="AutoGLM", model="autoglm-phone-9b")
    ((told,), _) = asked((CHAT, HELLO), target=phone)
    assert (told.temperature, told.top_p, told.frequency_penalty) == (0.0, 0.85, 0.2)
    ((told,), _) = asked((CHAT, HELLO), target=replace(TARGET, name="somebody's", model=None))
    assert told == Sampling(max_tokens=told.max_tokens)


def test_the_agents_request_is_answered_as_it_says():
    """Whatever the catalogue knows of the model."""
    phone = replace(TARGET, name="AutoGLM", model="autoglm-phone-9b")
    for target in (phone, TARGET, replace(TARGET, model=None)):
        ((told,), _) = asked((CHAT, {**HELLO, **SETTINGS}), target=target)
        assert told == Sampling(**SETTINGS)


def test_no_phone_agent_is_pointed_to_it():
    text = how_to_use(("http://127.0.0.1:8000",), demo.ID, ServeOptions(), windows=False)
    assert "curl" in text and "OpenAI(" in text and "--model" not in text and "agent" not in text
