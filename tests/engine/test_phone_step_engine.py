"""A phone step over a real engine with a made vision model: the whole prompt and a screenshot go in, a reply that no
training stands behind comes out, and its time is told."""

import asyncio
import dataclasses
import datetime

import pytest
from PIL import Image

from autoglm_desktop.core.rungs import PhoneStep
from autoglm_desktop.texts import phone_actions as texts
from autoglm_desktop.usecases import phone_step
from autoglm_desktop.usecases.phone_step import Question, Result, Written
from autoglm_desktop.usecases.pictures import Prepared
from tests.engine.faulty import plan
from tests.engine.test_session_pictures import seeing
from tests.fakes import made_glm4v

pytestmark = pytest.mark.usefixtures("needs_llama")
STEP = PhoneStep(image_tokens=60, prompt_tokens=100, cached_tokens=0, reply_tokens=20)
LADDER = tuple(
    dataclasses.replace(plan(rung, projector="cpu", phone_step=STEP), context=8_192)
    for rung in ("gguf-cpu", "gguf-cpu-safe")
)


@pytest.fixture
def model(tmp_path):
    made_glm4v.write_projector(tmp_path / "mmproj-tiny-F16.gguf")
    return made_glm4v.write_text(tmp_path / "tiny.gguf")


def test_a_step_from_end_to_end(tmp_path, model, monkeypatch):
    monkeypatch.setattr(phone_step, "SAMPLING", dataclasses.replace(phone_step.SAMPLING, max_tokens=24))
    shot = tmp_path / "截图.png"
    Image.new("RGB", (108, 240), "#336699").save(shot)

    async def work():
        async with seeing(tmp_path / "home", model, ladder=LADDER) as (session, own, _services):
            question = Question(shot, "打开设置", "en", datetime.date(2026, 11, 21))
            return [one async for one in phone_step.run(session, own, lambda target: target, question)]

    first, *written, result = asyncio.run(asyncio.wait_for(work(), 120))
    assert isinstance(first, Prepared) and isinstance(result, Result)
    assert written and all(isinstance(one, Written) for one in written)
    assert result.usage.image_tokens == first.size.tokens > 0
    assert result.usage.prompt_tokens > 500 and result.usage.dropped_messages == 0
    assert 0 < result.first_token_s <= result.seconds
    assert result.reply == written[-1].text
    assert (result.step.action is None) == (result.step.reason is not None)
    assert "?" not in texts.seconds_text(result)
