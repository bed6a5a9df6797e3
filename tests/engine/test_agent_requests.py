"""The phone agent's own requests over the service and a real engine with a made GLM-4V model (random weights): three
steps with and without screenshots, the history doubled as the agent sends it back."""

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from autoglm_desktop.core import agent_request, phone_actions
from autoglm_desktop.core.phone import END_OF_ANSWER, TEMPLATE_TOKENS
from autoglm_desktop.core.rungs import PhoneStep
from autoglm_desktop.service.run import Address, serve
from autoglm_desktop.usecases import prompts
from autoglm_desktop.usecases.serve import ServeOptions
from tests.engine.faulty import plan
from tests.engine.test_session_pictures import BLIND, seeing
from tests.fakes import made_glm4v

pytestmark = pytest.mark.usefixtures("needs_llama")
STEP = PhoneStep(image_tokens=60, prompt_tokens=100, cached_tokens=0, reply_tokens=20)
LADDER = (dataclasses.replace(plan("gguf-cpu", projector="cpu", phone_step=STEP), context=8_192),)
CHAT = "/v1/chat/completions"
BEARER = {"Authorization": f"Bearer {agent_request.NO_KEY}"}
REPLY_TOKENS = 24  # of a model that has learnt nothing, so that a step takes no minute


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("手机 model")
    made_glm4v.write_projector(folder / "mmproj-tiny-F16.gguf")
    return made_glm4v.write_text(folder / "tiny.gguf")


@pytest.fixture(scope="module")
def system():
    return prompts.phone_agent("en", datetime.date(2026, 11, 21))


def screenshot(width=1080, height=2400, cell=4, seed=0):
    """Noise in cells: a PNG of some size, in base64 as the agent sends it."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // cell, width // cell, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.NEAREST).save(
        file, "PNG", compress_level=1
    )
    return base64.b64encode(file.getvalue()).decode()


@contextlib.asynccontextmanager
async def agent(home, model, ladder=LADDER):
    """(a client of the service over a real engine, its session)"""
    async with seeing(home, model, ladder=ladder) as (session, own, _services):
        ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        service = serve(
            session, ServeOptions(port=0), ready.set_result, is_phone=lambda _target: True, pictures=own
        )
        task = asyncio.ensure_future(service)
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            async with httpx.AsyncClient(
                base_url=ready.result().url, headers=BEARER, trust_env=False, timeout=120
            ) as client:
                yield client, session
        finally:
            task.cancel()
            await asyncio.wait({task})


def run(work):
    return asyncio.run(asyncio.wait_for(work, 180))


async def step(client, body):
    """A reply as the agent hears it."""
    hearing = agent_request.Hearing()
    async with client.stream("POST", CHAT, json={**body, "max_tokens": REPLY_TOKENS}) as response:
        if response.status_code != 200:
            raise AssertionError((await response.aread()).decode())
        async for data in response.aiter_raw():
            hearing.feed(data)
    assert hearing.ended and hearing.finish in ("stop", "length")
    return hearing.text


def as_upstream_reads(reply):
    """Whatever it is, upstream's parser takes it: an action, or the raw reply as none."""
    assert not reply.rstrip().endswith(END_OF_ANSWER)
    assert not any(token in reply for token in TEMPLATE_TOKENS)
    found = phone_actions.read_step(reply)
    assert (found.action is None) == (found.reason is not None)


async def usage(client, body):
    whole = {**body, "stream": False, "max_tokens": 1}
    return (await client.post(CHAT, json=whole)).json()["usage"]


def doubled(reply, number):
    """A reply as a trained model would have given it, around what came."""
    return f'<think>{number} {reply}</think>\n<answer>do(action="Tap", element=[{number},120])'


