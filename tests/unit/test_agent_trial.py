"""The test as the phone agent does: what is sent is what Open-AutoGLM sends, and replies are read as it reads them."""

import asyncio
import base64
import contextlib
import datetime
import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from autoglm_desktop.core import agent_request, phone_actions
from autoglm_desktop.core.agent_request import Hearing, Talk
from autoglm_desktop.core.errors import ServiceError, TargetError
from autoglm_desktop.core.protocol import Proof
from autoglm_desktop.core.remote import RemoteError
from autoglm_desktop.core.rungs import RungPlan
from autoglm_desktop.service import run
from autoglm_desktop.store.remote_http import Refused
from autoglm_desktop.texts import errors as texts
from autoglm_desktop.usecases import agent_trial, prompts
from autoglm_desktop.usecases.agent_trial import Asked, Greeted, Heard, Stepped, Trial
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.service_control import ServiceControl
from autoglm_desktop.usecases.service_settings import ServiceSettings
from autoglm_desktop.usecases.services import create_services
from autoglm_desktop.usecases.session import SessionState, Wishes
from tests.fakes.fake_session import TARGET, FakeSession

DAY = datetime.date(2026, 11, 21)
TAP = '<think>made: 设置在这里。</think>\n<answer>do(action="Tap", element=[847,661])'
DONE = 'finish(message="made: 好了")'
HELLO = [json.dumps({"choices": [{"message": {"content": "Hi"}}]}).encode()]


def piece(content=None, finish=None):
    delta = {} if content is None else {"content": content}
    return f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


def stream(*contents):
    """A reply as the service sends it: the role first, keep-alives in between."""
    role = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    return [
        role,
        b": keep-alive\n\n: keep-alive\n\n",
        *map(piece, contents),
        piece(finish="stop"),
        b"data: [DONE]\n\n",
    ]


class MadeAnswer:
    def __init__(self, chunks):
        self.chunks, self.closed = list(chunks), False

    async def next(self):
        await asyncio.sleep(0)
        return self.chunks.pop(0) if self.chunks else b""

    async def close(self):
        self.closed = True


class MadeHttp:
    """Answers one after the other; what was asked is kept. An exception is raised."""

    def __init__(self, *answers):
        self.answers, self.bodies, self.given = list(answers), [], []

    async def chat(self, body):
        self.bodies.append(json.loads(json.dumps(body)))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        self.given.append(MadeAnswer(found))
        return self.given[-1]


