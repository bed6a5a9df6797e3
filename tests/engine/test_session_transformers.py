"""A session over a real engine of transformers that writes several answers at once, tiny made model."""

import asyncio
import contextlib
import sys
from pathlib import Path

from autoglm_desktop.core.errors import Reason
from autoglm_desktop.core.machine import Machine
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.host.command import engine_command
from autoglm_desktop.host.crashes import hardware_key
from autoglm_desktop.host.environments import Description, Environments, Record, environment_python
from autoglm_desktop.usecases.session import Prepared, Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.engine.transformers_support import InProcess, picture
from tests.fakes.fake_services import FakeServices, made_services

PLAN = RungPlan(
    "transformers-16bit", dtype="float32", status="fits", installed=True, engine_installed=True, context=1024
)
"""fp32: in 16 bits another number of rows rounds otherwise, and a random model's words hang on that."""


def services(home):
    """With one environment for transformers, which is this Python's."""
    found = made_services(home)
    description = Description("torch-cpu", "transformers", "torch", "torch")
    environments = Environments(home / "torch", {"torch-cpu": description}, None)
    python = environment_python(environments.path("torch-cpu"))
    python.parent.mkdir(parents=True)
    python.touch()
    environments.write(
        Record("torch-cpu", "made", hardware_key(Machine()), "made", self_test="passed"), own=False
    )
    return FakeServices(
        home=home,
        environments=environments,
        crashes=found.crashes,
        library=found.library,
        command=lambda _python: engine_command(Path(sys.executable)),
    )


async def prepare(_services, target, _wishes):
    found = ModelPlan(target.name, "text", "runs", Reason("made"), PLAN.rung, None, (PLAN,))
    return Prepared(target.file, found, Machine(), lambda _plan: iter(()))


@contextlib.asynccontextmanager
async def loaded(home, folder, batch):
    session = Session(services(home), prepare)
    try:
        await session.load(Target("made", folder), Wishes(batch=batch))
        yield session
    finally:
        await session.close()


async def ask(session, content, tokens=40, leave_after=None):
    text = ""
    sampling = Sampling(temperature=0.0, max_tokens=tokens)
    async with contextlib.aclosing(session.generate((Message("user", content),), sampling)) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
                if leave_after is not None and event.tokens >= leave_after:
                    return text, None
    assert isinstance(event, Done)
    return text, event


def test_several_at_once_say_what_they_say_alone(made_glm4v, tmp_path):
    questions = ("hello", "打开微信", "why?", "what is this? " * 20)
    see = [picture(tmp_path), {"type": "text", "text": "what?"}]

    single = InProcess(made_glm4v)
    alone = [single.ask(question, max_tokens=40) for question in (*questions, see)]

    async def work():
        async with loaded(tmp_path, made_glm4v, 3) as session:
            asked = [asyncio.ensure_future(ask(session, question)) for question in (*questions, see)]
            left = asyncio.ensure_future(ask(session, "and who leaves", 900, leave_after=3))
            again = asyncio.ensure_future(ask(session, questions[0]))
            together = await asyncio.gather(*asked)
            return session.width, together, await left, await again, session.state.phase

    width, together, left, again, phase = asyncio.run(asyncio.wait_for(work(), 240))
    assert width == 3 and phase == "ready"
    assert [text for text, _ in together[:4]] == [text for text, _ in alone[:4]]
    assert together[4][1].usage.image_tokens == alone[4][1].usage.image_tokens == 6
    assert together[4][0] == alone[4][0]
    assert left[0] and left[1] is None
    assert again[0] == alone[0][0]
