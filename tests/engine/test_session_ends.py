"""Closing, freeing and cancelling a session at awkward moments: who waits hears of it, and no engine is left."""

import asyncio
import os

import pytest

from autoglm_desktop.usecases.session import Wishes
from tests.engine.test_session_batch import ENDLESS, PICTURE, Asked, ends, engines, loaded, run, speaking

needs_signals = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def phases_of(session):
    """The phases from now on, each once in a row."""
    seen = []
    session.listen(lambda state: seen.append(state.phase) if seen[-1:] != [state.phase] else None)
    return seen


async def settle():
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("batch", "content"), [(None, "你好"), (2, "你好"), (3, PICTURE)])
def test_after_closing_nobody_who_waited_loads_it_again(tmp_path, batch, content):
    async def work():
        async with loaded(tmp_path, *ENDLESS, batch=batch) as session:
            asked = [Asked(session), Asked(session, content)]
            await speaking(asked[0])
            asked.append(Asked(session))
            await settle()
            phases = phases_of(session)
            await session.close()
            found = await ends(*asked)
            return found, "loading" in phases, len(engines())

    assert run(work()) == (["engine_freed"] * 3, False, 0)


@needs_signals
@pytest.mark.parametrize("batch", [None, 3])
def test_freeing_while_the_next_engine_is_about_to_be_asked_loads_none(tmp_path, batch):
    async def work():
        async with loaded(tmp_path, *ENDLESS, "--first", 30, batch=batch) as session:
            asked = [Asked(session) for _ in range(batch or 1)]
            while len(session._answers._running) < len(asked):
                await asyncio.sleep(0)
            phases, freeing = phases_of(session), []

            def free(state):
                if state.phase == "failed" and not freeing:
                    freeing.append(asyncio.ensure_future(session.free()))

            session.listen(free)
            (engine,) = engines()
            engine.kill()
            found = await ends(*asked)
            await freeing[0]
            return (
                all(one == "engine_freed" or "CancelledError" in one for one in found),
                phases,
                len(engines()),
            )

    free, phases, left = run(work())
    assert free and left == 0
    assert "ready" not in phases and phases[-1] == "idle"


def test_who_waits_for_its_turn_loads_for_itself_where_who_loaded_left(tmp_path):
    """A phone's client hangs up while the model loads: the chat's question goes on."""

    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            await session.unload()
            first, second = Asked(session), Asked(session)
            while session.state.phase != "loading":
                await asyncio.sleep(0)
            await first.leave()
            await speaking(second)
            await second.leave()
            return session.state.phase, len(engines())

    assert run(work()) == ("ready", 1)


def test_who_waits_for_a_load_that_the_user_cancels_shares_its_end(tmp_path):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            await session.unload()
            asked = [Asked(session), Asked(session)]
            while session.state.phase != "loading":
                await asyncio.sleep(0)
            session.cancel_load()
            found = await asyncio.gather(*(one.task for one in asked), return_exceptions=True)
            return [type(one) for one in found], session.state.phase, len(engines())

    assert run(work()) == ([asyncio.CancelledError] * 2, "idle", 0)


@pytest.mark.parametrize("how", ["cancel_load", "close"])
def test_a_load_is_cancelled_also_while_the_engine_before_it_ends(tmp_path, how):
    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            before = session._keeper.running.process
            loading = asyncio.ensure_future(session.load(session.state.target, Wishes()))
            while not before.closed:
                await asyncio.sleep(0)
            phases = phases_of(session)
            if how == "close":
                await session.close()
            else:
                session.cancel_load()
            (end,) = await asyncio.gather(loading, return_exceptions=True)
            return type(end), len(engines()), "ready" in phases, before.exit is not None

    assert run(work()) == (asyncio.CancelledError, 0, False, True)


def test_a_load_waits_until_the_engine_that_failed_is_gone(tmp_path):
    """Two at once would share the card's memory."""

    async def work():
        async with loaded(tmp_path, *ENDLESS) as session:
            await session.unload()
            async with session._keeper._mending:
                asked = Asked(session)
                await settle()
                early = session.state.phase
            await speaking(asked)
            await asked.leave()
            return early, session.state.phase

    assert run(work()) == ("idle", "ready")


@pytest.mark.parametrize("others", [0, 1])
def test_what_failed_is_noted_also_where_the_first_who_met_it_leaves(tmp_path, others):
    """Else the next load would try the plan that was too big."""

    async def work():
        mode = ("oom-generate", 200, "--batch", "--tokens", 100_000, "--delay", 0.005)
        async with loaded(tmp_path, *mode, batch=1 + others) as session:
            first = Asked(session)
            beside = [Asked(session) for _ in range(others)]
            await speaking(first)
            for one in beside:  # else they have heard nothing, and are asked again
                await speaking(one)
            process = session._keeper.running.process
            while not process.closed:
                await asyncio.sleep(0)
            await first.leave()
            found = await ends(*beside)
            return found, session._after.too_big is not None, session.state.phase, len(session._after.tries)

    assert run(work()) == (["answer_out_of_memory"] * others, True, "failed", 1)
