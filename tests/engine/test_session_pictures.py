"""Pictures through a session over real engines: parts go through untouched, also to the engine after a death."""

import asyncio
import contextlib
import os

import numpy as np
import pytest
from PIL import Image

from autoglm_desktop.core.errors import AppError, Reason
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.protocol import Delta, Done, Failed, Message, Sampling
from autoglm_desktop.core.rungs import ModelPlan, PhoneStep
from autoglm_desktop.host.starts import Files
from autoglm_desktop.texts import errors
from autoglm_desktop.usecases import pictures
from autoglm_desktop.usecases.deaths import Broken
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.session import Prepared, Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.engine.faulty import Faults, plan, services_with
from tests.fakes import made_glm4v

GREEDY = Sampling(temperature=0.0, max_tokens=24)
STEP = PhoneStep(image_tokens=60, prompt_tokens=100, cached_tokens=0, reply_tokens=20)
LADDER = tuple(plan(rung, projector="cpu", phone_step=STEP) for rung in ("gguf-cpu", "gguf-cpu-safe"))
BLIND = (plan("gguf-cpu"),)
needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
pytestmark = pytest.mark.usefixtures("needs_llama")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("看图 model")
    made_glm4v.write_projector(folder / "mmproj-tiny-F16.gguf")
    return made_glm4v.write_text(folder / "tiny.gguf")


@pytest.fixture
def shot(tmp_path):
    """A screenshot of 108 × 240 pixels: 4 × 9 cells."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 12, 3), np.uint8)
    Image.fromarray(noise).resize((108, 240)).save(tmp_path / "截图.png")
    return tmp_path / "截图.png"


@contextlib.asynccontextmanager
async def seeing(home, model, *faults, ladder=LADDER):
    """(session, its pictures, services)"""

    async def prepare(services, target, wishes):
        crashed = {crash.rung for crash in services.crashes.all()}
        left = tuple(one for one in ladder if one.rung not in crashed)
        found = ModelPlan(target.name, "phone", "runs", Reason("made"), left[0].rung, None, left)

        def files(current):
            projector = model.with_name("mmproj-tiny-F16.gguf") if current.projector != "none" else None
            return Files(target.file, projector)

        return Prepared(target.file, found, Machine(), lambda _plan: iter(()), files)

    services = services_with(home, Faults(*faults))
    session, own = Session(services, prepare), Pictures(services)
    try:
        await session.load(Target("made", model), Wishes())
        yield session, own, services
    finally:
        await session.close()
        await own.close()


@pytest.mark.parametrize("damage", ["v.post_ln.weight", "clip.use_silu"])
def test_a_vision_part_that_is_refused_leaves_a_chat_in_words(tmp_path, damage):
    """Its fault is not the model's: the text part is whole."""
    projector = tmp_path / "mmproj-tiny-F16.gguf"
    made_glm4v.write_projector(projector, without=damage)
    model = made_glm4v.write_text(tmp_path / "tiny.gguf")

    async def work():
        async with seeing(tmp_path / "home", model) as (session, _own, _services):
            return session.state, (await ask(session, Message("user", "hello")))[1]

    state, answer = run(work())
    assert [(one.rung, one.projector, one.kind) for one in state.tries] == [
        ("gguf-cpu", "cpu", "bad_file"),
        ("gguf-cpu", "none", None),
    ]
    assert state.proof.projector is None and isinstance(answer, Done)


def message(prepared, text="what is this?"):
    return Message("user", [prepared.part, {"type": "text", "text": text}])


async def ask(session, *messages):
    text, done = "", None
    async for event in session.generate(messages, GREEDY):
        if isinstance(event, Delta):
            text += event.text
        else:
            done = event
    return text, done


def run(work):
    return asyncio.run(asyncio.wait_for(work, 90))


def test_a_picture_goes_to_the_engine_as_it_is(tmp_path, model, shot):
    async def work():
        async with seeing(tmp_path / "家 home", model) as (session, own, services):
            prepared = await own.prepare(shot, pictures.room(session.state, "what is this?", 6))
            asked = message(prepared)
            content = [dict(part) for part in asked.content]
            first = await ask(session, asked)
            assert list(asked.content) == content
            return prepared, first, await ask(session, Message("user", "what is this?")), services

    prepared, (text, done), (blind, _), services = run(work())
    assert isinstance(done, Done) and done.usage.image_tokens == prepared.size.tokens == 36
    assert text and text != blind
    assert (prepared.width, prepared.height) == (108, 240)
    assert not prepared.file.exists() and list((services.cache / "pictures").glob("*/*")) == []


