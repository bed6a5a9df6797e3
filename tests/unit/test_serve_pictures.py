"""The images of a request on their way to the engine: sizes, shares, loading for them, and what is refused."""

import asyncio
import base64
import dataclasses
import io
import json
from pathlib import Path

import httpx
import pytest
from PIL import Image as Pillow

from autoglm_desktop.core.errors import AppError, EngineError, TargetError
from autoglm_desktop.core.pictures import room_left, shown_size
from autoglm_desktop.core.protocol import Message, Sampling
from autoglm_desktop.service.app import create_app
from autoglm_desktop.service.parts import parts_for
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.pictures import Pictures
from autoglm_desktop.usecases.serve import ServeOptions
from autoglm_desktop.usecases.serve_pictures import Image, shown
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_seeing import BLIND, IDLE, SEES, Loadable
from tests.fakes.fake_services import made_services
from tests.fakes.fake_session import TARGET

CHAT = "/v1/chat/completions"
SAMPLING = Sampling(max_tokens=100)


def drawn(width, height, kind="PNG", mode="RGB"):
    file = io.BytesIO()
    Pillow.new(mode, (width, height), "#336699" if mode == "RGB" else 7).save(file, kind)
    return file.getvalue()


def uri(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def asked(*images, text="看"):
    found = [Image(data, f"messages.0.content.{place}") for place, data in enumerate(images)]
    return [Message("user", [*found, text])]


def see(target):
    return target


def look(home, messages, session=None, *, see=see, own=True):
    """(the messages as the engine reads them, the RGB of their pictures)"""

    async def work():
        pictures = Pictures(made_services(home)) if own else None
        try:
            async with shown(session or Loadable(), pictures, see, messages, SAMPLING) as found:
                parts = [part for one in found if isinstance(one.content, list) for part in one.content]
                files = [Path(part["file"]).read_bytes() for part in parts if part["type"] == "image"]
            return found, files
        finally:
            if pictures is not None:
                await pictures.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


def refused(home, messages, session=None, **how):
    with pytest.raises(AppError) as caught:
        look(home, messages, session, **how)
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_an_image_becomes_a_part_that_the_engine_reads(tmp_path, kind):
    (message,), (pixels,) = look(tmp_path, asked(drawn(1080, 2400, kind)))
    image, text = message.content
    size = shown_size(1080, 2400, 3354)
    assert (image["type"], image["width"], image["height"]) == ("image", size.width, size.height)
    assert len(pixels) == 3 * size.width * size.height
    assert text == {"type": "text", "text": "看"}


def test_words_alone_go_as_they_are_and_load_nothing(tmp_path):
    session = Loadable(state=IDLE)
    messages = [Message("user", "hi")]
    assert look(tmp_path, messages, session, own=False)[0] == tuple(messages)
    assert session.loads == []


def tokens(part):
    return part["width"] // 28 * (part["height"] // 28)


def test_several_share_the_room_and_a_small_one_keeps_its_size(tmp_path):
    state = dataclasses.replace(SEES, proof=dataclasses.replace(SEES.proof, context=3_000))
    shots = [drawn(1080, 2400), drawn(84, 84), drawn(1080, 2400)]
    (message,), _ = look(tmp_path, asked(*shots), Loadable(state=state))
    first, icon, second = (tokens(part) for part in message.content[:3])
    assert icon == 9 and abs(first - second) <= 60
    assert 2_000 < first + icon + second <= room_left(3_000, "看", 100)


def test_without_room_the_request_is_refused_with_the_numbers(tmp_path):
    state = dataclasses.replace(SEES, proof=dataclasses.replace(SEES.proof, context=300))
    error = refused(tmp_path, asked(drawn(1080, 2400), text="x" * 600), Loadable(state=state))
    assert error.code == "pictures_no_room" and error.values == {"count": 1, "tokens": 300}
    look(tmp_path, asked(drawn(84, 84), text="x" * 300), Loadable(state=state))  # 9 tokens have room


def test_old_turns_leave_room_since_the_engine_may_drop_them(tmp_path):
    old = [Message("user", "first"), Message("assistant", "y" * 30_000)]
    (*_, newest), _ = look(tmp_path, [*old, *asked(drawn(1080, 2400))])
    assert tokens(newest.content[0]) > 3_000


def test_a_model_that_is_not_loaded_is_loaded_so_that_it_can_see(tmp_path):
    session = Loadable(state=IDLE)
    other = dataclasses.replace(TARGET, name="the one that sees")
    look(tmp_path, asked(drawn(84, 84)), session, see=lambda _target: other)
    assert session.loads == [(other, Wishes(rung="gguf-cpu", wish="phone"))]


def test_what_is_missing_is_named(tmp_path):
    def blind(_target):
        raise TargetError("vision_part_to_pull", name="x", model="autoglm-phone-9b:Q4_K_M")

    shot = asked(drawn(84, 84))
    for state in (BLIND, IDLE):
        session = Loadable(state=state)
        assert refused(tmp_path, shot, session, see=blind).code == "vision_part_to_pull"
        assert session.loads == []
    assert refused(tmp_path, shot, Loadable(state=BLIND)).code == "no_vision_loaded"
    assert refused(tmp_path, shot, Loadable(state=IDLE, after=BLIND)).code == "no_vision_loaded"
    assert refused(tmp_path, shot, Loadable(state=SessionState())).code == "no_model_loaded"
    assert refused(tmp_path, shot, own=False).code == "image_needs_projector"


BOMB = drawn(20_000, 6_000, "GIF", "P")


def test_without_room_for_the_vision_part_others_can_still_ask_in_words(tmp_path):
    class Cramped(Loadable):
        async def ensure(self, target, wishes):
            await super().ensure(target, wishes)
            if wishes.wish == "phone":
                raise EngineError("nothing_fits", reason=None)
            return self.state

    session = Cramped(state=IDLE, after=BLIND)
    assert refused(tmp_path, asked(drawn(84, 84)), session).code == "no_vision_loaded"
    assert [wishes.wish for _, wishes in session.loads] == ["phone", None]
    session = Cramped(state=IDLE, after=BLIND)
    session.wishes = Wishes(wish="phone")
    assert refused(tmp_path, asked(drawn(84, 84)), session).code == "nothing_fits"
    assert len(session.loads) == 1


DAMAGED = [
    (b"no picture", "picture_unknown"),
    (drawn(300, 300)[:200], "picture_damaged"),
    (BOMB, "picture_too_large"),
    (drawn(30_000, 8), "picture_too_narrow"),
]


@pytest.mark.parametrize(("data", "code"), DAMAGED)
def test_what_cannot_be_shown_is_named_by_its_part(tmp_path, data, code):
    assert len(BOMB) < 1_000_000, "small as a file, 120 megapixels when it is decoded"
    for images in ([data], [drawn(84, 84), data]):
        error = refused(tmp_path, asked(*images))
        assert (error.code, error.values["where"]) == (code, f"messages.0.content.{len(images) - 1}")


def post(home, session, content, *, pictures=True):
    async def work():
        own = Pictures(made_services(home)) if pictures else None
        app = create_app(parts_for(session, ServeOptions(), pictures=own, see=see))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            try:
                return await client.post(CHAT, json={"messages": [{"role": "user", "content": content}]})
            finally:
                if own is not None:
                    await own.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


def image_part(data, kind="png"):
    return {"type": "image_url", "image_url": {"url": uri(data, kind)}}


def test_a_request_with_an_image_is_answered(tmp_path):
    """Whatever kind is declared, what it is the bytes say; and no file stays behind."""
    session = Loadable("ok")
    response = post(tmp_path, session, [image_part(drawn(108, 240), "jpeg"), {"type": "text", "text": "?"}])
    assert response.status_code == 200, response.text
    ((messages, _sampling),) = session.requests
    assert [part["type"] for part in messages[0].content] == ["image", "text"]
    assert not list(tmp_path.rglob("*.rgb"))


@pytest.mark.parametrize(("data", "code"), [*DAMAGED])
def test_the_refusal_of_an_image_names_its_part(tmp_path, data, code):
    response = post(tmp_path, Loadable("ok"), ["x", image_part(data)])
    error = response.json()["error"]
    assert response.status_code == 400 and error["param"] == "messages.0.content.1"
    assert error["code"] in ("bad_picture", "image_too_large")


def test_a_service_without_pictures_or_vision_says_what_is_missing(tmp_path):
    for session, pictures in ((Loadable("ok"), False), (Loadable("ok", state=BLIND), True)):
        response = post(tmp_path, session, [image_part(drawn(84, 84))], pictures=pictures)
        error = response.json()["error"]
        assert response.status_code == 400 and error["code"] == "no_vision" and "mmproj" in error["message"]
        assert session.requests == []


def test_dropped_images_are_told_in_a_header(tmp_path):
    async def work():
        own = Pictures(made_services(tmp_path))
        app = create_app(parts_for(Loadable("ok"), ServeOptions(), pictures=own))
        transport = httpx.ASGITransport(app)
        old = {"role": "user", "content": [image_part(drawn(84, 84)), {"type": "text", "text": "?"}]}
        turns = [old, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            whole = await client.post(CHAT, json={"messages": turns})
            streamed = await client.post(CHAT, json={"messages": turns, "stream": True})
        await own.close()
        return whole, streamed

    for response in asyncio.run(work()):
        assert response.headers["x-autoglm-dropped-images"] == "1"


def test_a_large_picture_of_the_agent_leaves_the_loop_free(tmp_path):
    """1.2 MB of PNG, as the agent sends it: read and decoded in threads."""
    noise = Pillow.effect_noise((1080, 1200), 90).convert("RGB").resize((1080, 2400))
    file = io.BytesIO()
    noise.save(file, "PNG", compress_level=1)
    content = [image_part(file.getvalue()), {"type": "text", "text": "打开设置"}]
    assert len(json.dumps(content)) > 1_200_000
    session = Loadable("ok")
    assert post(tmp_path, session, content).status_code == 200
    (image, _text) = session.requests[0][0][0].content
    assert tokens(image) == 3354
