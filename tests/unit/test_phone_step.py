"""One phone step: prompt and picture to the session, an action and its seconds back. The session is scripted."""

import asyncio
import datetime

import pytest
from PIL import Image

from autoglm_desktop.core.errors import AppError, EngineError, TargetError
from autoglm_desktop.core.phone_actions import Back, Place, Tap
from autoglm_desktop.core.protocol import Proof, Usage
from autoglm_desktop.core.remote import Endpoint
from autoglm_desktop.store.keys import Keys
from autoglm_desktop.store.web import Web
from autoglm_desktop.texts import phone_actions as texts
from autoglm_desktop.usecases import phone_step
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.phone_step import Question, Result, Written
from autoglm_desktop.usecases.pictures import Pictures, Prepared
from autoglm_desktop.usecases.remote import Remote
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_openai import Behaviour, FakeOpenAI
from tests.fakes.fake_services import made_services
from tests.fakes.made_phone import PLAN, READY, REPLY, TARGET, LoadableSession
from tests.unit.test_keys import Ring

DAY = datetime.date(2026, 11, 21)


@pytest.fixture
def ask(tmp_path):
    """Run a step; returns its events."""
    picture = tmp_path / "截图 shot.png"
    Image.new("RGB", (1080, 2400), "white").save(picture)

    def run(session, source=picture, language="zh", see=lambda target: target):
        async def work():
            own = Pictures(made_services(tmp_path / "home"))
            ticks = iter(range(1000))
            question = Question(source, "打开设置", language, DAY)
            try:
                return [
                    one
                    async for one in phone_step.run(session, own, see, question, lambda: float(next(ticks)))
                ]
            finally:
                await own.close()

        return asyncio.run(work())

    return run


def test_the_agents_request_and_an_action_with_its_seconds(ask):
    session = LoadableSession(*REPLY, state=READY, usage=Usage(2_900, 7, 0, 0, 817))
    first, *written, result = ask(session)
    assert isinstance(first, Prepared) and first.size.tokens <= 817
    assert all(isinstance(one, Written) for one in written) and len(written) == len(REPLY)
    assert [one.thinking for one in written] == [False, True, True, False, False, False, False]
    assert isinstance(result, Result)
    assert result.step.action == Tap(Place(12, 34)) and result.step.thinking == "why so"
    # one tick per look at the clock: the question, seven pieces, the end
    assert (result.seconds, result.first_token_s, result.thinking_s) == (8, 1, 2)
    assert result.reply == "".join(REPLY) and result.usage.image_tokens == 817
    ((messages, sampling),) = session.requests
    assert (sampling.temperature, sampling.top_p, sampling.frequency_penalty) == (0.0, 0.85, 0.2)
    assert (sampling.max_tokens, sampling.presence_penalty) == (3000, 0.0)
    assert [message.role for message in messages] == ["system", "user"]
    assert "2026年11月21日" in messages[0].content and 'do(action="Tap"' in messages[0].content
    assert messages[1].content == [first.part, {"type": "text", "text": "打开设置"}]
    assert not session.loads


def test_the_prompt_in_english(ask):
    session = LoadableSession('do(action="Back")', state=READY)
    assert ask(session, language="en")[-1].step.action == Back()
    assert "2026-11-21, Saturday" in session.requests[0][0][0].content


def test_a_model_that_is_not_loaded_is_loaded_for_it(ask):
    session = LoadableSession('do(action="Back")', state=SessionState("idle", TARGET, unloaded="idle"))
    assert ask(session)[-1].step.action == Back()
    assert session.loads == [(TARGET, Wishes(rung="gguf-cpu", wish="phone"))]


def test_a_model_without_vision_is_not_loaded_in_vain(ask):
    def see(target):
        raise TargetError("vision_none", name=target.name)

    session = LoadableSession(state=SessionState("idle", TARGET))
    with pytest.raises(TargetError):
        ask(session, see=see)
    assert not session.loads


@pytest.mark.parametrize(
    "state",
    [
        SessionState(),
        SessionState("ready", TARGET, plan=PLAN, proof=Proof("llama.cpp", "made", context=8_192)),
    ],
)
def test_without_eyes_nothing_is_asked(ask, state):
    session = LoadableSession(state=state)
    with pytest.raises(EngineError) as caught:
        ask(session)
    assert caught.value.code == "no_vision_loaded" and not session.requests


def test_what_is_no_picture_is_refused_before_anything_is_asked(ask):
    session = LoadableSession(state=READY)
    with pytest.raises(AppError) as caught:
        ask(session, source=b"no picture at all")
    assert caught.value.code == "picture_unknown" and not session.requests


def test_a_reply_without_an_action_says_why(ask):
    result = ask(LoadableSession("I ", "see settings", state=READY))[-1]
    assert result.step.action is None and result.step.reason.code == "action_none"
    assert "do(…)" in texts.result_text(result) and texts.seconds_text(result).startswith(
        "3.0 s for this step"
    )


@pytest.mark.parametrize(("finish", "code"), [("length", "action_too_long"), ("cancelled", "action_stopped")])
def test_a_reply_that_is_cut_off_says_so(ask, finish, code):
    result = ask(LoadableSession('do(action="Ta', state=READY, finish=finish))[-1]
    assert result.step.action is None and result.step.reason.code == code
    assert "?" not in texts.result_text(result)


def test_a_stopped_reply_shows_no_action_though_it_reads_like_one(ask):
    result = ask(LoadableSession('finish(message="x")', state=READY, finish="cancelled"))[-1]
    assert result.step.action is None and result.step.reason.code == "action_stopped"


def test_an_engine_that_dies_raises_what_the_session_raises(ask):
    died = EngineError("engine_died", kind="crashed", detail="made", rung="gguf-cpu")
    with pytest.raises(EngineError) as caught:
        ask(LoadableSession("<think>", died, state=READY))
    assert caught.value is died


def test_a_remote_server_takes_a_step_and_sees_all_of_the_picture(ask):
    words = ("<think>why</think>", 'do(action="Tap", element=[12,34])')
    with FakeOpenAI(Behaviour(words=words)) as server:
        remote = Remote(Web(Keys({}, Ring)), Endpoint("made", "desk", server.url, "made-model"))
        first, *_written, result = ask(remote)
        (body,) = [one.body for one in server.asked if one.method == "POST"]
    assert (first.size.width, first.size.height) == (1092, 2408), "whole: nobody knows its room"
    assert result.step.action == Tap(Place(12, 34))
    assert [part["type"] for part in body["messages"][1]["content"]] == ["image_url", "text"]
    assert body["temperature"] == 0.0 and body["max_tokens"] == 3000


def test_a_preview_has_the_pixels_that_a_model_would_see(tmp_path):
    picture = tmp_path / "shot.png"
    Image.new("RGB", (540, 1200), (1, 2, 3)).save(picture)

    async def work():
        own = Pictures(made_services(tmp_path / "home"))
        try:
            return await phone_step.preview(own, picture)
        finally:
            await own.close()

    found = asyncio.run(work())
    assert (found.prepared.size.width, found.prepared.size.height, found.prepared.size.tokens) == (
        532,
        1204,
        817,
    )
    assert len(found.pixels) == 532 * 1204 * 3 and found.pixels[:3] == bytes((1, 2, 3))
