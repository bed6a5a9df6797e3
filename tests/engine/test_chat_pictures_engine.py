"""A conversation with pictures over a real engine with a made vision model: loaded to see, shown again, written on."""

import asyncio
import dataclasses

import pytest
from PIL import Image

from autoglm_desktop.core.conversation import ConversationSettings
from autoglm_desktop.core.rungs import PhoneStep
from autoglm_desktop.store import conversation_pictures
from autoglm_desktop.store.conversations import Conversations
from autoglm_desktop.usecases import chat
from autoglm_desktop.usecases.answering import Answerers
from autoglm_desktop.usecases.remote_servers import servers_of
from tests.engine.faulty import plan
from tests.engine.test_session_pictures import seeing
from tests.fakes import made_glm4v
from tests.fakes.made_answers import collect

pytestmark = pytest.mark.usefixtures("needs_llama")
STEP = PhoneStep(image_tokens=36, prompt_tokens=100, cached_tokens=0, reply_tokens=20)
LADDER = tuple(plan(rung, projector="cpu", phone_step=STEP) for rung in ("gguf-cpu", "gguf-cpu-safe"))
SETTINGS = ConversationSettings(temperature=0.0, max_tokens=5)


@pytest.fixture
def model(tmp_path):
    made_glm4v.write_projector(tmp_path / "mmproj-tiny-F16.gguf")
    return made_glm4v.write_text(tmp_path / "tiny.gguf")


def test_pictures_are_seen_in_every_turn_and_after_the_model_was_unloaded(tmp_path, model):
    Image.new("RGB", (108, 240), "#336699").save(tmp_path / "截图.png")

    async def work():
        archive = chat.Archive(Conversations(tmp_path / "chat.sqlite3"))
        await archive.open()
        async with seeing(tmp_path / "home", model, ladder=LADDER) as (session, own, services):
            await session.unload()
            answerers = Answerers(session, servers_of(services), services.library, own, archive.pictures)
            picture = conversation_pictures.keep(archive.pictures, tmp_path / "截图.png")
            wished = dataclasses.replace(picture, most_tokens=12)
            events = chat.ask(archive, answerers, None, "look", pictures=(picture, wished), settings=SETTINGS)
            first = await collect(events)
            talk, wish = first[0].conversation, session.wishes.wish
            second = await collect(chat.ask(archive, answerers, talk, "and now?"))
            on = await collect(chat.go_on(archive, answerers, talk, second[-1].answer))
            alone = await collect(chat.ask(archive, answerers, None, "look", settings=SETTINGS))
        await archive.close()
        return wish, [events[-1].answer for events in (first, second, on, alone)]

    wish, (first, second, on, alone) = asyncio.run(asyncio.wait_for(work(), 120))
    assert wish == "phone" and first.facts.unseen is None
    seen = first.facts.prompt_tokens - alone.facts.prompt_tokens
    assert 36 + 8 <= seen <= 36 + 12 + 8, "both pictures, one of them smaller, and the marks around them"
    assert second.facts.prompt_tokens > first.facts.prompt_tokens + first.facts.tokens
    assert on.id == second.id and on.text.startswith(second.text) and len(on.text) > len(second.text)
    assert on.facts.tokens == second.facts.tokens + 5
    assert on.facts.prompt_tokens == pytest.approx(second.facts.prompt_tokens, abs=2)
