"""The session over fake engines: what it remembers, how it stops, and how it comes back."""

import asyncio
import contextlib
import os

import psutil
import pytest

from autoglm_desktop.core.errors import EngineError, Reason
from autoglm_desktop.core.protocol import Delta, Done, Message, Sampling
from autoglm_desktop.core.rungs import ModelPlan, RungPlan
from autoglm_desktop.host.supervisor import LadderFailed
from autoglm_desktop.usecases import engines
from autoglm_desktop.usecases.session import Session, Wishes, choose_plans
from autoglm_desktop.usecases.targets import Target
from tests.fakes.fake_services import made_prepare, made_services

HELLO = (Message("user", "你好"),)
needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@contextlib.asynccontextmanager
async def loaded(home, *mode):
    services = made_services(home, *mode)
    file = home / "model.gguf"
    file.write_bytes(b"made: the fake engine opens no file")
    session = Session(services, made_prepare)
    try:
        await session.load(Target("model", file), Wishes())
        yield session, services
    finally:
        await session.close()


async def collect(session, **sampling):
    return [event async for event in session.generate(HELLO, Sampling(**sampling))]


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def test_states_go_from_loading_to_ready_and_back_after_an_answer(tmp_path):
    async def work():
        phases = []
        async with loaded(tmp_path, "ok", "--tokens", 4) as (session, _):
            session.listen(lambda state: phases.append(state.phase))
            events = await collect(session)
            return phases, events, session.state

    phases, events, state = run(work())
    assert phases[0] == "generating" and phases[-1] == "ready"
    assert isinstance(events[-1], Done) and len(events) == 5
    assert state.proof.build == "fake engine" and state.memory.resident_bytes > 0
    assert [(tried.rung, tried.kind) for tried in state.tries] == [("gguf-cpu", None)]


def test_leaving_an_answer_stops_it_before_the_next_one_starts(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 100_000, "--delay", 0.02) as (session, _):
            async with contextlib.aclosing(session.generate(HELLO, Sampling(max_tokens=4000))) as events:
                async for event in events:
                    assert isinstance(event, Delta)
                    break
            assert session.state.phase == "ready"
            return await collect(session, max_tokens=2)

    assert run(work())[-1].usage.completion_tokens == 2