def test_a_picture_too_large_for_the_plan_is_scaled(tmp_path, model):
    Image.new("RGB", (1080, 2400), (200, 30, 30)).save(tmp_path / "big.png")

    async def work():
        async with seeing(tmp_path / "home", model) as (session, own, _):
            room = pictures.room(session.state, "?", 6)
            prepared = await own.prepare(tmp_path / "big.png", room)
            return room, prepared, await ask(session, message(prepared))

    room, prepared, (text, done) = run(work())
    assert room == 60 and 40 < prepared.size.tokens <= 60
    assert text and done.usage.image_tokens == prepared.size.tokens


@needs_signals
@pytest.mark.parametrize("fault", ["kill@generate", "abort@generate"])
def test_a_picture_is_sent_again_to_the_engine_after_a_death(tmp_path, model, shot, fault):
    """Before the first word the next engine is asked by itself."""

    async def work():
        async with seeing(tmp_path / "home", model, fault) as (session, own, services):
            prepared = await own.prepare(shot)
            answer = await ask(session, message(prepared))
            return answer, services.command.starts, [one.kind for one in session.state.tries]

    async def unharmed():
        async with seeing(tmp_path / "other", model) as (session, own, _):
            return await ask(session, message(await own.prepare(shot)))

    (text, done), starts, kinds = run(work())
    assert starts == 2 and kinds[0] is not None and kinds[-1] is None
    assert done.usage.image_tokens == 36 and text == run(unharmed())[0]


@needs_signals
def test_the_history_with_its_picture_outlives_an_engine(tmp_path, model, shot):
    async def spoken():
        """The number of a token with which a piece of the answer ends, not its first."""
        async with seeing(tmp_path / "other", model) as (session, own, _):
            events = session.generate((message(await own.prepare(shot)),), GREEDY)
            return [event.tokens async for event in events if isinstance(event, Delta)][1]

    async def work(token):
        async with seeing(tmp_path / "home", model, f"kill@token:{token}") as (session, own, _):
            asked = message(await own.prepare(shot))
            with pytest.raises(AppError) as caught:
                await ask(session, asked)
            again = await ask(session, asked, Message("assistant", "x"), Message("user", "and now?"))
            await session.unload()
            later = await ask(session, asked, Message("assistant", "x"), Message("user", "and now?"))
            return caught.value, again, later

    error, (text, done), (later, _) = run(work(run(spoken())))
    assert error.code in ("engine_died", "answer_out_of_memory")
    assert done.usage.image_tokens == 36 and text and text == later


def refusal(home, model, part, ladder=LADDER):
    async def work():
        async with seeing(home, model, ladder=ladder) as (session, _, _s):
            with pytest.raises(AppError) as caught:
                await ask(session, Message("user", [part]))
            text, _ = await ask(session, Message("user", "still there?"))
            return caught.value, text

    error, text = run(work())
    assert text, "only the request was refused"
    return error


def test_a_picture_that_is_gone_is_said(tmp_path, model):
    part = {"type": "image", "file": str(tmp_path / "gone.rgb"), "width": 28, "height": 28}
    error = refusal(tmp_path / "home", model, part)
    assert error.code == "bad_picture" and "gone.rgb" in errors.text(error)


def test_a_picture_beyond_what_was_proven_is_said(tmp_path, model):
    part = made_glm4v.write_picture(tmp_path / "large.rgb", 280, 280)
    error = refusal(tmp_path / "home", model, part)
    assert error.code == "image_too_large" and "100 " in errors.text(error)


def test_a_picture_for_a_model_without_vision_is_said(tmp_path, model):
    part = made_glm4v.write_picture(tmp_path / "a.rgb", 84, 84)
    assert refusal(tmp_path / "home", model, part, BLIND).code == "no_vision"


def test_no_room_is_told_before_a_picture_is_made(tmp_path, model):
    async def work():
        async with seeing(tmp_path / "home", model) as (session, _own, _):
            with pytest.raises(AppError) as caught:
                pictures.room(session.state, "x" * 4000, 1024)
            return caught.value

    error = run(work())
    assert error.code == "picture_no_room" and error.values["tokens"] == 1024


@pytest.mark.parametrize(
    ("message", "code", "shown"),
    [
        ("bad_picture: 7 bytes instead of 8", "bad_picture", "(7 bytes instead of 8)"),
        ("image_too_large: 400 cells, 60 were proven", "image_too_large", "(400 cells, 60 were proven)"),
        ("context_full: 5 prompt tokens", "context_full", "5 prompt tokens"),
        ("no_vision: loaded without", "no_vision", "loaded without"),
        ("something: else", "request_refused", "something: else"),
    ],
)
def test_refusals_have_their_own_sentences(message, code, shown):
    error = Broken(Failed("unsupported", message, "r"), None).error("gguf-cpu")
    assert error.code == code and shown in errors.text(error)