@pytest.mark.parametrize("pictures", [True, False])
def test_three_steps(tmp_path, model, system, pictures):
    async def work():
        talk, counts = agent_request.Talk(system, "Open the settings"), []
        async with agent(tmp_path / "home", model) as (client, _session):
            for number in range(1, 4):
                talk.look(screenshot(540, 1200, 8, number), "Launcher")
                body = talk.body()
                if not pictures:
                    body["messages"][-1]["content"] = body["messages"][-1]["content"][1:]
                reply = await step(client, body)
                as_upstream_reads(reply)
                if number == 1:
                    assert reply == await step(client, body), "temperature 0 is greedy"
                counts.append(await usage(client, body))
                talk.answered(doubled(reply, number))
            return talk.body()["messages"], counts

    messages, counts = run(work())
    history = [message["content"] for message in messages if message["role"] == "assistant"]
    assert len(history) == 3 and all(text.startswith("<think><think>") for text in history)
    assert all("</think>\n<answer></think><answer>do(" in text for text in history)
    assert all("dropped_messages" not in one for one in counts)
    prompts_grow = [one["prompt_tokens"] for one in counts]
    assert prompts_grow == sorted(prompts_grow) and prompts_grow[0] > 500
    assert counts[-1]["prompt_tokens_details"]["cached_tokens"] > 0


def test_a_screenshot_of_a_real_size(tmp_path, model, system):
    """1080 × 2400 pixels, 1.2 MB and more."""

    async def work():
        talk = agent_request.Talk(system, "打开设置")
        talk.look(screenshot(cell=2), "微信")
        assert len(str(talk.body())) > 1_200_000
        async with agent(tmp_path / "home", model) as (client, _session):
            as_upstream_reads(await step(client, talk.body()))
            seen = await usage(client, talk.body())
            talk.answered("")  # which forgets the picture
            words = {**talk.body(), "messages": talk.body()["messages"][:-1]}
            return seen["prompt_tokens"], (await usage(client, words))["prompt_tokens"]

    seen, words = run(work())
    assert seen > words + 30, "the picture takes up to 60 tokens of the prompt"


def test_the_check_before_a_run(tmp_path, model):
    async def work():
        async with agent(tmp_path / "home", model) as (client, _session):
            response = await client.post(CHAT, json=agent_request.greeting())
            return response.json()

    answer = run(work())
    assert 1 <= answer["usage"]["completion_tokens"] <= agent_request.GREETING_TOKENS
    assert isinstance(answer["choices"][0]["message"]["content"], str)


def test_a_rung_without_vision_says_what_is_missing(tmp_path, model, system):
    async def work():
        talk = agent_request.Talk(system, "Open the settings")
        talk.look(screenshot(108, 240), "Launcher")
        async with agent(tmp_path / "home", model, ladder=BLIND) as (client, _session):
            return await client.post(CHAT, json=talk.body())

    response = run(work())
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "no_vision" and "mmproj" in error["message"]
    assert str(tmp_path) not in response.text


def test_a_text_is_continued_and_an_answer_held_to_a_schema(tmp_path, model):
    schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    schema["additionalProperties"] = False
    format_ = {"type": "json_schema", "json_schema": {"name": "made", "schema": schema}}

    async def work():
        async with agent(tmp_path / "home", model) as (client, _session):
            raw = await client.post(
                "/v1/completions", json={"prompt": "Once upon", "max_tokens": 8, "temperature": 0}
            )
            asked = {
                "messages": [{"role": "user", "content": "yes?"}],
                "response_format": format_,
                "max_tokens": 64,
            }
            held = await client.post(CHAT, json=asked)
            one = await client.post("/predict", json={"text": "Hi", "max_tokens": 5})
            return raw.json(), held.json(), one.json()

    raw, held, one = run(work())
    assert raw["usage"]["completion_tokens"] <= 8 and raw["usage"]["prompt_tokens"] < 20
    text = held["choices"][0]["message"]["content"]
    assert "".join(text.split()) in ('{"yes":true}', '{"yes":false}')
    assert set(one) == {"text", "usage", "finish_reason"} and one["usage"]["completion_tokens"] <= 5