class MadeClock:
    """A second passes whenever it is looked at."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def all_events(http, screens=None, clock=None):
    async def work():
        shown = screens or await agent_trial.samples("zh")
        trial = Trial("http://127.0.0.1:1/v1", None, shown, "打开设置", "zh", DAY)
        return [event async for event in agent_trial.run(trial, http, clock or MadeClock())]

    return asyncio.run(work())


def test_three_steps_are_the_agents_own():
    http = MadeHttp(HELLO, stream(TAP[:20], TAP[20:]), stream(TAP), stream(TAP))
    events = all_events(http)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.step.action for step in steps] == [phone_actions.Tap(phone_actions.Place(847, 661))] * 3
    assert [step.keep_alives for step in steps] == [2, 2, 2]
    assert all(answer.closed for answer in http.given)
    greeting, first, _second, third = http.bodies
    assert greeting == {
        "messages": [{"role": "user", "content": "Hi"}],
        "model": "autoglm-phone-9b", "max_tokens": 5, "temperature": 0.0, "stream": False,
    }  # fmt: skip
    assert {key: value for key, value in first.items() if key != "messages"} == {
        "model": "autoglm-phone-9b", "max_tokens": 3000, "temperature": 0.0, "top_p": 0.85,
        "frequency_penalty": 0.2, "stream": True,
    }  # fmt: skip
    system, user = first["messages"]
    assert system == {"role": "system", "content": prompts.phone_agent("zh", DAY)}
    picture, text = user["content"]
    assert text == {"type": "text", "text": '打开设置\n\n{"current_app": "System Home"}'}
    kind, _comma, data = picture["image_url"]["url"].partition(",")
    assert (picture["type"], kind) == ("image_url", "data:image/png;base64")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (1080, 2400)
    roles = [message["role"] for message in third["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    asked, answered, newest = third["messages"][1], third["messages"][2], third["messages"][-1]
    assert [part["type"] for part in asked["content"]] == ["text"]
    assert answered["content"] == (
        "<think><think>made: 设置在这里。</think>\n<answer></think>"
        '<answer>do(action="Tap", element=[847,661])</answer>'
    )
    assert [part["type"] for part in newest["content"]] == ["image_url", "text"]
    assert newest["content"][1]["text"] == '** Screen Info **\n\n{"current_app": "Settings"}'


def test_seconds_are_counted_from_the_request_to_the_first_piece_and_to_the_end():
    events = all_events(MadeHttp(HELLO, stream("fin", 'ish(message="x")')))
    heard = [event for event in events if isinstance(event, Heard)]
    assert heard[0].first_s is None
    assert heard[1].keep_alives == 2
    first = next(event for event in heard if event.first_s is not None)
    assert (first.text, first.pieces) == ("fin", 1)
    step = events[-1]
    assert step.first_s == first.first_s
    assert step.seconds > step.first_s


def test_it_ends_where_the_model_says_that_it_is_finished():
    events = all_events(MadeHttp(HELLO, stream(TAP), stream(DONE)))
    assert isinstance(events[-1], Stepped)
    assert events[-1].step.action == phone_actions.Finish("made: 好了")
    assert events[-1].number == 2


def test_a_reply_that_the_agent_cannot_read_ends_it_with_the_reason():
    events = all_events(MadeHttp(HELLO, stream("I would tap on settings.")))
    step = events[-1]
    assert isinstance(step, Stepped)
    assert step.step.action is None
    assert step.step.reason.code == "action_none"


def test_a_slow_check_is_told_as_the_agent_would_have_given_up():
    class Slow(MadeClock):
        def __call__(self):
            self.now += 31.0
            return self.now

    events = all_events(MadeHttp(HELLO, stream(DONE)), clock=Slow())
    assert isinstance(events[0], Greeted)
    assert events[0].late


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([Refused(503, {"error": {"message": "made: no model"}}, None)], "trial_refused"),
        ([[b'{"choices": []}']], "trial_empty"),
        ([HELLO, Refused(400, {"error": {"message": "made: no vision"}}, None)], "trial_refused"),
        ([HELLO, stream(TAP)[:-1]], "trial_cut"),
        ([HELLO, [b"data: {garbled\n\n"]], "trial_failed"),
        ([HELLO, [b'data: {"error": {"message": "made: engine died"}}\n\n']], "trial_failed"),
        ([RemoteError("remote_unreachable", name="made", host="127.0.0.1:1")], "trial_unreachable"),
    ],
)
def test_what_goes_wrong_is_told_by_its_code(answers, code):
    http = MadeHttp(*answers)
    with pytest.raises(ServiceError) as caught:
        all_events(http)
    assert caught.value.code == code
    assert all(answer.closed for answer in http.given)


def test_the_services_own_words_are_in_a_refusal():
    with pytest.raises(ServiceError) as caught:
        all_events(
            MadeHttp(HELLO, Refused(400, {"error": {"message": "made: no eyes", "code": "made"}}, None))
        )
    assert caught.value.values == {"status": "400", "detail": "made: no eyes (made)"}


def test_closing_it_ends_the_request():
    http = MadeHttp(HELLO, stream(TAP))

    async def work():
        trial = Trial("x", None, await agent_trial.samples("en"), "t", "en", DAY)
        async with contextlib.aclosing(agent_trial.run(trial, http)) as events:
            async for event in events:
                if isinstance(event, Heard):
                    break

    asyncio.run(work())
    assert [answer.closed for answer in http.given] == [True, True]


def test_only_content_of_the_first_choice_counts():
    hearing = Hearing()
    hearing.feed(b'data: {"choices": []}\n\ndata: {"choices": [{"delta": {"reasoning_content": "no"}}]}\n\n')
    hearing.feed(b'data: {"choices": [{"delta": {"content": null}}]}\n\n')
    assert (hearing.text, hearing.pieces, hearing.ended) == ("", 0, False)
    assert hearing.feed(b'data: {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]}\n\n')
    hearing.feed(b"data: [DONE]\n\n")
    assert (hearing.text, hearing.finish, hearing.ended) == ("yes", "stop", True)


def test_keep_alives_are_counted_however_they_are_cut():
    hearing = Hearing()
    for byte in b": keep-alive\n\n: keep-alive\n\n" + piece("a: b\n: c"):
        hearing.feed(bytes([byte]))
    assert (hearing.keep_alives, hearing.text) == (2, "a: b\n: c")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ('a <think>b</think> do(action="Back")', ("a <think>b</think>", 'do(action="Back")')),
        ('x finish(message="do(action=")', ("x", 'finish(message="do(action=")')),
        ("<think>a</think><answer>b</answer>", ("a", "b")),
        ("nothing", ("", "nothing")),
    ],
)
def test_a_reply_is_split_as_the_agent_does_it(reply, found):
    assert agent_request.split(reply) == found


def test_the_request_does_not_change_with_what_follows():
    talk = Talk("system", "task")
    talk.look("AAAA", "app")
    body = talk.body()
    before = json.dumps(body)
    talk.answered(TAP)
    assert json.dumps(body) == before


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_drawn_screens_are_small_pngs_of_a_phones_size(language):
    screens = asyncio.run(agent_trial.samples(language))
    assert len(screens) == 3
    for screen in screens:
        picture = Image.open(io.BytesIO(screen.png))
        assert (picture.format, picture.size, picture.mode) == ("PNG", (1080, 2400), "RGB")
        assert len(screen.png) < 150_000


def test_an_own_screenshot_is_sent_as_a_png(tmp_path):
    file = tmp_path / "截图.jpg"
    Image.new("RGB", (90, 200), "red").save(file)
    screen = asyncio.run(agent_trial.own_screen(file))
    picture = Image.open(io.BytesIO(screen.png))
    assert (picture.format, picture.size) == ("PNG", (90, 200))
    with pytest.raises(TargetError):
        asyncio.run(agent_trial.own_screen(tmp_path / "none.png"))


def test_a_huge_own_screenshot_is_sent_whole_and_shown_small(tmp_path):
    """Qt refuses to read pictures of more than 256 MiB."""
    file = tmp_path / "long.png"
    Image.new("RGB", (9_000, 300), "red").save(file)
    screen = asyncio.run(agent_trial.own_screen(file))
    assert Image.open(io.BytesIO(screen.png)).size == (9_000, 300)
    assert Image.open(io.BytesIO(screen.small)).size == (2_400, 80)


READY = SessionState(
    "ready",
    TARGET,
    plan=RungPlan("gguf-cpu"),
    proof=Proof("llama.cpp", "made", projector="cpu", context=10_240),
)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (SessionState(), "trial_no_model"),
        (SessionState("idle", TARGET), None),
        (READY, None),
        (replace(READY, proof=replace(READY.proof, projector=None)), "trial_no_vision"),
        (replace(READY, proof=replace(READY.proof, context=8_191)), "trial_small_context"),
        (
            replace(READY, phase="generating", proof=replace(READY.proof, context=8_192)),
            "trial_tight_context",
        ),
        (replace(READY, proof=replace(READY.proof, context=None)), None),
    ],
)
def test_what_stands_in_the_way_is_known_before(state, code):
    found = agent_trial.obstacle(state)
    assert (found.code if found is not None else None) == code


def test_over_http_the_service_takes_the_check_and_tells_why_it_refuses_a_picture(tmp_path):
    """The real service over a session whose model has no vision part."""

    async def work():
        control = ServiceControl(FakeSession(), create_services(tmp_path), None, lambda: run.serve)
        address = await control.start(ServiceSettings(port=0, key="made-key", ask_key=True))
        events = []
        trial = Trial(f"{address.url}/v1", "made-key", await agent_trial.samples("zh"), "x", "zh", DAY)
        try:
            with pytest.raises(ServiceError) as caught:
                async for event in agent_trial.run(trial):
                    events.append(event)
            with pytest.raises(ServiceError) as refused:
                async for _event in agent_trial.run(replace(trial, key=None)):
                    pass
        finally:
            await control.stop()
        return events, caught.value, refused.value

    events, error, refused = asyncio.run(work())
    assert [type(event) for event in events] == [Greeted, Asked]
    assert (error.code, error.values["status"]) == ("trial_refused", "400")
    assert (refused.code, refused.values["status"]) == ("trial_refused", "401")


class SeeingSession(FakeSession):
    """One that is loaded with its vision part."""

    wishes = Wishes()

    async def ensure(self, target, wishes):
        return self.state


def test_over_http_three_steps_are_answered_and_each_is_read(tmp_path):
    """The real service over a scripted session that can look at pictures; no trailing tag reaches the agent."""

    async def work():
        services = create_services(tmp_path)
        pictures, session = (
            Pictures(services),
            SeeingSession(TAP[:30], TAP[30:], "</ans", "wer>", state=READY),
        )
        control = ServiceControl(session, services, pictures, lambda: run.serve)
        address = await control.start(ServiceSettings(port=0))
        try:
            trial = Trial(f"{address.url}/v1", None, await agent_trial.samples("zh"), "打开设置", "zh", DAY)
            events = [event async for event in agent_trial.run(trial)]
        finally:
            await control.stop()
            await pictures.close()
        return events, session.requests

    events, requests = asyncio.run(work())
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.step.action for step in steps] == [phone_actions.Tap(phone_actions.Place(847, 661))] * 3
    assert [step.reply for step in steps] == [TAP] * 3
    messages, sampling = requests[-1]
    assert [message.role for message in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert (sampling.temperature, sampling.top_p, sampling.frequency_penalty) == (0.0, 0.85, 0.2)
    shown = [part for message in messages if isinstance(message.content, list) for part in message.content]
    assert [part["type"] for part in shown].count("image") == 1


def test_the_sentences_of_a_failure_speak_of_the_service_and_not_of_a_server_elsewhere():
    said = [b'data: {"error": {"message": "made: The service is ending.", "code": "service_ending"}}\n\n']
    with pytest.raises(ServiceError) as caught:
        all_events(MadeHttp(HELLO, said))
    assert texts.text(caught.value) == (
        "The service ended the reply with an error: made: The service is ending."
    )
    gone = RemoteError("remote_unreachable", name="service", host="127.0.0.1:1")
    with pytest.raises(ServiceError) as caught:
        all_events(MadeHttp(gone))
    assert "http://127.0.0.1:1/v1" in texts.text(caught.value)
