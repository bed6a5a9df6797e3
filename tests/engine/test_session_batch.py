"""The session over a fake engine that writes several answers at once."""

import asyncio
import contextlib
import os

import psutil
import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.usecases.session import Session, Wishes
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
ENDLESS = ("ok", "--batch", "--tokens", 100_000, "--delay", 0.005)
PICTURE = [{"type": "image", "file": "made", "width": 28, "height": 28}]


@contextlib.asynccontextmanager
async def loaded(home, *mode, batch=3, **more):
    services = made_services(home, *mode)
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    session = Session(services, made_prepare, **more)
    try:
        await session.load(Target("model", file), Wishes(batch=batch))
        yield session
    finally:
        await session.close()


class Asked:
    """One answer being collected; ``spoke`` is set by its first token."""

    def __init__(self, session, content="你好", **sampling):
        self.events, self.spoke = [], asyncio.Event()
        messages = (Message("user", content),)
        self._events = session.generate(messages, Sampling(**{"max_tokens": 4000, **sampling}))
        self.task = asyncio.ensure_future(self._collect())

    async def _collect(self):
        async with contextlib.aclosing(self._events) as events:
            async for event in events:
                self.events.append(event)
                self.spoke.set()
        return self.events[-1]

    async def leave(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def speaking(*asked):
    await asyncio.gather(*(one.spoke.wait() for one in asked))


async def ends(*asked):
    found = await asyncio.gather(*(one.task for one in asked), return_exceptions=True)
    return [getattr(one, "code", None) or getattr(one, "finish_reason", None) or repr(one) for one in found]


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def test_as_many_run_at_once_as_the_engine_says(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            asked = [Asked(session) for _ in range(4)]
            await speaking(*asked[:3])
            early = asked[3].spoke.is_set()
            await asked[0].leave()
            await speaking(asked[3])
            width, phase = session.width, session.state.phase
            session.stop()
            return width, early, phase, await ends(*asked[1:]), session.state.phase, session.state.proof.batch

    assert run(work()) == (3, False, "generating", ["cancelled"] * 3, "ready", 3)


def test_one_at_a_time_where_nothing_else_was_asked_for(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS, batch=None) as session:
            first, second = Asked(session), Asked(session)
            await speaking(first)
            early = second.spoke.is_set()
            await first.leave()
            await speaking(second)
            await second.leave()
            return session.width, early

    assert run(work()) == (1, False)


def test_leaving_one_answer_ends_it_alone(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            first, second = Asked(session), Asked(session)
            await speaking(first, second)
            await first.leave()
            count, phase = len(second.events), session.state.phase
            while len(second.events) < count + 3:
                await asyncio.sleep(0)
            await second.leave()
            return phase, session.state.phase

    assert run(work()) == ("generating", "ready")


@pytest.mark.parametrize("how", [{"content": PICTURE}, {"json_schema": "{}"}])
def test_pictures_and_grammars_are_written_alone(tmp_path, how):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            text = Asked(session)
            await speaking(text)
            alone, late = Asked(session, **how), Asked(session)
            for _ in range(20):
                await asyncio.sleep(0.005)
            waited = not alone.spoke.is_set() and not alone.task.done() and not late.spoke.is_set()
            await text.leave()
            if "content" in how:  # the fake engine has no vision
                refused = await ends(alone)
            else:
                await speaking(alone)
                refused = [late.spoke.is_set()]
                await alone.leave()
            await speaking(late)
            await late.leave()
            return waited, refused

    assert run(work()) == (True, ["no_vision"] if "content" in how else [False])


def test_a_refused_request_leaves_the_others_alone(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            first = Asked(session)
            await speaking(first)
            (refused,) = await ends(Asked(session, "x" * 9000))
            phase = session.state.phase
            count = len(first.events)
            while len(first.events) == count:
                await asyncio.sleep(0)
            await first.leave()
            return refused, phase

    assert run(work()) == ("context_full", "generating")


def engines():
    return [
        one for one in psutil.Process().children(recursive=True) if "fake_engine" in " ".join(one.cmdline())
    ]


@needs_signals
def test_when_the_engine_dies_who_spoke_gets_an_error_and_the_others_are_repeated_by_one_load(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS, "--first", 0.2) as session:
            phases = []
            spoken = [Asked(session, max_tokens=4000), Asked(session)]
            await speaking(*spoken)
            silent = Asked(session)
            while len(session._answers._running) < 3:
                await asyncio.sleep(0)
            session.listen(
                lambda state: phases.append(state.phase) if not phases or phases[-1] != state.phase else None
            )
            (engine,) = engines()
            engine.kill()
            errors = await ends(*spoken)
            await speaking(silent)
            await silent.leave()
            crashes = session._after._crashes.all()
            told = [one.rung for one in session.state.tries if one.phase == "generate"]
            return errors, phases, len(crashes), len(engines()), told

    errors, phases, crashes, left, told = run(work())
    assert told == ["gguf-cpu"]
    assert len(set(errors)) == 1 and errors[0] in ("engine_died", "answer_out_of_memory")
    assert phases.count("loading") == 1 and phases[-1] == "ready"
    assert phases.index("failed") < phases.index("loading")
    assert crashes <= 1 and left == 1


def test_a_forward_out_of_memory_ends_the_engine_for_all_by_its_own_name(tmp_path):
    """The engine lives on and is ended for it: to the others that is no end that the user wished."""

    async def work():
        mode = ("oom-generate", 5, "--batch", "--tokens", 100_000, "--delay", 0.005)
        async with loaded(tmp_path, *mode) as session:
            asked = [Asked(session)]
            await speaking(*asked)
            asked += [Asked(session), Asked(session)]
            return await ends(*asked), session.state.phase, len(session._after.tries)

    found, phase, tries = run(work())
    assert found[0] == "answer_out_of_memory" and phase == "failed"
    assert set(found) == {"answer_out_of_memory"}, found
    assert tries <= 3


@needs_signals
def test_two_that_wait_for_the_same_load_get_it_when_one_of_them_leaves(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS, "--first", 0.2) as session:
            first, second = Asked(session), Asked(session)
            while len(session._answers._running) < 2:
                await asyncio.sleep(0)
            (engine,) = engines()
            engine.kill()
            while session._keeper._again._waiting < 2:
                await asyncio.sleep(0)
            await first.leave()
            await speaking(second)
            await second.leave()
            return session.state.phase, len(engines())

    assert run(work()) == ("ready", 1)


def test_when_all_leave_during_a_load_it_ends(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            await session.unload()
            first = Asked(session)
            while session.state.phase != "loading":
                await asyncio.sleep(0)
            await first.leave()
            return session.state.phase, len(engines()), session._turns.taken

    assert run(work()) == ("idle", 0, False)


def test_unloading_waits_for_all_and_freeing_for_none(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            asked = [Asked(session, max_tokens=20) for _ in range(3)]
            await speaking(*asked)
            await session.unload()
            finished = [one.task.done() for one in asked]
            again = [Asked(session) for _ in range(3)]
            await speaking(*again)
            await session.free()
            return finished, await ends(*again), session.state.phase, session.state.unloaded

    assert run(work()) == ([True] * 3, ["engine_freed"] * 3, "idle", "freed")


def test_the_idle_timer_starts_when_the_last_has_ended(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS, idle_s=0.05) as session:
            short, long = Asked(session, max_tokens=2), Asked(session, max_tokens=60)
            await short.task
            while not long.task.done():
                assert session.state.phase == "generating"
                await asyncio.sleep(0.005)
            while session.state.phase != "idle":
                await asyncio.sleep(0.005)
            return session.state.unloaded

    assert run(work()) == "idle"


def test_after_an_unload_all_that_wait_run_at_once_again(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            await session.unload()
            asked = [Asked(session) for _ in range(3)]
            await speaking(*asked)
            session.stop()
            return await ends(*asked), len(engines())

    assert run(work()) == (["cancelled"] * 3, 1)


def test_answers_of_others_are_not_mixed_in(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--batch", "--tokens", 40) as session:
            asked = [Asked(session, content) for content in ("甲甲甲", "乙乙乙", "丙丙丙")]
            await asyncio.gather(*(one.task for one in asked))
            return ["".join(e.text for e in one.events if isinstance(e, Delta)) for one in asked], [
                isinstance(one.events[-1], Done) for one in asked
            ]

    texts, done = run(work())
    assert done == [True] * 3
    for own, text in zip("甲乙丙", texts, strict=True):
        assert own in text and not set("甲乙丙") - {own} & set(text)


def test_closing_ends_all(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            asked = [Asked(session) for _ in range(3)]
            await speaking(*asked)
            await session.close()
            with pytest.raises(EngineError):
                await asked[0].task
            return await ends(*asked), len(engines())

    assert run(work()) == (["engine_freed"] * 3, 0)