def test_stopping_ends_with_done(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--first", 50) as (session, _):
            answering = asyncio.ensure_future(collect(session))
            while session.state.phase != "generating":
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            session.stop()
            return await answering

    (done,) = run(work())
    assert done.finish_reason == "cancelled"


@needs_signals
def test_a_crash_while_answering_is_remembered_and_the_next_answer_loads_again(tmp_path):
    async def work():
        async with loaded(tmp_path, "crash-generate", 2) as (session, services):
            with pytest.raises(EngineError) as caught:
                await collect(session)
            state, crashes = session.state, services.crashes.all()
            again = await collect(session, max_tokens=1)
            return caught.value, state, crashes, again

    error, state, crashes, again = run(work())
    assert error.code == "engine_died" and state.phase == "failed" and state.error.code == "engine_died"
    assert [(crash.rung, crash.phase, crash.kind) for crash in crashes] == [
        ("gguf-cpu", "generate", "crashed")
    ]
    assert isinstance(again[-1], Done)


def test_closing_in_the_middle_of_an_answer_is_no_crash(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--first", 50) as (session, services):
            answering = asyncio.ensure_future(collect(session))
            while session.state.phase != "generating":
                await asyncio.sleep(0)
            await session.close()
            with pytest.raises(EngineError):
                await answering
            return services.crashes.all()

    assert run(work()) == ()


def test_after_unloading_the_next_answer_loads_again(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 3) as (session, _):
            await session.unload()
            assert session.state.phase == "idle" and session.state.target is not None
            return await collect(session)

    assert isinstance(run(work())[-1], Done)


@needs_signals
def test_a_crash_while_loading_goes_on_with_the_safe_twin(tmp_path):
    async def work():
        async with loaded(tmp_path, "crash-unless-safe", "--tokens", 3) as (session, _):
            return session.state, await collect(session)

    state, events = run(work())
    assert state.plan.rung == "gguf-cpu-safe" and isinstance(events[-1], Done)
    assert [(tried.rung, tried.kind) for tried in state.tries] == [
        ("gguf-cpu", "crashed"),
        ("gguf-cpu-safe", None),
    ]


def test_a_load_that_fails_keeps_its_tries(tmp_path):
    async def work():
        services = made_services(tmp_path, "oom")
        (tmp_path / "model.gguf").write_bytes(b"made")
        session = Session(services, made_prepare)
        with pytest.raises(LadderFailed):
            await session.load(Target("model", tmp_path / "model.gguf"), Wishes())
        return session.state

    state = run(work())
    assert state.phase == "failed" and state.error.code == "no_rung_worked"
    assert [tried.kind for tried in state.tries] == ["out_of_memory", "out_of_memory"]


def test_a_refused_request_leaves_the_engine_running(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 3) as (session, services):
            with pytest.raises(EngineError) as caught:
                async with contextlib.aclosing(
                    session.generate((Message("user", "x" * 9000),), Sampling())
                ) as events:
                    async for _ in events:
                        raise AssertionError("nothing can be generated")
            return caught.value, session.state.phase, await collect(session), services.crashes.all()

    error, phase, events, crashes = run(work())
    assert error.code == "context_full" and phase == "ready"
    assert isinstance(events[-1], Done) and crashes == ()


@needs_signals
def test_testing_the_engine_again_clears_its_crashes(tmp_path):
    async def work():
        async with loaded(tmp_path, "crash-generate", 2) as (session, services):
            with pytest.raises(EngineError):
                await collect(session)
            before = services.crashes.all()
            await engines.test(services, "llama-cpu")
            return before, services.crashes.all()

    before, after = run(work())
    assert len(before) == 1 and after == ()


def test_when_every_rung_crashed_before_it_says_how_to_try_again():
    blocked = RungPlan("gguf-cpu-safe", installed=True, reason=Reason("crashes_here"), status="unavailable")
    with pytest.raises(EngineError) as caught:
        choose_plans(ModelPlan("x", "text", "cannot", Reason("made"), None, None, (blocked,)), None)
    assert caught.value.code == "every_rung_crashed"


def test_a_bug_while_loading_leaves_nobody_waiting(tmp_path):
    async def broken(*_arguments):
        raise RuntimeError("made")

    async def work():
        session = Session(made_services(tmp_path), broken)
        with pytest.raises(RuntimeError):
            await session.load(Target("model", tmp_path / "model.gguf"), Wishes())
        return session.state.phase

    assert run(work()) == "failed"


def test_freeing_ends_also_what_waits_for_its_turn(tmp_path):
    async def work():
        async with loaded(tmp_path, "ok", "--tokens", 100_000, "--delay", 0.02) as (session, _):
            first = asyncio.ensure_future(collect(session, max_tokens=4000))
            while session.state.phase != "generating":
                await asyncio.sleep(0)
            second = asyncio.ensure_future(collect(session))
            await asyncio.sleep(0)
            await session.free()
            ends = await asyncio.gather(first, second, return_exceptions=True)
            return [end.code for end in ends], session.state.phase, session.state.unloaded

    assert run(work()) == (["engine_freed", "engine_freed"], "idle", "freed")


def test_to_be_ready_it_is_loaded_once(tmp_path):
    async def work():
        async with loaded(tmp_path) as (session, _):
            (before,), target, wishes = _fake_engines(), session.state.target, Wishes(context=2048)
            await session.ensure(target, wishes)
            (same,), seen = _fake_engines(), session.state.plan.context
            await session.unload()
            await session.ensure(target, wishes)
            return before.pid == same.pid, seen, session.state.plan.context, len(_fake_engines())

    assert run(work()) == (True, 4096, 2048, 1)


def test_who_waits_for_a_load_to_be_ready_shares_its_end(tmp_path):
    async def work():
        services = made_services(tmp_path, "bad-file")
        file = tmp_path / "model.gguf"
        file.write_bytes(b"made")
        session = Session(services, made_prepare)
        loading = asyncio.ensure_future(session.load(Target("model", file), Wishes()))
        while session.state.phase != "loading":
            await asyncio.sleep(0)
        walks = []
        session.listen(lambda state: walks.append(state.phase))
        waiting = asyncio.ensure_future(session.ensure(Target("model", file), Wishes(wish="phone")))
        ends = await asyncio.gather(loading, waiting, return_exceptions=True)
        await session.close()
        return [type(end) for end in ends], walks.count("failed")

    assert run(work()) == ([LadderFailed, LadderFailed], 1)


def test_a_crash_is_remembered_where_the_same_is_loaded_to_be_ready(tmp_path):
    async def work():
        async with loaded(tmp_path, "crash-generate", 2) as (session, _):
            with pytest.raises(EngineError):
                await collect(session)
            tries = len(session.state.tries)
            await session.ensure(session.state.target, session.wishes)
            return tries, [(one.rung, one.kind) for one in session.state.tries]

    tries, after = run(work())
    assert after[0] == ("gguf-cpu", "crashed") and len(after) > tries > 0


def _fake_engines():
    return [
        one for one in psutil.Process().children(recursive=True) if "fake_engine" in " ".join(one.cmdline())
    ]


def test_closing_while_it_loads_leaves_no_engine(tmp_path):
    async def work():
        services = made_services(tmp_path, "hang")
        file = tmp_path / "model.gguf"
        file.write_bytes(b"made")
        session = Session(services, made_prepare)
        loading = asyncio.ensure_future(session.load(Target("model", file), Wishes()))
        while not _fake_engines():
            await asyncio.sleep(0)
        await session.close()
        (end,) = await asyncio.gather(loading, return_exceptions=True)
        return type(end), _fake_engines()

    assert run(work()) == (asyncio.CancelledError, [])
