"""A load that a request began goes on without it."""

import asyncio
import dataclasses

import pytest

from autoglm_desktop.core.errors import EngineError
from autoglm_desktop.usecases.loading import Wishes
from autoglm_desktop.usecases.own_answers import OwnAnswers
from autoglm_desktop.usecases.session_state import SessionState
from tests.fakes.fake_session import READY, TARGET, FakeSession

IDLE = SessionState("idle", TARGET)


class Slow(FakeSession):
    """Loads when it is told to; cancelled meanwhile it has loaded nothing."""

    def __init__(self, error=None):
        super().__init__(state=IDLE)
        self.wishes, self.loads, self.cancelled = Wishes(), 0, 0
        self.begun, self.load = asyncio.Event(), asyncio.Event()
        self.error = error
        self._turn = asyncio.Lock()

    async def ensure(self, target, wishes):
        async with self._turn:
            if self.state.phase == "ready":
                return self.state
            self.loads += 1
            self.state = dataclasses.replace(IDLE, phase="loading")
            self.begun.set()
            try:
                await self.load.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                self.state = IDLE
                raise
            self.state = READY if self.error is None else dataclasses.replace(IDLE, phase="failed")
            if self.error is not None:
                raise self.error
        return self.state


async def all_of(service):
    return [event async for event in service.generate([], None)]


async def left(service, session):
    """Who asked first has left while its load was under way."""
    first = asyncio.ensure_future(all_of(service))
    await session.begun.wait()
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()


def test_who_asks_again_finds_the_model_loaded():
    async def work():
        session = Slow()
        service = OwnAnswers(session)
        await left(service, session)
        session.load.set()
        while session.state.phase != "ready":
            await asyncio.sleep(0)
        assert len(await all_of(service)) == 4
        assert (session.loads, session.cancelled) == (1, 0)

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_load_for_pictures_goes_on_too():
    async def work():
        session = Slow()
        service = OwnAnswers(session)
        asking = asyncio.ensure_future(service.ensure(TARGET, Wishes()))
        await session.begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        session.load.set()
        assert (await service.ensure(TARGET, Wishes())).phase == "ready"
        assert (session.loads, session.cancelled) == (1, 0)

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_load_that_fails_after_all_have_left_is_no_surprise(caplog):
    async def work():
        surprises = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, found: surprises.append(found))
        session = Slow(EngineError("no_rung_worked", path="/secret", detail=""))
        service = OwnAnswers(session)
        await left(service, session)
        session.load.set()
        while session.state.phase != "failed":
            await asyncio.sleep(0)
        session.error = None
        with caplog.at_level("INFO"):
            assert len(await all_of(service)) == 4  # and the next one tries again
        assert session.loads == 2 and surprises == []

    asyncio.run(asyncio.wait_for(work(), 30))


def test_who_waits_for_the_load_hears_why_it_failed():
    async def work():
        session = Slow(EngineError("no_rung_worked", path="/made", detail=""))
        session.load.set()
        with pytest.raises(EngineError) as caught:
            await all_of(OwnAnswers(session))
        assert caught.value.code == "no_rung_worked"

    asyncio.run(asyncio.wait_for(work(), 30))
