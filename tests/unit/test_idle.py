"""The idle unload: its clock and its setting."""

import asyncio

import pytest

from autoglm_desktop.store import settings
from autoglm_desktop.usecases import idle_setting
from autoglm_desktop.usecases.idle import IdleTimer
from tests.fakes.fake_services import made_services


def waits(seconds, steps):
    """How many calls there were when ``steps(timer)`` is over."""

    async def work():
        called = []
        timer = IdleTimer(seconds, lambda: called.append(True))
        await steps(timer)
        return len(called)

    return asyncio.run(work())


def test_rest_ends_with_a_call():
    async def steps(timer):
        timer.rest(resting=True)
        await asyncio.sleep(0.05)

    assert waits(0.0, steps) == 1


def test_work_and_never_mean_no_call():
    async def steps(timer):
        timer.rest(resting=True)
        timer.rest(resting=False)
        await asyncio.sleep(0.05)

    async def never(timer):
        timer.rest(resting=True)
        timer.set(None)
        await asyncio.sleep(0.05)

    assert waits(0.01, steps) == 0 and waits(0.01, never) == 0


def test_a_shorter_time_counts_from_the_beginning_of_the_rest():
    async def steps(timer):
        timer.rest(resting=True)
        timer.set(0.0)
        await asyncio.sleep(0.05)

    assert waits(3600.0, steps) == 1


@pytest.mark.parametrize(("kept", "minutes"), [(0, 0), (15, 15), (-4, 0), (10**9, 0)])
def test_what_makes_no_sense_means_never(tmp_path, kept, minutes):
    settings.update(tmp_path, idle_minutes=kept)
    assert idle_setting.minutes(made_services(tmp_path)) == minutes
    assert idle_setting.seconds(0) is None and idle_setting.seconds(15) == 900.0


def test_a_change_holds_at_once_and_is_kept(tmp_path):
    class Session:
        seconds = "never told"

        def set_idle(self, seconds):
            self.seconds = seconds

    session, services = Session(), made_services(tmp_path)
    settings.update(tmp_path, scheme="dark")
    assert asyncio.run(idle_setting.change(services, session, 30))
    assert session.seconds == 1800.0 and idle_setting.minutes(services) == 30
    assert settings.load(tmp_path).scheme == "dark"
